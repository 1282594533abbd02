"""From the bytes of a file to complex64: every sample type of SigMF, read piece by piece."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from groundwave.errors import DataError, UnknownNameError

ComplexArray = npt.NDArray[np.complex64]

# What other tools call the SigMF types; "cs16" is ours and rtl_433's word for signed complex 16 bit.
ALIASES: Mapping[str, str] = {
    "cs8": "ci8",
    "cs16": "ci16_le",
    "ci16": "ci16_le",
    "cu16": "cu16_le",
    "cs32": "ci32_le",
    "ci32": "ci32_le",
    "cf32": "cf32_le",
    "cfile": "cf32_le",
    "fc32": "cf32_le",
    "cf64": "cf64_le",
}
DATATYPES = tuple(
    f"{kind}{component}{order}"
    for kind in "cr"
    for component, orders in {
        "i8": ("",),
        "u8": ("",),
        **dict.fromkeys(("i16", "u16", "i32", "u32", "f32", "f64"), ("_le", "_be")),
    }.items()
    for order in orders
)


@dataclass(frozen=True)
class SampleType:
    """One SigMF datatype: the number format of a component, and whether a sample is one component or two."""

    name: str
    component: np.dtype[Any]
    is_complex: bool

    @property
    def num_bytes(self) -> int:
        """Bytes of one sample of one channel."""
        return self.component.itemsize * (2 if self.is_complex else 1)


def sample_type(name: str) -> SampleType:
    """Return the type called `name` in SigMF (`ci16_le`) or commonly (`cs16`); raises `UnknownNameError`."""
    full = ALIASES.get(name.lower(), name.lower())
    if full not in DATATYPES:
        raise UnknownNameError("datatype", name, (*DATATYPES, *ALIASES))
    match = re.fullmatch(r"([cr])([iuf])(\d+)(_le|_be)?", full)
    assert match is not None
    kind, number, bits, order = match.groups()
    return SampleType(full, np.dtype(f"{'>' if order == '_be' else '<'}{number}{int(bits) // 8}"), kind == "c")


def to_unit(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Map numbers to float32 with full scale 1; floats stay as they are.

    Unsigned integers are offset binary around the middle of their range: 127.5 for 8 bits, as receivers deliver them
    (the SigMF library takes 128: half a step of direct current more).
    """
    if values.dtype.kind not in "iu":
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite and is told as such
            return values.astype(np.float32)
    half = 2.0 ** (8 * values.dtype.itemsize - 1)
    middle = half - 0.5 if values.dtype.kind == "u" else 0.0
    wide: npt.NDArray[Any] = values.astype(np.float64 if values.dtype.itemsize > 2 else np.float32)
    unit: npt.NDArray[np.float32] = ((wide - middle) / half).astype(np.float32)
    return unit


def to_complex(components: npt.NDArray[Any], is_complex: bool) -> ComplexArray:
    """Map components (pairs I, Q along the last axis, when complex) to complex64; a real sample gets Q = 0."""
    unit = to_unit(components)
    if is_complex:
        return np.ascontiguousarray(unit).view(np.complex64)
    return unit.astype(np.complex64)


def encode(iq: ComplexArray, datatype: str) -> bytes:
    """Return the bytes of complex64 `iq` `[time, channel]` in a complex datatype; raises `DataError` beyond full scale.

    The inverse of reading, up to the type's rounding.
    """
    kind = sample_type(datatype)
    if not kind.is_complex:
        raise DataError(f"datatype {datatype!r} for complex samples", "a complex type", "write ci16_le or cf32_le")
    parts = np.ascontiguousarray(iq, dtype=np.complex64).view(np.float32)
    if kind.component.kind == "f":
        return bytes(parts.astype(kind.component).tobytes())
    if parts.size and np.abs(parts).max() > 1:
        raise DataError(
            got=f"samples up to {np.abs(parts).max():.3g} for the integer type {kind.name}",
            expected="I and Q between -1 and 1 (full scale)",
            do="scale them down, or write cf32_le",
        )
    half = 2.0 ** (8 * kind.component.itemsize - 1)
    middle = half - 0.5 if kind.component.kind == "u" else 0.0
    limits = np.iinfo(kind.component)
    numbers = np.clip(np.rint(parts.astype(np.float64) * half + middle), limits.min, limits.max)
    return bytes(numbers.astype(kind.component).tobytes())


@dataclass(frozen=True)
class FileSamples:
    """Samples that lie interleaved in a file, in one or more stretches of bytes.

    Args:
        path: The file.
        kind: Sample type.
        num_channels: Channels, interleaved sample by sample.
        stretches: (first sample, byte offset) of each stretch, ascending; foreign bytes may lie between them.
        num_samples: Samples per channel.
    """

    path: Path
    kind: SampleType
    num_channels: int
    stretches: tuple[tuple[int, int], ...]
    num_samples: int

    def __call__(self, start: int, count: int) -> ComplexArray:
        """Return samples `start:start + count` as complex64 `[channel, time]`."""
        ends = [first for first, _ in self.stretches[1:]] + [self.num_samples]
        pieces = []
        for (first, offset), end in zip(self.stretches, ends, strict=True):
            begin, stop = max(start, first), min(start + count, end)
            if begin < stop:
                pieces.append(self._read(offset + (begin - first) * self._step, stop - begin))
        raw = np.concatenate(pieces) if len(pieces) != 1 else pieces[0]
        return np.ascontiguousarray(to_complex(raw, self.kind.is_complex).reshape(count, self.num_channels).T)

    @property
    def _step(self) -> int:
        return self.kind.num_bytes * self.num_channels

    def _read(self, offset: int, count: int) -> npt.NDArray[Any]:
        num = count * self._step // self.kind.component.itemsize
        with self.path.open("rb") as file:
            file.seek(offset)
            raw = np.fromfile(file, dtype=self.kind.component, count=num)
        if raw.size < num:
            raise DataError(
                f"{self.path}, cut short while it was read", f"{num} numbers at byte {offset}", "copy again"
            )
        return raw


def count_samples(path: Path, num_bytes: int, kind: SampleType, num_channels: int) -> int:
    """Return how many samples `num_bytes` of a file hold; raises `DataError` when none or no whole number."""
    if num_channels < 1:
        raise DataError(f"{path} with {num_channels} channels", "at least 1", "correct --num-channels")
    count, rest = divmod(num_bytes, kind.num_bytes * num_channels)
    if rest or num_bytes <= 0:
        raise DataError(
            got=f"{path} with {max(num_bytes, 0)} bytes of samples",
            expected=f"a positive multiple of {kind.num_bytes * num_channels} ({kind.name}, {num_channels} channel(s))",
            do="check the data type and the number of channels, or copy the file again: it may be cut short",
        )
    return count
