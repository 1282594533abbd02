"""Windows in arrays: npz with the user's names, RadioML's pickle and HDF5; and a pickle that wants more."""

import builtins
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake.radioml import write_2016, write_2018

from groundwave.contracts import Source
from groundwave.data import open_source
from groundwave.data.radioml import CLASSES_2018, RUN
from groundwave.data.split import split
from groundwave.errors import DataError, UnknownNameError

ALL = {"iq": "x", "label": "y", "group": "g", "snr": "s", "classes": "names", "group_names": "rooms"}


def arrays(count: int = 12, **changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "x": rng.integers(0, 256, (count, 2, 32), dtype=np.uint8),
        "y": np.arange(count) % 3,
        "g": np.arange(count, dtype=np.int16) // 3,
        "s": np.linspace(0, 10, count),
        "names": np.array(["a", "b", "c"]),
        "rooms": np.array([f"room{i}" for i in range(count // 3)]),
        "sample_rate_hz": np.int64(250_000),
    } | changes


def test_npz_by_the_users_names(tmp_path: Path) -> None:
    content = arrays()
    np.savez(tmp_path / "w.npz", **content)
    source = open_source(tmp_path / "w.npz", **ALL)
    rows = torch.tensor([11, 0, 5])
    got = source[rows]
    pairs = (content["x"][rows].astype(float) - 127.5) / 128
    np.testing.assert_allclose(got["iq"].numpy(), pairs[:, 0] + 1j * pairs[:, 1], rtol=1e-6)
    assert got["label"].tolist() == [2, 0, 2]
    assert got["group"].tolist() == [3, 0, 1]
    assert got["sample_rate_hz"].tolist() == [250_000.0] * 3
    torch.testing.assert_close(got["snr_db"], torch.tensor([10.0, 0.0, 50 / 11]))
    assert (source.classes, source.group_names[1]) == (("a", "b", "c"), "room1")
    assert isinstance(source, Source)


def test_names_may_stand_in_the_columns_themselves(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", x=np.ones((3, 8), np.complex64), y=["bpsk", "am", "bpsk"], g=["r2", "r1", "r1"])
    source = open_source(tmp_path / "w.npz", iq="x", label="y", group="g", sample_rate_hz=1.0)
    assert (source.classes, source.labels.tolist()) == (("am", "bpsk"), [1, 0, 1])
    assert (source.group_names, source.groups.tolist()) == (("r1", "r2"), [1, 0, 0])


@pytest.mark.parametrize("shape", [(4, 16), (4, 3, 16), (4, 2, 16), (4, 16, 2)])
def test_layouts(tmp_path: Path, shape: tuple[int, ...]) -> None:
    real = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    pairs = len(shape) == 3 and 2 in shape[1:]
    np.savez(tmp_path / "w.npz", iq=real if pairs else real.astype(np.complex128))
    got = open_source(tmp_path / "w.npz", sample_rate_hz=1.0)[torch.arange(4)]["iq"]
    wanted = {(4, 2, 16): lambda: real[:, 0] + 1j * real[:, 1], (4, 16, 2): lambda: real[..., 0] + 1j * real[..., 1]}
    torch.testing.assert_close(got, torch.from_numpy(wanted.get(shape, lambda: real)()).to(torch.complex64))


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"y": np.zeros(11, int)}, {}, "label values of shape.*for 12 records"),
        ({"g": np.zeros(13, int)}, {}, "group values of shape"),
        ({"y": np.full(12, 3)}, {}, "class indices from 3 to 3"),
        ({"y": np.linspace(0, 1, 12)}, {}, "whole numbers or text"),
        ({"x": np.zeros((12, 3, 32))}, {}, "windows of float64"),
        ({"x": np.zeros((12, 2, 2))}, {}, "windows of float64"),
        ({"x": np.zeros((0, 2, 32))}, {}, "no window in 'x'"),
        ({"sample_rate_hz": None}, {}, "--sample-rate"),
        ({"y": np.array([{}] * 12)}, {}, "without objects"),
        ({"x": np.array(1 + 1j)}, {}, r"windows of complex128 and shape \[\]"),
        ({"y": np.array([], int)}, {}, r"label values of shape \[0\] for 12 records"),
        ({"y": np.array([], str)}, {}, r"label values of shape \[0\]"),
        ({"y": np.array(1)}, {}, r"label values of shape \[\]"),
        ({"y": np.zeros((12, 1), int)}, {}, r"label values of shape \[12, 1\]"),
        ({"names": np.array("a")}, {}, "class indices from 0 to 2"),
        ({"s": np.array(["5 dB"] * 12)}, {}, "snr values of <U4; expected numbers"),
        ({"sample_rate_hz": np.arange(1, 13)}, {}, "one positive rate for all windows.*split"),
        ({"sample_rate_hz": np.array("fast")}, {}, "one positive rate"),
        ({"sample_rate_hz": np.zeros(12)}, {}, "one positive rate"),
        ({"sample_rate_hz": np.array([])}, {}, "one positive rate"),
    ],
)
def test_bad_npz_is_refused(tmp_path: Path, changes: dict[str, Any], options: dict[str, str], message: str) -> None:
    content = {name: value for name, value in arrays(**changes).items() if value is not None}
    np.savez(tmp_path / "w.npz", **content)
    with pytest.raises(DataError, match=message):
        open_source(tmp_path / "w.npz", **ALL, **options)


@pytest.mark.parametrize("rate", [-5.0, 0.0, float("nan"), float("inf")])
def test_a_sample_rate_that_cannot_be_is_refused(tmp_path: Path, rate: float) -> None:
    np.savez(tmp_path / "w.npz", **arrays())
    with pytest.raises(DataError, match=r"a sample rate of .* Hz; expected a positive number"):
        open_source(tmp_path / "w.npz", **ALL, sample_rate_hz=rate)


def test_a_rate_may_stand_beside_each_window(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **arrays(sample_rate_hz=np.full(12, 2e6)))
    source = open_source(tmp_path / "w.npz", **ALL)
    assert source[torch.arange(2)]["sample_rate_hz"].tolist() == [2e6, 2e6]


@pytest.mark.parametrize("dtype", [">i2", ">f8", "<u2", "<u8"])
def test_columns_of_any_number_format(tmp_path: Path, dtype: str) -> None:
    np.savez(tmp_path / "w.npz", **arrays(s=np.arange(12).astype(dtype)))
    assert open_source(tmp_path / "w.npz", **ALL)[torch.arange(12)]["snr_db"].tolist() == list(range(12))


@pytest.mark.parametrize("content", [b"", b"PK\3\4 cut short", b"\x80\x04N."])
def test_a_damaged_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.npz").write_bytes(content)
    with pytest.raises(DataError):
        open_source(tmp_path / "w.npz", sample_rate_hz=1.0)


def test_an_unknown_array_offers_the_nearest(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", iq_u8=np.zeros((3, 2, 8), np.uint8))
    with pytest.raises(UnknownNameError, match="did you mean 'iq_u8'"):
        open_source(tmp_path / "w.npz", iq="iq_8", sample_rate_hz=1.0)


def test_a_nan_window_is_named(tmp_path: Path) -> None:
    windows = np.ones((5, 8), np.complex64)
    windows[3, 2] = np.nan
    np.savez(tmp_path / "w.npz", iq=windows)
    source = open_source(tmp_path / "w.npz", sample_rate_hz=1.0)
    source[torch.arange(3)]
    with pytest.raises(DataError, match="window 3"):
        source[torch.arange(5)]


def cells(per_cell: int = 80) -> dict[tuple[str, int], np.ndarray]:
    rng = np.random.default_rng(0)
    keys = [(m, s) for m in ("QPSK", "8PSK") for s in (-2, 0)]
    return {key: rng.normal(size=(per_cell, 2, 128)).astype(np.float32) for key in keys}


@pytest.mark.parametrize("writer", ["python2", "python3"])
@pytest.mark.parametrize("protocol", [2, 5])
def test_radioml_2016(tmp_path: Path, writer: str, protocol: int) -> None:
    content, path = cells(), tmp_path / "RML2016.10a_dict.pkl"
    if writer == "python2":
        write_2016(path, content)
    else:
        path.write_bytes(pickle.dumps(content, protocol=protocol))
    source = open_source(path)
    assert (len(source), source.classes) == (320, ("8PSK", "QPSK"))
    got = source[torch.tensor([0, 85, 319])]
    for row, cell, place in ((0, ("8PSK", -2), 0), (1, ("8PSK", 0), 5), (2, ("QPSK", 0), 79)):
        np.testing.assert_array_equal(got["iq"][row].real, content[cell][place, 0])
        np.testing.assert_array_equal(got["iq"][row].imag, content[cell][place, 1])
        assert got["snr_db"][row] == cell[1]
        assert source.classes[got["label"][row]] == cell[0]
    assert source.groups[:80].tolist() == [0] * RUN + [1] * RUN + [2] * 6
    assert source.group_names[:4] == ("8PSK/-2dB/0", "8PSK/-2dB/1", "8PSK/-2dB/2", "8PSK/+0dB/0")
    assert len(split(source, {"train": 0.5, "test": 0.5}, seed=0, stratify=True)["test"]) > 0


class Evil:
    """Pickles to a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("name", ["os.system", "eval", "exec", "getattr", "numpy.fromfile", "codecs"])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_calls_code_is_refused_and_runs_nothing(tmp_path: Path, name: str, protocol: int) -> None:
    trap = tmp_path / "trap"
    evil = {
        "os.system": Evil(os.system, f"touch {trap}"),
        "eval": Evil(builtins.eval, f"open({str(trap)!r}, 'w')"),
        "exec": Evil(builtins.exec, f"open({str(trap)!r}, 'w')"),
        "getattr": Evil(getattr, "x", "upper"),
        "numpy.fromfile": Evil(np.fromfile, "/dev/null"),
        "codecs": Evil(__import__("_codecs").encode, b"x", "zlib"),
    }[name]
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({("QPSK", 0): evil}, protocol=protocol))
    with pytest.raises(DataError, match=r"more than arrays.*do not open it elsewhere"):
        open_source(path)
    assert not trap.exists()


def test_the_trap_works_where_nothing_guards_it(tmp_path: Path) -> None:
    """The test above must be able to fail: the same pickle runs code when Python's own loader reads it."""
    trap = tmp_path / "trap"
    pickle.loads(pickle.dumps(Evil(os.system, f"touch {trap}")))
    assert trap.exists()


@pytest.mark.parametrize(
    "content",
    [
        {},
        [1, 2],
        {("QPSK", 0): np.zeros((3, 3, 128))},
        {"QPSK": np.zeros((3, 2, 128))},
        {("QPSK", 0): np.zeros((3, 2, 128), int)},
        {("QPSK", 0): np.zeros((3, 2, 128)), ("QPSK", 2): np.zeros((3, 2, 64))},
    ],
)
def test_another_pickle_is_refused(tmp_path: Path, content: Any) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match="not RadioML 2016's"):
        open_source(tmp_path / "x.pkl")


def test_a_short_pickle_is_refused(tmp_path: Path) -> None:
    path = write_2016(tmp_path / "x.pkl", cells(3))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="damaged"):
        open_source(path)


def test_radioml_2018(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(160, 64, 2)).astype(np.float32)
    labels, snr = np.repeat([3, 22], 80), np.tile(np.repeat([-20, 30], 40), 2)
    source = open_source(write_2018(tmp_path / "GOLD_XYZ_OSC.0001_1024.hdf5", x, labels, snr))
    for rows in (torch.tensor([159, 3, 3, 40]), torch.tensor([5, 4, 3])):
        got = source[rows]
        np.testing.assert_array_equal(got["iq"], x[rows, :, 0] + 1j * x[rows, :, 1])
        assert [CLASSES_2018[label] for label in got["label"]] == [("BPSK", "GMSK")[int(r) // 80] for r in rows]
        np.testing.assert_array_equal(got["snr_db"], snr[rows])
    assert len(CLASSES_2018) == len(set(CLASSES_2018)) == 24
    assert source.group_names[source.groups[159]] == "GMSK/+30dB/1"
    assert len(source.group_names) == 8


def test_another_hdf5_is_refused(tmp_path: Path) -> None:
    path = write_2018(tmp_path / "x.h5", np.zeros((4, 8, 3)), np.zeros(4, int), np.zeros(4))
    with pytest.raises(DataError, match=r"X \[4, 8, 3\], .*check the file"):
        open_source(path)
    (tmp_path / "y.h5").write_bytes(b"no HDF5")
    with pytest.raises(DataError, match="an HDF5 file"):
        open_source(tmp_path / "y.h5")


def test_real_windows(shared_data: Path) -> None:
    source = open_source(
        shared_data / "iq" / "ism_433mhz.npz",
        iq="iq_u8",
        label="label",
        classes="label_names",
        group="capture_id",
        group_names="capture_files",
    )
    got = source[torch.arange(0, 3804, 100)]
    assert (len(source), len(source.classes), len(source.group_names)) == (3804, 31, 325)
    assert got["iq"].shape == (39, 2048)
    assert got["sample_rate_hz"][0] == 250_000
    assert float(got["iq"].abs().max()) < 2**0.5
    assert source.group_names[0].startswith(source.classes[0])
