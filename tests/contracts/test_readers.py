"""Every reader of the table reads its fake file, as a recording or as a source of windows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake import beams, csi, pictures, radioml, sigmf, wav
from fake.records import records

from groundwave.data import NAMED_FILES, READERS, SUFFIXES, format_of, open_source, reader
from groundwave.data.csi import PacketStream
from groundwave.data.recording import Recording
from groundwave.data.store import Store
from groundwave.errors import DataError

IQ = sigmf.ramp(256)[:, 0]
WINDOWS = IQ.reshape(4, 64)
PAIRS = np.stack([WINDOWS.real, WINDOWS.imag], axis=1)
DTYPES = {"label": torch.int64, "group": torch.int64, "snr_db": torch.float32, "index": torch.int64}


def raw(folder: Path) -> Path:
    (folder / "x.cf32").write_bytes(IQ.tobytes())
    return folder / "x.cf32"


def npy(folder: Path) -> Path:
    np.save(folder / "x.npy", IQ)
    return folder / "x.npy"


def npz(folder: Path) -> Path:
    np.savez(folder / "x.npz", iq=WINDOWS)
    return folder / "x.npz"


def store(folder: Path) -> Path:
    made = Store.create(folder / "store", classes=["a", "b"], num_samples=64, dtype="float32")
    with made.appender() as appender:
        appender.add({**records(4), "iq": torch.from_numpy(WINDOWS)})
    return made.path


def csi_npz(folder: Path) -> Path:
    np.savez(folder / "x.npz", csi=csi.whole_numbers(4, 2, 3, 8))
    return folder / "x.npz"


def ntu_fi(folder: Path) -> Path:
    return csi.write_ntu_fi(folder / "in", {f"walk/{n}": np.full((3, 4, 8), 1.0 + n) for n in range(4)})


CLOCK_US = range(0, 320_000, 10_000)
RATE = {"sample_rate_hz": 1e6}
FAKES: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    "sigmf": (lambda folder: sigmf.write_pair(folder, IQ.tobytes()), {}),
    "raw": (raw, RATE),
    "npy": (npy, RATE),
    "wav": (lambda folder: wav.write(folder / "x.wav", IQ.view(np.float32).reshape(-1, 2)), {}),
    "npz": (npz, RATE),
    "radioml-2016": (lambda folder: radioml.write_2016(folder / "x.pkl", {("BPSK", 0): PAIRS}), {}),
    "radioml-2018": (
        lambda folder: radioml.write_2018(folder / "x.hdf5", PAIRS.transpose(0, 2, 1), np.zeros(4, int), np.zeros(4)),
        {},
    ),
    "csi-npz": (csi_npz, {}),
    "deepbeam": (
        lambda folder: beams.write_deepbeam(folder / "x.h5", WINDOWS),
        {"num_samples": 64, "blocks_per_frame": 1},
    ),
    "deepsense": (lambda folder: beams.write_deepsense(folder / "x.npz", {3: np.eye(4, 8)}), {}),
    "esp32": (lambda folder: csi.write_esp32(folder / "x.csv", csi.whole_numbers(32, 64), CLOCK_US), {}),
    "intel5300": (lambda folder: csi.write_intel5300(folder / "x.dat", csi.whole_numbers(32, 2, 1, 30), CLOCK_US), {}),
    "ntu-fi": (ntu_fi, {}),
    "nyu-depth-v2": (
        lambda folder: pictures.write_nyu(folder / "x.mat", *pictures.rooms(4), ["cafe"] * 4, list("abcd")),
        {},
    ),
    "picture-pairs": (lambda folder: pictures.write_pairs(folder / "in"), {}),
    "spectrum-frames": (
        lambda folder: csi.write_frames(folder / "in", np.ones((4, 8, 8)), np.zeros((4, 8, 8), np.uint8)),
        {},
    ),
    "ut-har": (lambda folder: csi.write_ut_har(folder, np.ones((4, 8, 90)), np.arange(4)), {}),
    "store": (store, {}),
}


def test_every_reader_has_a_fake_file() -> None:
    assert FAKES.keys() == READERS.keys()


def test_every_format_is_found_by_a_suffix_or_has_to_be_named() -> None:
    assert {*SUFFIXES.values(), "store"} | NAMED_FILES.keys() == READERS.keys()


@pytest.mark.parametrize("name", READERS)
def test_reader_is_found_by_the_files_name_and_gives_its_samples(tmp_path: Path, name: str) -> None:
    write, options = FAKES[name]
    path = write(tmp_path)
    assert name in NAMED_FILES or format_of(path) == name
    source = open_source(path, format=name if name in NAMED_FILES else None, **options)
    if isinstance(source, Recording):
        assert (source.num_channels, source.num_samples) == (1, len(IQ))
        np.testing.assert_allclose(source.read(0, len(IQ))[0], IQ, atol=1e-7)
        np.testing.assert_array_equal(source.read(7, 50), source.read(0, 100)[:, 7:57])
        return
    if isinstance(source, PacketStream):
        source = source.windows(8)
    assert len(source) == 4
    record = source[torch.tensor([2, 0])]
    if "iq" in record:
        torch.testing.assert_close(record["iq"], torch.from_numpy(WINDOWS[[2, 0]]), atol=1e-7, rtol=0)
    else:
        (kind,) = record.keys() & {"csi", "power", "spec", "rgb"}
        assert record[kind].dtype == (torch.complex64 if kind == "csi" else torch.float32)
        assert record[kind].shape[0::3] == {"csi": (2, 8), "rgb": (2, 64)}.get(kind, (2,))
    assert {key: record[key].dtype for key in DTYPES} == DTYPES
    assert record["index"].tolist() == [2, 0]
    assert int(record["label"].max()) < max(1, len(source.classes))
    assert all(-1 <= int(group) < len(source.group_names) for group in record["group"])


@pytest.mark.parametrize("path", [".", "/", ""])
@pytest.mark.parametrize("format", [None, *READERS])
def test_a_folder_is_no_recording(
    tmp_path: Path, path: str, format: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = RATE if format in ("raw", "npy", "wav", "npz") else {}
    with pytest.raises(DataError):
        open_source(path, format=format, **options)


def test_a_store_opens_from_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store(tmp_path))
    assert len(open_source(".")) == 4


@pytest.mark.parametrize("name", READERS)
def test_reader_says_in_its_help_what_it_opens(name: str) -> None:
    assert (reader(name).__doc__ or "").strip()
