"""Raw IQ: interleaved samples without a header (`.cu8`, `.cs8`, `.cs16`, `.cf32`, ...) and NumPy's `.npy`."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from groundwave.data.recording import Capture, Recording
from groundwave.data.samples import (
    ALIASES,
    DATATYPES,
    ComplexArray,
    FileSamples,
    count_samples,
    sample_type,
    to_complex,
)
from groundwave.errors import DataError


def existing(path: str | PathLike[str]) -> Path:
    """Return `path` when it is a file; raises `DataError`."""
    file = Path(path)
    if not file.is_file():
        raise DataError(f"{file}, which is not a file", "an existing recording", "check the path")
    return file


def required_rate(path: Path, sample_rate_hz: float | None) -> float:
    """Return the sample rate; raises `DataError` when a format that does not carry one came without."""
    if sample_rate_hz is None:
        raise DataError(f"{path} without a sample rate", "one, as this file does not say", "give --sample-rate HZ")
    return sample_rate_hz


def open_raw(
    path: str | PathLike[str],
    *,
    sample_rate_hz: float | None = None,
    datatype: str | None = None,
    num_channels: int = 1,
    center_hz: float | None = None,
) -> Recording:
    """Open headerless interleaved samples.

    Args:
        path: The file.
        sample_rate_hz: Required.
        datatype: A SigMF type or `cs8`, `cs16`, ...; by default what the file's suffix says (`.cu8`, `.cs16`, ...).
        num_channels: Channels, interleaved sample by sample.
        center_hz: Centre frequency, if known.

    Raises:
        DataError: No sample rate, no data type, an empty file or one that ends within a sample.
    """
    file = existing(path)
    suffix = file.suffix.lstrip(".").lower()
    if datatype is None and suffix not in (*ALIASES, *DATATYPES):
        raise DataError(
            got=f"{file}, whose suffix does not tell the data type",
            expected="a data type such as cu8, cs8, cs16 or cf32",
            do="give --datatype",
        )
    kind = sample_type(datatype or suffix)
    count = count_samples(file, file.stat().st_size, kind, num_channels)
    return Recording(
        name=file.stem,
        path=file,
        sample_rate_hz=required_rate(file, sample_rate_hz),
        num_samples=count,
        num_channels=num_channels,
        samples=FileSamples(file, kind, num_channels, ((0, 0),), count),
        captures=(Capture(0, center_hz),),
    )


@dataclass(frozen=True)
class ArraySamples:
    """Samples in a memory-mapped array: complex `[(channel,) time]`, or real with I and Q along `axis`."""

    array: npt.NDArray[Any]
    axis: int | None

    def __call__(self, start: int, count: int) -> ComplexArray:
        """Return samples `start:start + count` as complex64 `[channel, time]`."""
        if self.axis is None:
            piece = np.atleast_2d(self.array)[:, start : start + count]
            return np.ascontiguousarray(piece, dtype=np.complex64)
        pairs = self.array if self.axis == 1 else self.array.T
        return to_complex(np.ascontiguousarray(pairs[start : start + count]), True).T


def open_npy(
    path: str | PathLike[str], *, sample_rate_hz: float | None = None, center_hz: float | None = None
) -> Recording:
    """Open a `.npy` array: complex `[time]` or `[channel, time]`, or real `[time, 2]` or `[2, time]`; memory-mapped.

    Raises:
        DataError: No sample rate, an empty array, one of objects, or one of another shape.
    """
    file = existing(path)
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{file} ({error})", "a NumPy array of numbers", "save it again with numpy.save") from error
    axis = _pair_axis(file, array)
    num_samples = array.shape[-1] if axis is None else array.shape[1 - axis]
    return Recording(
        name=file.stem,
        path=file,
        sample_rate_hz=required_rate(file, sample_rate_hz),
        num_samples=num_samples,
        num_channels=array.shape[0] if axis is None and array.ndim == 2 else 1,
        samples=ArraySamples(array, axis),
        captures=(Capture(0, center_hz),),
    )


def _pair_axis(path: Path, array: npt.NDArray[Any]) -> int | None:
    if array.size and array.dtype.kind == "c" and array.ndim in (1, 2):
        return None
    if array.size and array.dtype.kind in "iuf" and array.ndim == 2 and array.shape.count(2) == 1:
        return array.shape.index(2)
    raise DataError(
        got=f"{path} with {array.dtype} of shape {list(array.shape)}",
        expected="complex [time] or [channel, time], or real [time, 2] or [2, time], not empty",
        do="save the samples in one of these layouts, or windows as .npz",
    )
