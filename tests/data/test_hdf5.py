"""Readers of HDF5: a file whose arrays point at other files of this machine is refused, whoever reads it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from fake import beams, csi, pictures, radioml

from groundwave.data import open_source
from groundwave.errors import DataError, GroundwaveError

RADIOML = np.ones((4, 8, 2)), np.zeros(4, int), np.zeros(4)
PICTURES = *pictures.rooms(2), ["cafe"] * 2, ["a", "b"]
FILES: dict[str, tuple[Callable[[Path], Path], str, dict[str, Any]]] = {
    "radioml-2018": (lambda file: radioml.write_2018(file, *RADIOML), "X", {}),
    "deepbeam": (
        lambda file: beams.write_deepbeam(file, np.ones((4, 8))),
        "iq",
        {"num_samples": 8, "blocks_per_frame": 1},
    ),
    "ntu-fi": (lambda file: csi.write_mat73(file, CSIamp=np.ones((12, 40))), "CSIamp", {}),
    "nyu-depth-v2": (lambda file: pictures.write_nyu(file, *PICTURES), "images", {}),
}


def link_out(handle: h5py.File, name: str, secret: Path) -> None:
    handle[name] = h5py.ExternalLink(secret.name, name)


def link_to_a_link(handle: h5py.File, name: str, secret: Path) -> None:
    handle["outside"] = h5py.ExternalLink(secret.name, name)
    handle[name] = h5py.SoftLink("/outside")


def bytes_of_another_file(handle: h5py.File, name: str, secret: Path) -> None:
    with h5py.File(secret, "r") as other:
        like = other[name]
        size = like.size * like.dtype.itemsize
        handle.create_dataset(name, like.shape, like.dtype, external=[(str(secret), 0, size)])


def view_of_another_file(handle: h5py.File, name: str, secret: Path) -> None:
    with h5py.File(secret, "r") as other:
        layout = h5py.VirtualLayout(other[name].shape, other[name].dtype)
        layout[...] = h5py.VirtualSource(other[name])
    handle.create_virtual_dataset(name, layout)


@pytest.mark.parametrize("point", [link_out, link_to_a_link, bytes_of_another_file, view_of_another_file])
@pytest.mark.parametrize("format", FILES)
def test_a_file_that_points_elsewhere_is_refused(tmp_path: Path, format: str, point: Callable[..., None]) -> None:
    write, name, options = FILES[format]
    path, secret = write(tmp_path / "x.h5"), write(tmp_path / "secret.h5")
    open_source(path, format=format, **options)
    with h5py.File(path, "a") as handle:
        del handle[name]
        point(handle, name, secret)
    with pytest.raises(GroundwaveError, match=name):
        open_source(path, format=format, **options)


def test_texts_that_are_bytes_of_another_file_are_refused(tmp_path: Path) -> None:
    path = pictures.write_nyu(tmp_path / "x.mat", *PICTURES)
    (tmp_path / "secret").write_bytes(b"0123456789")
    with h5py.File(path, "a") as handle:
        outside = handle.create_dataset("outside", (5,), np.uint16, external=[(str(tmp_path / "secret"), 0, 10)])
        handle["scenes"][0, 0] = outside.ref
    with pytest.raises(DataError, match="no plain arrays"):
        open_source(path, format="nyu-depth-v2")
