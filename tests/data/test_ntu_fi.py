"""NTU-Fi samples, and MATLAB files of any version: broken, foreign and hostile ones are refused."""

import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake import csi as fake
from scipy.io import savemat

from groundwave.data import open_source
from groundwave.data.ingest import ingest
from groundwave.errors import DataError, UnknownNameError

RNG = np.random.default_rng(3)


def ntu_fi(root: Path, **changes: np.ndarray) -> Path:
    samples = {f"{label}/{label}_{n}": 1 + RNG.random((3, 4, 40)) for label in ("walk", "box") for n in (0, 1)}
    return fake.write_ntu_fi(root, {**samples, **{name.replace("__", "/"): x for name, x in changes.items()}})


def test_ntu_fi_folders_are_classes_in_order(tmp_path: Path) -> None:
    special = 1 + RNG.random((3, 4, 40))
    special[:, :, 7] = 0  # written as -inf dB
    source = open_source(ntu_fi(tmp_path, walk__walk_0=special), format="ntu-fi")
    assert (source.classes, source.labels.tolist()) == (("box", "walk"), [0, 0, 1, 1])
    assert source.group_names == ("box/box_0", "box/box_1", "walk/walk_0", "walk/walk_1")
    record = source[torch.tensor([2])]
    assert float(record["sample_rate_hz"]) == 500
    special[:, :, 7] = special[:, :, 6]
    np.testing.assert_allclose(record["csi"][0].numpy(), special, rtol=1e-5)


def test_decibels_beyond_all_measure_are_a_lost_packet(tmp_path: Path) -> None:
    loud = 1 + RNG.random((3, 4, 40))
    loud[:, :, 7] = 1e200
    csi = open_source(ntu_fi(tmp_path, walk__walk_0=loud), format="ntu-fi")[torch.tensor([2])]["csi"]
    torch.testing.assert_close(csi[..., 7], csi[..., 6])


def test_ntu_fi_goes_into_a_store_file_by_file(tmp_path: Path) -> None:
    ntu_fi(tmp_path / "in")
    store = ingest([tmp_path / "in"], tmp_path / "out", format="ntu-fi")
    assert (list(store.classes), store.labels.tolist()) == (["box", "walk"], [0, 0, 1, 1])
    assert len(set(store.group_names)) == 4
    got = store[torch.tensor([3])]
    torch.testing.assert_close(got["csi"], open_source(tmp_path / "in", format="ntu-fi")[torch.tensor([3])]["csi"])


def test_mat_files_of_version_73_are_read_alike(tmp_path: Path) -> None:
    decibels = 40 + RNG.random((12, 40))
    (tmp_path / "walk").mkdir()
    fake.write_mat73(tmp_path / "walk" / "new.mat", CSIamp=decibels)
    savemat(tmp_path / "walk" / "old.mat", {"CSIamp": decibels}, format="4")
    new, old = open_source(tmp_path, format="ntu-fi")[torch.arange(2)]["csi"]
    torch.testing.assert_close(new, old, rtol=0, atol=0)
    np.testing.assert_allclose(20 * np.log10(np.abs(new.numpy())), decibels.reshape(3, 4, 40), rtol=1e-6)


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        ({"other": np.ones((12, 4))}, UnknownNameError, "CSIamp"),
        ({"CSIamp": np.ones((10, 4))}, DataError, r"shape \[10, 4\].*3 x subcarriers"),
        ({"CSIamp": np.ones((3, 2, 2))}, DataError, r"shape \[3, 2, 2\]"),
        ({"CSIamp": np.array(["text"])}, DataError, "array of numbers"),
        ({"CSIamp": np.ones((3, 0))}, DataError, "array of numbers"),
        ({"CSIamp": {"a": 1}}, DataError, "plain arrays"),
        ({"CSIamp": np.array([np.ones((12, 4)), "a"], dtype=object)}, DataError, "class cell.*plain arrays"),
    ],
)
def test_other_mat_files_are_refused(
    tmp_path: Path, arrays: dict[str, Any], error: type[DataError], message: str
) -> None:
    savemat(tmp_path / "x.mat", arrays)
    with pytest.raises(error, match=message):
        open_source(tmp_path / "x.mat", format="ntu-fi")


@pytest.mark.parametrize("shape", [(), (12,), (3, 4, 5)])
def test_arrays_of_other_axes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    fake.write_mat73(tmp_path / "x.mat", CSIamp=np.ones(shape))
    with pytest.raises(DataError, match=r"shape .*; expected float \[3 x subcarriers, packets\]"):
        open_source(tmp_path / "x.mat", format="ntu-fi")


def test_a_small_file_that_unpacks_to_gigabytes_is_refused_before_it_does(tmp_path: Path) -> None:
    """An array of 12 by 40 by its own account, whose numbers are said to take 3 GB, and go on beyond the bound."""
    path, packer = tmp_path / "x.mat", zlib.compressobj()
    name = b"CSIamp"
    shape = struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, 12, 40)
    start = struct.pack("<II", 14, (3 << 30) + 64) + shape + struct.pack("<II8s", 1, len(name), name)
    packed = packer.compress(start + struct.pack("<II", 9, 3 << 30))
    packed += b"".join(packer.compress(bytes(1 << 24)) for _ in range(17)) + packer.flush()
    head = b"MATLAB 5.0".ljust(124) + b"\x00\x01IM"
    path.write_bytes(head + struct.pack("<II", 15, len(packed)) + packed)
    assert path.stat().st_size < 1e6
    tracemalloc.start()
    with pytest.raises(DataError, match=r"more than 256 MB; .*-v7\.3"):
        open_source(path, format="ntu-fi")
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


def test_numbers_as_wide_as_a_file_likes_are_refused(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "x.mat", "w") as file:
        file.create_dataset("CSIamp", (12, 40), np.dtype([("real", "f8", (1 << 20,)), ("imag", "f8", (1 << 20,))]))
    with pytest.raises(DataError, match="plain arrays"):
        open_source(tmp_path / "x.mat", format="ntu-fi")


def test_broken_mat_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    savemat(path, {"CSIamp": np.ones((12, 40))}, do_compression=True)
    whole = path.read_bytes()
    old = fake.write_mat73(tmp_path / "new.mat", CSIamp=np.ones((12, 40))).read_bytes()
    for content in (b"", b"MATLAB", whole[:150], whole[:-20], bytes(700), old[:700], old[:-300]):
        path.write_bytes(content)
        with pytest.raises(DataError, match="copy it again"):
            open_source(path, format="ntu-fi")


def test_an_array_beyond_all_measure_is_refused_before_it_is_read(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "x.mat", "w") as file:
        file.create_dataset("CSIamp", (3 << 20, 1 << 20), "f8", chunks=True)
    with pytest.raises(DataError, match="split it"):
        open_source(tmp_path / "x.mat", format="ntu-fi")
