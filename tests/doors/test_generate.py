"""`groundwave generate` is killed at any moment and started again: the store is that of a run in one go."""

import multiprocessing
import os
import random
import sys
import time
from hashlib import sha256
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
import torch

from groundwave.atomic import exclusive
from groundwave.data import open_source, part, writer
from groundwave.data.sources import SceneSource
from groundwave.data.store import Store
from groundwave.errors import BusyError, DataError, GroundwaveError, OutputExistsError
from groundwave.recipes.generate import generate
from groundwave.scenes import SCENES
from groundwave.scenes.domain import Domain
from groundwave.scenes.modulations import Modulations
from groundwave.scenes.radioml import RadioML

SMALL: dict[str, dict[str, Any]] = {
    "angles": {"num_samples": 8, "size": (2, 2), "num_sources": (1, 2)},
    "beams": {"codebook": "pi-radio-5", "num_samples": 64},
    "cellular": {"num_freqs": 32, "num_frames": 8, "num_averaged": 2, "num_per_block": 20},
    "csi": {"num_packets": 16, "num_subcarriers": 4},
    "ism-band": {"num_freqs": 64, "num_frames": 8, "bandwidth_mhz": (60, 80), "duration_s": 1e-3, "num_per_block": 20},
    "modulations": {"classes": ("QPSK", "GFSK", "AM-USB"), "records_per_class": 9, "num_samples": 64},
    "occupancy": {"num_freqs": 64, "num_frames": 16, "num_averaged": 2, "num_per_block": 20},
    "radioml": {"snrs_db": (0, 10), "records_per_cell": 2, "num_samples": 64},
    "rgbd": {"height": 8, "width": 8, "rooms_per_class": 1, "pictures_per_room": 2},
    "rml22": {"snrs_db": (0, 10), "records_per_cell": 2, "num_samples": 64},
    "spectrogram": {
        "num_freqs": 16,
        "num_frames": 4,
        "num_per_block": 20,
        "num_emitters": (1, 2),
        "bandwidth": (0.1, 0.4),
    },
}
NUM, LONG = 300, 1000
SMALL_CHUNK = 50 * 64 * 4  # bytes of 50 records


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "PART_BYTES", 1)  # parts of one chunk
    monkeypatch.setattr(part, "CHUNK_BYTES", SMALL_CHUNK)
    monkeypatch.setattr(writer, "sync", lambda path: None)  # it takes a lost power supply to tell the difference


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def make(out: Path, name: str = "radioml", **changed: Any) -> Path:
    given = {"num": NUM, "seed": 3, "settings": SMALL[name], **changed}
    generate(name, out=out, **given)
    return out


def test_every_scene_has_a_small_setting() -> None:
    assert SMALL.keys() == SCENES.keys()


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
@pytest.mark.parametrize("name", SCENES)
def test_the_store_is_the_same_for_any_number_of_workers_and_threads(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = files(make(tmp_path / "0", name))
    assert len(Store.open(tmp_path / "0").manifest.parts) > 2
    for workers in (1, 2, 4):
        assert files(make(tmp_path / str(workers), name, workers=workers)) == whole
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert files(make(tmp_path / "threads", name)) == whole
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    monkeypatch.setattr("groundwave.recipes.generate.BATCH_BYTES", 1)
    assert files(make(tmp_path / "batch", name)) == whole


@pytest.mark.parametrize("name", SCENES)
def test_the_store_holds_what_the_scene_gives(tmp_path: Path, name: str) -> None:
    store = Store.open(make(tmp_path / "s", name))
    store.verify()
    order = torch.randperm(NUM, generator=torch.Generator().manual_seed(0))
    wanted = SceneSource(SCENES[name](**SMALL[name], seed=3), NUM)[order]
    got = store[order]
    if "iq" in wanted:
        peak = torch.view_as_real(wanted["iq"]).abs().max()
        torch.testing.assert_close(got.pop("iq"), wanted.pop("iq"), atol=2.2e-5 * float(peak), rtol=0)
    assert set(wanted) <= set(got)
    for key in wanted:
        torch.testing.assert_close(got[key], wanted[key].to(got[key].dtype), rtol=0, atol=0, equal_nan=True)
    for group in wanted["group"][:9].tolist():
        assert store.group_names[group] == str(group)


def test_other_columns_are_kept(tmp_path: Path) -> None:
    settings = {**SMALL["radioml"], "version": "as-published"}
    store = Store.open(make(tmp_path / "s", settings=settings))
    scene = RadioML(**settings, seed=3)
    assert store.manifest.extra == ("true_snr_db",)
    torch.testing.assert_close(
        store.columns["true_snr_db"][: scene.num_per_block], scene.block(0)["true_snr_db"], rtol=0, atol=0
    )


@pytest.mark.parametrize("provenance", ["environment TDL-A", "devices 3"])
def test_everything_drawn_is_kept(tmp_path: Path, provenance: str) -> None:
    domains = {"environment TDL-A": Domain(environment="TDL-A", doppler_hz=100.0), "devices 3": Domain(num_devices=3)}
    settings = {**SMALL["modulations"], "provenance": True, "domain": domains[provenance]}
    store = Store.open(make(tmp_path / "s", "modulations", settings=settings))
    wanted = SceneSource(Modulations(**settings, seed=3), NUM)[torch.arange(NUM)]
    got = store[torch.arange(NUM)]
    drawn = [key for key in wanted if key.startswith("drawn_")]
    assert len(drawn) >= 5
    for key in drawn:
        torch.testing.assert_close(got[key], wanted[key].to(got[key].dtype), rtol=0, atol=0)


def test_a_store_without_iq_is_refused_as_a_source_of_iq(tmp_path: Path) -> None:
    out = make(tmp_path / "s", "spectrogram", num=9)
    with pytest.raises(DataError, match=r"store of spec, mask.*a store of IQ.*generate the scene again"):
        open_source(out)


class OnAnotherDevice(RadioML):
    """A scene that computes elsewhere."""

    def block(self, b: int) -> dict[str, torch.Tensor]:
        return {key: values.to("meta") for key, values in super().block(b).items()}


def test_workers_on_another_device_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundwave.recipes.generate.SCENES", {"radioml": OnAnotherDevice})
    with pytest.raises(GroundwaveError, match=r"--workers 2 for a scene on meta.*leave out --workers"):
        make(tmp_path / "s", workers=2)
    assert list(tmp_path.iterdir()) == []


class Stopped(BaseException):
    """What no code expects."""


def stopping(after: int) -> Any:
    def progress(done: int, total: int) -> None:
        if done >= after:
            raise Stopped

    return progress


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stopped_run_goes_on_after_its_last_part(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groundwave.recipes.generate.BATCH_BYTES", 1)
    whole = files(make(tmp_path / "whole"))
    with pytest.raises(Stopped):
        make(tmp_path / "s", workers=workers, progress=stopping(200))
    kept = len(Store.open(tmp_path / "s.partial"))
    assert 50 <= kept <= 200
    seen: list[int] = []
    make(tmp_path / "s", workers=workers, progress=lambda done, _: seen.append(done))
    assert kept < seen[0] <= kept + 44
    assert files(tmp_path / "s") == whole
    assert not (tmp_path / "s.partial").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 4}, "seed 3, not 4"),
        ({"num": NUM + 1}, f"num {NUM}, not {NUM + 1}"),
        ({"settings": {**SMALL["radioml"], "records_per_cell": 3}}, "records_per_cell"),
    ],
)
def test_another_command_in_the_same_place_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(Stopped):
        make(tmp_path / "s", progress=stopping(200))
    before = files(tmp_path)
    with pytest.raises(DataError, match=rf"unfinished store of another command.*{message}.*remove the unfinished"):
        make(tmp_path / "s", **change)
    assert files(tmp_path) == before


def test_another_version_does_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Stopped):
        make(tmp_path / "s", progress=stopping(200))
    monkeypatch.setattr("groundwave.data.draft.__version__", "99")
    with pytest.raises(DataError, match=r"version \".*\", not \"99\""):
        make(tmp_path / "s")


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "s.partial").mkdir()
    (tmp_path / "s.partial" / "mine.txt").write_text("mine")
    with pytest.raises(OutputExistsError):
        make(tmp_path / "s")
    Store.create(tmp_path / "t.partial", classes=[], num_samples=8)
    with pytest.raises(OutputExistsError):
        make(tmp_path / "t")
    (tmp_path / "u").mkdir()
    with pytest.raises(OutputExistsError):
        make(tmp_path / "u")


def test_a_second_writer_is_refused_and_takes_nothing_along(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        make(tmp_path / "s", progress=stopping(200))
    before = files(tmp_path)
    with exclusive(tmp_path / "s.partial"), pytest.raises(BusyError):
        make(tmp_path / "s")
    assert files(tmp_path) == before


def test_a_writer_overtaken_while_it_started_is_refused(tmp_path: Path) -> None:
    """Between looking where to go on from and locking, another process went further."""
    with pytest.raises(Stopped):
        make(tmp_path / "s", progress=stopping(200))
    store = Store.open(tmp_path / "s.partial")
    stale = SceneSource(RadioML(**SMALL["radioml"], seed=3), NUM)[torch.arange(len(store) - 5, len(store))]
    with pytest.raises(BusyError), store.appender(commit_each_part=True) as appender:
        appender.add(stale)
    assert len(Store.open(store.path)) == len(store)


@pytest.mark.parametrize(("change", "message"), [({"num": 0}, "--num 0"), ({"workers": -1}, "--workers -1")])
def test_bad_counts_are_refused(tmp_path: Path, change: dict[str, int], message: str) -> None:
    with pytest.raises(GroundwaveError, match=message):
        make(tmp_path / "s", **change)


def run_small(out: Path, workers: int) -> None:
    multiprocessing.set_start_method("fork", force=True)  # as in a command
    writer.PART_BYTES, part.CHUNK_BYTES, writer.sync = 1, SMALL_CHUNK, lambda path: None
    make(out, num=LONG, workers=workers)


def run_until(processes: ForkServerContext, out: Path, workers: int, stop: float) -> None:
    """Make a store in another process, and kill that at the time `stop`, should it still be there."""
    process = processes.Process(target=run_small, args=(out, workers))
    process.start()
    while alive(process.pid) and time.monotonic() < stop:
        time.sleep(0.001)
    process.kill()
    while alive(process.pid):  # not `join`, which waits for orphaned workers, too
        time.sleep(0.001)


def alive(pid: int | None) -> bool:
    try:
        os.kill(pid or 0, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Processes that have their imports done when they start."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["groundwave.recipes.generate", "zarr", "pytest"])
    return context


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL there")
@pytest.mark.parametrize("workers", [0, 2])
def test_killed_at_random_moments_it_ends_with_the_same_bytes(
    tmp_path: Path, workers: int, processes: ForkServerContext
) -> None:
    draw, seconds = random.Random(workers), 0.0
    for name in ("warm-up", "whole"):
        begun = time.monotonic()
        run_until(processes, tmp_path / name, workers, begun + 60)
        seconds = time.monotonic() - begun
    out, runs = tmp_path / "s", 0
    while not out.exists():
        assert runs < 10
        runs += 1
        run_until(processes, out, workers, time.monotonic() + (draw.uniform(0, seconds / 2) if runs < 5 else 60))
    assert runs > 1
    assert files(out) == files(tmp_path / "whole")
    assert not (tmp_path / "s.partial").exists()
