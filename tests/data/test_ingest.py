"""Ingesting: any files into one store; broken sources, a full disk and Ctrl-C leave nothing half-written."""

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake import wav
from fake.records import no_space
from fake.sigmf import ramp, write_pair

from groundwave.data import ingest as module
from groundwave.data import part, writer
from groundwave.data.ingest import ingest
from groundwave.data.store import Store
from groundwave.errors import DataError, OutputExistsError


def recordings(folder: Path) -> list[Path]:
    for name in ("qpsk", "fm"):
        (folder / name).mkdir(parents=True)
        ramp(1000, seed=len(name)).tofile(folder / name / "same.cf32")
    return [folder / "qpsk" / "same.cf32", folder / "fm" / "same.cf32"]


def test_files_become_one_store(tmp_path: Path) -> None:
    files = recordings(tmp_path / "in")
    seen: list[tuple[int, int]] = []
    store = ingest(files, tmp_path / "out", 1e6, 64, label="folder", progress=lambda *at: seen.append(at))
    assert (len(store), store.classes) == (30, ("qpsk", "fm"))
    assert store.group_names == ("qpsk/same.cf32", "fm/same.cf32")
    assert store.labels.tolist() == store.groups.tolist() == [0] * 15 + [1] * 15
    wanted = np.concatenate([ramp(1000, seed=n)[:960, 0].reshape(15, 64) for n in (4, 2)])
    np.testing.assert_allclose(store[torch.arange(30)]["iq"], wanted, atol=3e-5)
    assert store[torch.tensor([0])]["sample_rate_hz"].item() == 1e6
    assert [Path(source["path"]).parent.name for source in store.manifest.sources] == ["qpsk", "fm"]
    assert all(len(source["sha256"]) == 64 for source in store.manifest.sources)
    assert seen[-1] == (30, 30)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]


def test_a_folder_of_many_formats(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    note = {"core:sample_start": 0, "core:sample_count": 500, "core:label": "burst"}
    write_pair(folder, ramp(1000).tobytes(), annotations=[note])
    wav.write(folder / "w.wav", np.ones((200, 2), np.int16))
    np.save(folder / "n.npy", ramp(300)[:, 0])
    (folder / "fake.groundwave.sigmf-meta").write_text("{}")
    (folder / "notes.txt").write_text("not a recording")
    store = ingest([folder], tmp_path / "out", 48e3, 100)
    assert store.group_names == ("fake", "n", "w")
    assert store.groups.bincount().tolist() == [10, 3, 2]
    assert store.labels.tolist() == [0] * 5 + [-1] * 10


def test_window_sets_and_stores_can_be_merged(tmp_path: Path) -> None:
    windows = np.random.default_rng(0).normal(size=(6, 2, 32)).astype(np.float32)
    np.savez(tmp_path / "a.npz", iq=windows, y=["x", "y"] * 3, g=["r1"] * 3 + ["r2"] * 3)
    np.savez(tmp_path / "b.npz", iq=windows, y=["z", "y"] * 3, g=["r2"] * 6)
    options: dict[str, Any] = {"sample_rate": 1.0, "label": "y", "group": "g", "dtype": "float32"}
    first = ingest([tmp_path / "a.npz"], tmp_path / "first", **options)
    both = ingest([first.path, tmp_path / "b.npz"], tmp_path / "both", **options)
    assert (both.classes, both.group_names) == (("x", "y", "z"), ("r1", "r2"))
    assert both.labels.tolist() == [0, 1] * 3 + [2, 1] * 3
    assert both.groups.tolist() == [0] * 3 + [1] * 9
    np.testing.assert_array_equal(both[torch.arange(12)]["iq"].real, np.concatenate([windows[:, 0]] * 2))


def test_folder_labels_are_for_recordings_only(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", iq=ramp(64).reshape(4, 16))
    with pytest.raises(DataError, match=r"--label folder for .*a\.npz, which holds windows"):
        ingest([*recordings(tmp_path / "in"), tmp_path / "a.npz"], tmp_path / "out", 1e6, 16, label="folder")


@pytest.mark.parametrize("meta", ["x.cf32.sigmf-meta", "other.sigmf-meta"])
@pytest.mark.parametrize("how", ["folder", "data first", "meta first", "twice", "link"])
def test_a_data_file_is_read_once_whatever_names_it(tmp_path: Path, meta: str, how: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    name = meta.removesuffix(".sigmf-meta")
    note = {"core:sample_start": 0, "core:sample_count": 1000, "core:label": "known"}
    write_pair(folder, ramp(1000).tobytes(), name=name, dataset="x.cf32", annotations=[note])
    (folder / "link.cf32").symlink_to(folder / "x.cf32")
    sources = {
        "folder": [folder],
        "data first": [folder / "x.cf32", folder / meta],
        "meta first": [folder / meta, folder / "x.cf32"],
        "twice": [folder / meta, folder / meta, folder, folder / "x.cf32"],
        "link": [folder / "link.cf32", folder / meta],
    }[how]
    store = ingest(sources, tmp_path / "out", num_samples=100)
    assert (len(store), store.group_names, store.classes) == (10, (name,), ("known",))


def test_the_same_file_twice_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = recordings(tmp_path / "in")[0]
    np.savez(tmp_path / "a.npz", iq=ramp(64).reshape(4, 16))
    monkeypatch.chdir(tmp_path)
    twice = [file, file.relative_to(tmp_path), tmp_path / "a.npz", Path("a.npz")]
    assert len(ingest(twice, tmp_path / "out", 1e6, 16)) == 1000 // 16 + 4


def with_silence(folder: Path) -> list[Path]:
    """Return a recording of 30 windows of 64 samples and a set of 4, every third and the last of which are silent."""
    iq, windows = ramp(30 * 64)[:, 0].reshape(30, 64), ramp(4 * 64, seed=1).reshape(4, 64)
    iq[::3], windows[[0, 3]] = 0, 0
    iq.tofile(folder / "r.cf32")
    np.savez(folder / "w.npz", iq=windows)
    return [folder / "r.cf32", folder / "w.npz"]


def test_silent_records_are_left_out_and_counted(tmp_path: Path) -> None:
    store = ingest(with_silence(tmp_path), tmp_path / "out", 1e6, 64, dtype="float32")
    assert (len(store), store.manifest.notes["silent"]) == (22, 12)
    record = store[torch.arange(22)]
    wanted = [row for file in (0, 1) for row in (ramp(30 * 64), ramp(4 * 64, seed=1))[file].reshape(-1, 64)]
    kept = [*(i for i in range(30) if i % 3), 31, 32]
    np.testing.assert_array_equal(record["iq"], np.stack([wanted[i] for i in kept]))
    assert record["group"].tolist() == [0] * 20 + [-1] * 2


@pytest.mark.parametrize("after", [1, 16, 31])
def test_an_interrupted_run_with_silence_goes_on(tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    files = with_silence(tmp_path)
    small_parts(monkeypatch)
    whole = ingest(files, tmp_path / "whole", 1e6, 64)
    with pytest.raises(KeyboardInterrupt):
        ingest(files, tmp_path / "out", 1e6, 64, progress=interrupt(after))
    seen: list[int] = []
    store = ingest(files, tmp_path / "out", 1e6, 64, progress=lambda done, _: seen.append(done))
    assert seen[-1] == 34
    assert store.manifest.notes == whole.manifest.notes
    torch.testing.assert_close(store[torch.arange(22)]["iq"], whole[torch.arange(22)]["iq"], atol=0, rtol=0)


def test_an_interruption_just_before_the_end_repeats_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = with_silence(tmp_path)

    rename = Path.rename

    def interrupted(path: Path, target: Path) -> Path:
        if target == tmp_path / "out":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ingest(files, tmp_path / "out", 1e6, 64)
    monkeypatch.undo()
    store = ingest(files, tmp_path / "out", 1e6, 64)
    assert (len(store), store.manifest.notes["silent"]) == (22, 12)


def test_nothing_but_silence_is_refused(tmp_path: Path) -> None:
    np.zeros(640, np.complex64).tofile(tmp_path / "r.cf32")
    with pytest.raises(DataError, match="10 records, all without any power"):
        ingest([tmp_path / "r.cf32"], tmp_path / "out", 1e6, 64)
    assert [path.name for path in tmp_path.iterdir()] == ["r.cf32"]


def test_unknown_groups_stay_unknown(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", iq=ramp(64).reshape(4, 16))
    assert ingest([tmp_path / "a.npz"], tmp_path / "out", 1.0).groups.tolist() == [-1] * 4


def test_options_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="group, which mean nothing"):
        ingest(recordings(tmp_path / "in"), tmp_path / "out", 1e6, 64, group="g")


def test_real_windows(tmp_path: Path, shared_data: Path) -> None:
    file = shared_data / "iq" / "ism_433mhz.npz"
    names = {"label": "label", "classes": "label_names", "group": "capture_id", "group_names": "capture_files"}
    store = ingest([file], tmp_path / "out", iq="iq_u8", **names)
    assert (len(store), len(store.classes), len(store.group_names)) == (3804, 31, 325)
    with np.load(file) as arrays:
        raw = arrays["iq_u8"][1000].astype(float) - 127.5
        wanted = torch.from_numpy(raw[0] + 1j * raw[1]).to(torch.complex64) / 128
        assert store.labels.tolist() == arrays["label"].tolist()
    torch.testing.assert_close(store[torch.tensor([1000])]["iq"][0], wanted, atol=3e-5, rtol=0)


def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "CHUNK_BYTES", 1024)
    monkeypatch.setattr(writer, "PART_BYTES", 1024)
    monkeypatch.setattr(module, "BATCH_BYTES", 2048)


def interrupt(after: int) -> Any:
    def progress(done: int, _: int) -> None:
        if done >= after:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("after", [1, 16, 29])
def test_an_interrupted_run_goes_on_and_gives_the_same_store(
    tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = recordings(tmp_path / "in")
    small_parts(monkeypatch)
    whole = ingest(files, tmp_path / "whole", 1e6, 64)
    with pytest.raises(KeyboardInterrupt):
        ingest(files, tmp_path / "out", 1e6, 64, progress=interrupt(after))
    assert not (tmp_path / "out").exists()
    seen: list[int] = []
    store = ingest(files, tmp_path / "out", 1e6, 64, progress=lambda done, _: seen.append(done))
    assert seen[0] > after - 8
    store.verify()
    everything = torch.arange(30)
    torch.testing.assert_close(store[everything], whole[everything], atol=0, rtol=0, equal_nan=True)
    assert not (tmp_path / "out.partial").exists()


def test_another_command_is_refused_and_leaves_the_unfinished_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = recordings(tmp_path / "in")
    small_parts(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        ingest(files, tmp_path / "out", 1e6, 64, progress=interrupt(20))
    with pytest.raises(DataError, match=r"out\.partial, .* \(num_samples 64, not 32\).* remove the unfinished"):
        ingest(files, tmp_path / "out", 1e6, 32)
    assert len(ingest(files, tmp_path / "out", 1e6, 64)) == 30


def test_a_full_disk_is_told_and_the_run_goes_on_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = recordings(tmp_path / "in")
    small_parts(monkeypatch)
    calls = 0
    real = part.write

    def fills_up(*args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            no_space()
        real(*args)

    monkeypatch.setattr(part, "write", fills_up)
    with pytest.raises(DataError, match="no space left"):
        ingest(files, tmp_path / "out", 1e6, 64)
    assert not (tmp_path / "out").exists()
    assert len(Store.open(tmp_path / "out.partial")) == 12
    assert len(ingest(files, tmp_path / "out", 1e6, 64)) == 30


def bad_source(folder: Path, kind: str) -> list[Path]:
    good = folder / "good.cf32"
    ramp(500).tofile(good)
    bad = folder / "bad.cf32"
    if kind == "nan":
        iq = ramp(500)
        iq[400] = np.nan
        iq.tofile(bad)
    elif kind == "odd":
        bad.write_bytes(b"123")
    elif kind == "empty":
        bad.write_bytes(b"")
    elif kind == "short":
        ramp(10).tofile(bad)
    elif kind == "other length":
        bad = folder / "bad.npz"
        np.savez(bad, iq=np.zeros((3, 2, 99), np.int8))
    elif kind == "no file of a known format":
        (folder / "empty").mkdir()
        return [folder / "empty"]
    return [good, bad]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nan", "offset 400"),
        ("odd", "3 bytes"),
        ("empty", "0 bytes"),
        ("short", "at least one window of 64.*--num-samples"),
        ("other length", r"expected complex \[B, 64\]"),
        ("missing", "does not exist"),
        ("no file of a known format", "no recording in"),
    ],
)
def test_a_bad_source_writes_nothing(tmp_path: Path, kind: str, message: str) -> None:
    before = bad_source(tmp_path, kind)
    names = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(DataError, match=message):
        ingest(before, tmp_path / "out", 1e6, 64)
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def test_an_output_that_exists_is_refused(tmp_path: Path) -> None:
    files = recordings(tmp_path / "in")
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputExistsError):
        ingest(files, tmp_path / "out", 1e6, 64)
    (tmp_path / "new.partial").mkdir()
    (tmp_path / "new.partial" / "mine.txt").write_text("not ours to delete")
    with pytest.raises(OutputExistsError):
        ingest(files, tmp_path / "new", 1e6, 64)
    assert (tmp_path / "new.partial" / "mine.txt").exists()


MEASURE = """
import resource, sys
from pathlib import Path
from groundwave.data.ingest import ingest
store = ingest([Path(sys.argv[1])], Path(sys.argv[2]), 1e6, 1024, hop=int(sys.argv[3]))
print(len(store), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_a_4_gb_recording_needs_less_than_1_gb_of_memory(tmp_path: Path) -> None:
    big = tmp_path / "big.cs16"
    hop = 1 << 16
    with big.open("wb") as file:
        file.truncate(4 << 30)  # sparse: zeros that take no disk, and one sample in each window, as silence is left out
        for offset in range(0, 4 << 30, 4 * hop):
            file.seek(offset)
            file.write(b"\1\0\1\0")
    run = [sys.executable, "-c", MEASURE, str(big), str(tmp_path / "out"), str(hop)]
    result = subprocess.run(run, capture_output=True, text=True, check=True)
    records, megabytes = map(int, result.stdout.split())
    assert records == (1 << 30) // hop
    assert megabytes < 1000
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024 >= megabytes
