"""Arrays in MATLAB's `.mat` files of any version: 4 to 7 by SciPy, 7.3 (HDF5) by h5py; nothing in them is run."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from groundwave.data.hdf5 import arrays, opened
from groundwave.data.raw import existing
from groundwave.errors import DataError, GroundwaveError, UnknownNameError

LARGEST = 1 << 27  # numbers in an array: a gigabyte of doubles; a file that claims more is damaged or hostile
_HDF5 = b"\x89HDF\r\n\x1a\n"


def load_mat(path: Path, name: str) -> npt.NDArray[Any]:
    """Return the numeric array `name` of a `.mat` file, with MATLAB's axes.

    Raises:
        DataError: Not a `.mat` file, damaged, or an array of something else than real or complex numbers.
        UnknownNameError: No such array.
    """
    file = existing(path)
    try:
        array = _from_hdf5(file, name) if _is_hdf5(file) else _from_mat(file, name)
    except GroundwaveError:
        raise
    except Exception as error:  # a damaged or hostile file can raise anything
        raise DataError(f"{file} ({error})", "a .mat file of MATLAB", "copy it again, or save it with -v7") from error
    if array.dtype.kind not in "biufc" or not array.size:
        raise DataError(
            got=f"{file} with {name} of {array.dtype} and shape {list(array.shape)}",
            expected="an array of numbers",
            do="save plain arrays, no structs, cells or objects",
        )
    return array


def _is_hdf5(file: Path) -> bool:
    with file.open("rb") as handle:
        head = handle.read(520)
    return head.startswith(_HDF5) or head[512:].startswith(_HDF5)  # MATLAB puts its own 512 bytes before


def _from_mat(file: Path, name: str) -> npt.NDArray[Any]:
    from scipy.io import loadmat, whosmat

    shapes = {found: shape for found, shape, _ in whosmat(file)}
    if name not in shapes:
        raise UnknownNameError("array", name, shapes)
    _check_size(file, name, shapes[name])
    return np.asarray(loadmat(file, variable_names=[name])[name])


def _from_hdf5(file: Path, name: str) -> npt.NDArray[Any]:
    with opened(file) as handle:
        known = arrays(handle)
        if name not in known:
            raise UnknownNameError("array", name, known)
        _check_size(file, name, known[name].shape)
        values = np.asarray(known[name])
    if values.dtype.names == ("real", "imag"):
        values = values["real"] + 1j * values["imag"]
    return values.T  # MATLAB writes its columns first


def _check_size(file: Path, name: str, shape: tuple[int, ...]) -> None:
    if math.prod(shape) > LARGEST:
        raise DataError(
            f"{file} with {name} of shape {list(shape)}", f"at most {LARGEST} numbers", "split it into several files"
        )
