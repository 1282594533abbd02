"""Arrays in MATLAB's `.mat` files of any version: 4 to 7 by SciPy, 7.3 (HDF5) by h5py; nothing in them is run."""

import math
import struct
import zlib
from os import SEEK_CUR
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from groundwave.data.hdf5 import arrays, opened
from groundwave.data.raw import existing
from groundwave.errors import DataError, GroundwaveError, UnknownNameError

LARGEST = 1 << 27  # numbers in an array: a gigabyte of doubles; a file that claims more is damaged or hostile
UNPACKED = 1 << 28  # bytes of an array that a file of version 7 holds packed: a thousand times less may be enough
_NUMBERS = ("double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "logical")
_PACKED = 15  # type of a packed element
_PIECE = 1 << 20
_WIDEST = 16  # bytes of a number
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
        raise _no_numbers(file, name, f"{array.dtype} and shape {list(array.shape)}")
    return array


def _no_numbers(file: Path, name: str, what: str) -> DataError:
    return DataError(
        got=f"{file} with {name} of {what}",
        expected="an array of numbers",
        do="save plain arrays, no structs, cells or objects",
    )


def _is_hdf5(file: Path) -> bool:
    with file.open("rb") as handle:
        head = handle.read(520)
    return head.startswith(_HDF5) or head[512:].startswith(_HDF5)  # MATLAB puts its own 512 bytes before


def _from_mat(file: Path, name: str) -> npt.NDArray[Any]:
    from scipy.io import loadmat, whosmat

    _check_unpacked(file)
    told = {found: (shape, kind) for found, shape, kind in whosmat(file)}
    if name not in told:
        raise UnknownNameError("array", name, told)
    shape, kind = told[name]
    if kind not in _NUMBERS:  # what a cell or a struct holds could be of any size
        raise _no_numbers(file, name, f"class {kind}")
    _check_size(file, name, shape)
    return np.asarray(loadmat(file, variable_names=[name])[name])


def _check_unpacked(file: Path) -> None:
    """Raise `DataError` where a packed element of a file of version 5 to 7 unpacks to more than `UNPACKED`.

    The element's own header cannot be trusted: SciPy unpacks whatever number of bytes it names.
    """
    with file.open("rb") as handle:
        head = handle.read(128)
        if 0 in head[:4]:  # version 4, which packs nothing
            return
        order = ">" if head.endswith(b"MI") else "<"
        while len(tag := handle.read(8)) == 8:
            kind, size = struct.unpack(f"{order}II", tag)
            if kind == _PACKED and _unpacked(handle, size) > UNPACKED:
                raise DataError(
                    got=f"{file}, a packed array of more than {UNPACKED >> 20} MB",
                    expected=f"{UNPACKED >> 20} MB at most",
                    do="save it with -v7.3, or split it into several files",
                )
            if kind != _PACKED:
                handle.seek(size, SEEK_CUR)


def _unpacked(handle: BinaryIO, size: int) -> int:
    """Return how many bytes the next `size` unpack to, or somewhat more than `UNPACKED` where there are more."""
    inflater, total = zlib.decompressobj(), 0
    while size and total <= UNPACKED and (packed := handle.read(min(size, _PIECE))):
        size -= len(packed)
        while packed and total <= UNPACKED:
            total += len(inflater.decompress(packed, _PIECE))
            packed = inflater.unconsumed_tail
    return total


def _from_hdf5(file: Path, name: str) -> npt.NDArray[Any]:
    with opened(file) as handle:
        known = arrays(handle)
        if name not in known:
            raise UnknownNameError("array", name, known)
        dtype = known[name].dtype
        if not (dtype.kind in "biufc" or dtype.names == ("real", "imag")) or dtype.itemsize > _WIDEST:
            raise _no_numbers(file, name, f"{dtype}")
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
