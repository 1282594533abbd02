"""RadioML 2016.10a/b (pickle) and 2018.01A (HDF5).

Neither file says which generator pass a vector came from. Vectors of one (modulation, SNR) cell are stored in the
order of generation, and a pass of the 2016 generator yields 36 to 39 of them, cut from one waveform: a random split by
vector leaks. The readers therefore make each run of `RUN` neighbours one group. Neighbouring groups may still share a
pass at their border; for 2018.01A, whose generator is not public, the same run length is our choice.
"""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from groundwave.data.hdf5 import arrays, opened
from groundwave.data.raw import existing
from groundwave.data.unpickle import load_arrays
from groundwave.data.windows import ArrayWindows
from groundwave.errors import DataError

RUN = 37  # vectors of one pass of the 2016 generator
BLOCK = 4096  # rows looked at together when only their labels matter

# The order of the one-hot columns. The archive's classes.txt lists another order, which does not match the signals;
# this is the corrected list that later copies of the data set carry (classes-fixed).
CLASSES_2018 = (
    *("OOK", "4ASK", "8ASK", "BPSK", "QPSK", "8PSK", "16PSK", "32PSK"),
    *("16APSK", "32APSK", "64APSK", "128APSK", "16QAM", "32QAM", "64QAM", "128QAM", "256QAM"),
    *("AM-SSB-WC", "AM-SSB-SC", "AM-DSB-WC", "AM-DSB-SC", "FM", "GMSK", "OQPSK"),
)


def open_radioml_2016(path: str | PathLike[str], *, sample_rate_hz: float = 200_000.0) -> ArrayWindows:
    """Open RadioML 2016.10a or 2016.10b: a pickled dict (modulation, SNR) -> float32 `[N, 2, 128]`, in memory.

    Args:
        path: The `.pkl` or `.dat` file; unpacked without running anything in it.
        sample_rate_hz: The generator's nominal rate.

    Raises:
        DataError: Not such a dict.
    """
    file = existing(path)
    cells = _checked_cells(file, load_arrays(file))
    classes = sorted({modulation for modulation, _ in cells})
    order = sorted(cells, key=lambda cell: (classes.index(cell[0]), cell[1]))
    windows = np.concatenate([cells[cell] for cell in order])
    counts = [len(cells[cell]) for cell in order]
    cell = np.repeat(np.arange(len(order)), counts)
    groups, names = _runs(cell, [f"{modulation}/{snr:+d}dB" for modulation, snr in order])
    return ArrayWindows(
        lambda rows: np.asarray(windows[rows]),
        len(windows),
        labels=np.array([classes.index(modulation) for modulation, _ in order])[cell],
        groups=groups,
        snr_db=np.array([snr for _, snr in order], dtype=np.float32)[cell],
        sample_rate_hz=sample_rate_hz,
        classes=classes,
        group_names=names,
    )


def _checked_cells(path: Path, content: Any) -> Mapping[tuple[str, int], npt.NDArray[Any]]:
    if isinstance(content, dict) and content:
        good = all(
            isinstance(key, tuple)
            and len(key) == 2
            and isinstance(key[0], str)
            and isinstance(key[1], (int, np.integer))
            and isinstance(value, np.ndarray)
            and value.dtype.kind == "f"
            and value.ndim == 3
            and value.shape[1] == 2
            for key, value in content.items()
        )
        if good and len({value.shape[1:] for value in content.values()}) == 1:
            return {(modulation, int(snr)): value for (modulation, snr), value in content.items()}
    raise DataError(
        got=f"{path}, whose pickle is not RadioML 2016's",
        expected="a dict (modulation, SNR) -> float [N, 2, time]",
        do="check the file",
    )


def open_radioml_2018(path: str | PathLike[str], *, sample_rate_hz: float = 1.0) -> ArrayWindows:
    """Open RadioML 2018.01A: HDF5 with X float32 `[N, 1024, 2]`, Y one-hot `[N, 24]`, Z SNR `[N, 1]`; X stays on disk.

    Args:
        path: The `.hdf5` file.
        sample_rate_hz: The data set states none; 1 makes frequencies cycles per sample.

    Raises:
        DataError: Other arrays, or arrays of different length.
    """
    file = existing(path)
    with opened(file) as handle:
        y, z = _labels_and_snrs(file, arrays(handle))
        labels = np.concatenate([y[start : start + BLOCK].argmax(1) for start in range(0, len(y), BLOCK)])
        snr = z[:].reshape(-1).astype(np.float32)
    cells, cell = np.unique(np.stack([labels, snr]), axis=1, return_inverse=True)
    groups, names = _runs(cell.reshape(-1), [f"{CLASSES_2018[int(c)]}/{s:+.0f}dB" for c, s in cells.T])
    return ArrayWindows(
        _Hdf5Rows(file),
        len(labels),
        labels=labels,
        groups=groups,
        snr_db=snr,
        sample_rate_hz=sample_rate_hz,
        classes=CLASSES_2018,
        group_names=names,
    )


def _labels_and_snrs(file: Path, known: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return Y and Z; raises `DataError` unless X, Y and Z have the published shapes."""
    shapes = {name: tuple(known[name].shape) for name in "XYZ" if name in known}
    num, *sides = shapes.get("X", (0,)) or (0,)
    wanted = shapes.get("Y") == (num, len(CLASSES_2018)) and shapes.get("Z") in ((num, 1), (num,))
    if len(sides) != 2 or sides[1] != 2 or not wanted:
        told = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items()) or "none of X, Y and Z"
        raise DataError(f"{file} with {told}", "X [N, time, 2], Y [N, 24] and Z [N, 1]", "check the file")
    return known["Y"], known["Z"]


class _Hdf5Rows:
    """Reads rows of X; the file is opened in whichever process asks, as HDF5 handles do not survive a fork."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        unique, inverse = np.unique(rows, return_inverse=True)
        with opened(self._path) as file:
            x = arrays(file)["X"]
            if len(unique) and unique[-1] - unique[0] < 4 * len(unique):
                near = x[unique[0] : unique[-1] + 1][unique - unique[0]]
            else:
                near = x[unique]
        return np.asarray(near[inverse.reshape(-1)])


def _runs(cell: npt.NDArray[Any], cell_names: list[str]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Return (group of each row, group names): runs of `RUN` neighbours within each cell."""
    groups = np.empty(len(cell), dtype=np.int64)
    names: list[str] = []
    for number, name in enumerate(cell_names):
        where = np.flatnonzero(cell == number)
        run = np.arange(len(where)) // RUN
        groups[where] = len(names) + run
        names += [f"{name}/{k}" for k in range(int(run[-1]) + 1)] if len(where) else []
    return groups, names
