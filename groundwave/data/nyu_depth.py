"""NYU Depth V2 (Silberman et al., 2012): the labelled set of indoor scenes, with its scene types and official split."""

import math
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundwave.data.hdf5 import arrays, is_array, opened
from groundwave.data.matlab import LARGEST, load_mat
from groundwave.data.pictures import HEIGHT, WIDTH, Colours, Depths, Pictures
from groundwave.data.raw import existing
from groundwave.errors import DataError

# The nine most frequent of 27 scene types; the other 18 are one class (Gupta et al., CVPR 2013).
FREQUENT = (
    "bathroom",
    "bedroom",
    "bookstore",
    "classroom",
    "dining_room",
    "home_office",
    "kitchen",
    "living_room",
    "office",
)
OTHERS = "others"
_ARRAYS = ("images", "depths", "sceneTypes", "scenes")


def open_nyu_depth_v2(
    path: str | PathLike[str], *, fill: bool = False, height: int = HEIGHT, width: int = WIDTH
) -> Pictures:
    """Open `nyu_depth_v2_labeled.mat`: 1449 pairs, ten scene types; the group is the scene (`kitchen_0004`).

    Pictures are read one by one when they are asked for. The set's depths are filled in already; where one is zero, it
    is NaN.

    Args:
        path: The file, HDF5 as MATLAB 7.3 writes it.
        fill: Give pixels without a depth the mean of their neighbours.
        height: Rows that pictures are brought to.
        width: Columns.

    Raises:
        DataError: Another file, one without scene types, or a damaged one.
    """
    file = existing(path)
    with opened(file) as handle:
        _check(file, handle)
        types, scenes = (_texts(file, handle, name) for name in ("sceneTypes", "scenes"))
    classes = [*FREQUENT, OTHERS]
    names = sorted(set(scenes))
    return Pictures(
        _Pairs(file),
        labels=np.array([classes.index(kind if kind in FREQUENT else OTHERS) for kind in types]),
        groups=np.searchsorted(names, scenes),
        classes=classes,
        group_names=names,
        size=(height, width),
        fill=fill,
    )


def official_split(path: str | PathLike[str], num_records: int) -> dict[str, Tensor]:
    """Return the rows of the official split, `train` and `test`, from its `splits.mat` (795 and 654 of 1449).

    Args:
        path: The file, which holds `trainNdxs` and `testNdxs`, counted from 1.
        num_records: Pairs that there are.

    Raises:
        DataError: Rows that do not exist, or are on both sides.
        UnknownNameError: Another file.
    """
    parts = {name: load_mat(Path(path), f"{name}Ndxs").reshape(-1).astype(np.int64) - 1 for name in ("train", "test")}
    rows = np.concatenate(list(parts.values()))
    num = len(np.unique(rows))
    if num < len(rows) or rows.min() < 0 or rows.max() >= num_records:
        raise DataError(
            got=f"{path} with rows {rows.min() + 1} to {rows.max() + 1}, {num} different ones of {len(rows)}",
            expected=f"each of 1 to {num_records} at most once",
            do="take the split that belongs to this set",
        )
    return {name: torch.from_numpy(np.sort(some)) for name, some in parts.items()}


class _Pairs:
    """Reads a pair; the file is opened in whichever process asks, as HDF5 handles do not survive a fork."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, row: int) -> tuple[Colours, Depths]:
        """Return colours `[rows, columns, 3]` and depths `[rows, columns]`; MATLAB writes columns first."""
        with opened(self._path) as handle:
            try:
                colours, depths = np.asarray(handle["images"][row]), np.asarray(handle["depths"][row])
            except OSError as error:
                raise DataError(f"{self._path}, row {row} ({error})", "a whole file", "copy it again") from error
        metres = depths.T.astype(np.float32)
        return np.ascontiguousarray(colours.transpose(2, 1, 0)), np.where(metres > 0, metres, np.float32(np.nan))


def _check(file: Path, handle: Any) -> None:
    """Raise `DataError` unless the file holds pictures, depths, scene types and scenes of as many records."""
    known = arrays(handle)
    shapes = {name: tuple(known[name].shape) for name in _ARRAYS if name in known}
    num, *size = shapes.get("depths", (0,))
    wanted = {"images": (num, 3, *size), "depths": (num, *size), "sceneTypes": (1, num), "scenes": (1, num)}
    whole = shapes == wanted and len(size) == 2 and num > 0 and math.prod(size) <= LARGEST
    if not whole or handle["images"].dtype != np.uint8:
        told = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
        raise DataError(
            got=f"{file} with {told or 'none of ' + ', '.join(_ARRAYS)}",
            expected="the labelled set, nyu_depth_v2_labeled.mat: images, depths, sceneTypes, scenes",
            do="take the labelled set; the raw one has no scene types",
        )


def _texts(file: Path, handle: Any, name: str) -> list[str]:
    """Return MATLAB's cells of text: references to arrays of character codes."""
    try:
        cells = [handle[reference] for reference in handle[name][0]]
        if not all(map(is_array, cells)):
            raise TypeError("no plain arrays")
        return ["".join(map(chr, np.asarray(codes).reshape(-1))) for codes in cells]
    except Exception as error:  # damaged references raise many things
        raise DataError(
            f"{file} with {name} that are no texts ({error})", "the labelled set", "copy it again"
        ) from error
