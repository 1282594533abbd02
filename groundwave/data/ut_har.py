"""UT-HAR (Yousefi et al. 2017, as SenseFi hands it on): NumPy arrays in files called `.csv`."""

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from groundwave.data.csi import CSIWindows
from groundwave.data.raw import existing
from groundwave.errors import DataError

CLASSES = ("lie down", "fall", "walk", "pick up", "run", "sit down", "stand up")
_ANTENNAS, _SUBCARRIERS = 3, 30


def open_ut_har(path: str | PathLike[str], *, sample_rate_hz: float | None = None) -> CSIWindows:
    """Open windows of UT-HAR: `X_*.csv`, float `[N, 250, 90]`; labels from `y_*.csv` beside it or in `../label`.

    The 90 columns are the amplitudes of 3 antennas x 30 subcarriers of an Intel 5300. The files do not say which
    recording a window was cut from, and windows overlap: all of a file are one group, so that no split can divide it.

    Args:
        path: The file of windows; memory-mapped.
        sample_rate_hz: Packets a second, where it is known.

    Raises:
        DataError: Not such arrays.
    """
    file = existing(path)
    windows = _array(file)
    flat = windows.reshape(len(windows), -1, windows.shape[-1]) if windows.ndim == 4 else windows
    if flat.ndim != 3 or flat.shape[2] != _ANTENNAS * _SUBCARRIERS or flat.dtype.kind != "f":
        raise DataError(
            got=f"{file} of {windows.dtype} and shape {list(windows.shape)}",
            expected=f"float [N, packets, {_ANTENNAS * _SUBCARRIERS}]",
            do="check the file",
        )

    def rows(indices: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        return flat[indices].reshape(len(indices), -1, _ANTENNAS, _SUBCARRIERS).transpose(0, 2, 3, 1)

    return CSIWindows(
        rows,
        len(flat),
        columns={"label": _labels(file, len(flat)), "group": np.zeros(len(flat), np.int64)},
        packet_rate_hz=sample_rate_hz,
        classes=CLASSES,
        group_names=(file.stem,),
    )


def _labels(file: Path, count: int) -> npt.NDArray[np.int64]:
    """Return the labels that belong to a file of windows."""
    name = "y" + file.name[1:]
    places = [file.with_name(name), file.resolve().parent.parent / "label" / name]
    found = next((place for place in places if place.is_file() and place.name != file.name), None)
    if found is None:
        raise DataError(f"{file} without {name}", f"it beside, or in {places[1].parent}", "put it there")
    labels = _array(found).reshape(-1)
    with np.errstate(invalid="ignore"):  # NaN becomes some number, which it does not equal
        whole = labels.astype(np.int64) if labels.dtype.kind in "iuf" else np.full(1, -1)
    if whole.shape != (count,) or (whole != labels).any() or whole.min() < 0 or whole.max() >= len(CLASSES):
        raise DataError(
            got=f"{found} of {labels.dtype} and shape {list(labels.shape)}",
            expected=f"{count} whole numbers from 0 to {len(CLASSES) - 1}",
            do="check that both files come from the same copy",
        )
    return whole


def _array(file: Path) -> npt.NDArray[Any]:
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged or hostile file can raise anything
        raise DataError(f"{file} ({error})", "a NumPy array, whatever its name", "copy it again") from error
    if not isinstance(array, np.ndarray) or not array.size:
        raise DataError(f"{file}, which holds no array", "a NumPy array, not empty", "copy it again")
    return array
