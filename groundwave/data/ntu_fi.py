"""NTU-Fi (Yang et al., SenseFi, 2023): one `.mat` a sample, in folders named after what it shows."""

from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from groundwave.data.csi import CSIWindows
from groundwave.data.matlab import load_mat
from groundwave.errors import DataError

_ANTENNAS = 3
_RATE_HZ = 500.0


def open_ntu_fi(path: str | PathLike[str], *, sample_rate_hz: float = _RATE_HZ) -> CSIWindows:
    """Open NTU-Fi samples: `CSIamp` `[342, packets]`, decibels of 3 antennas x 114 subcarriers, 2000 packets in 4 s.

    A file is one sample, labelled by its folder. A folder holds one folder a class, read in the order of their names,
    and in each the files in the order of theirs. Decibels become amplitudes; -inf, a reading of zero, becomes zero.

    Args:
        path: A `.mat` file, or a folder of folders of them.
        sample_rate_hz: Packets a second.

    Raises:
        DataError: No such file, or one that holds something else.
    """
    root = Path(path)
    files = sorted(root.glob("*/*.mat")) if root.is_dir() else [root]
    if not files:
        raise DataError(f"{root} without a .mat in a folder of it", "folders named after classes", "check the path")
    classes = sorted({_class_of(file) for file in files})
    files.sort(key=lambda file: (_class_of(file), file.name))
    num_packets = _amplitudes(files[0]).shape[-1]

    def rows(indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        return np.stack([_amplitudes(files[row], num_packets) for row in indices.tolist()])

    return CSIWindows(
        rows,
        len(files),
        columns={
            "label": np.array([classes.index(_class_of(file)) for file in files]),
            "group": np.arange(len(files)),
        },
        packet_rate_hz=sample_rate_hz,
        classes=classes,
        group_names=[f"{_class_of(file)}/{file.stem}" for file in files],
    )


def _class_of(file: Path) -> str:
    return file.resolve().parent.name


def _amplitudes(file: Path, num_packets: int | None = None) -> npt.NDArray[np.float32]:
    """Return the amplitudes of a sample `[antenna, subcarrier, packet]`."""
    decibels = load_mat(file, "CSIamp")
    whole = decibels.ndim == 2 and decibels.shape[0] % _ANTENNAS == 0 and decibels.dtype.kind == "f"
    if not whole or num_packets not in (None, decibels.shape[-1]):
        raise DataError(
            got=f"{file} with CSIamp of {decibels.dtype} and shape {list(decibels.shape)}",
            expected=f"float [{_ANTENNAS} x subcarriers, {num_packets or 'packets'}]",
            do="leave out that file, or cut all to the same length",
        )
    with np.errstate(over="ignore"):
        amplitudes = (10 ** (decibels.astype(np.float64) / 20)).astype(np.float32)
    return amplitudes.reshape(_ANTENNAS, -1, decibels.shape[-1])
