"""A recording: long IQ on disk, read window by window, with what is known about it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from groundwave.contracts import Record
from groundwave.data.samples import ComplexArray
from groundwave.errors import DataError

# No receiver delivers such numbers, but floats read in the wrong byte order or width do.
FAINTEST, LOUDEST = 1e-30, 1e12


@dataclass(frozen=True)
class Capture:
    """A stretch of a recording with one tuning: windows do not cross from one to the next."""

    start: int
    center_hz: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Annotation:
    """What somebody says about samples `start:start + count`; edges are absolute frequencies."""

    start: int
    count: int
    label: str | None = None
    low_hz: float | None = None
    high_hz: float | None = None
    confidence: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recording:
    """Long IQ that is never loaded whole.

    Args:
        name: What splits call this recording's group.
        path: The file that holds the samples.
        sample_rate_hz: Complex samples per second.
        num_samples: Samples per channel.
        num_channels: Channels recorded together.
        samples: Reads (start, count) as complex64 `[channel, time]`.
        captures: At least one, the first at sample 0.
        annotations: In the order of their start.
        metadata: The SigMF metadata it came with, if any.
    """

    name: str
    path: Path
    sample_rate_hz: float
    num_samples: int
    num_channels: int
    samples: Callable[[int, int], ComplexArray]
    captures: tuple[Capture, ...] = (Capture(0),)
    annotations: tuple[Annotation, ...] = ()
    metadata: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not (self.sample_rate_hz > 0 and np.isfinite(self.sample_rate_hz)):
            raise DataError(f"a sample rate of {self.sample_rate_hz} Hz", "a positive number", "correct --sample-rate")
        for annotation in self.annotations:
            check_range(annotation, self.num_samples, self.path)

    @property
    def center_hz(self) -> float | None:
        """Centre frequency, when it is known and the same throughout."""
        centers = {capture.center_hz for capture in self.captures}
        return centers.pop() if len(centers) == 1 else None

    def read(self, start: int, count: int) -> ComplexArray:
        """Return samples `start:start + count` as complex64 `[channel, time]`; raises `DataError` if implausible."""
        if start < 0 or count < 0 or start + count > self.num_samples:
            raise DataError(
                got=f"samples {start} to {start + count} of {self.path}",
                expected=f"a range within its {self.num_samples} samples",
                do="ask for less",
            )
        iq = self.samples(start, count) if count else np.empty((self.num_channels, 0), np.complex64)
        peak = float(np.maximum(np.abs(iq.real).max(), np.abs(iq.imag).max())) if count else 0.0
        if peak != 0 and not FAINTEST < peak < LOUDEST:
            raise self._implausible(iq, start, peak)
        return iq

    def _implausible(self, iq: ComplexArray, start: int, peak: float) -> DataError:
        bad = ~np.isfinite(iq).all(axis=0)
        where = (
            f"a NaN or infinite sample at offset {start + int(bad.argmax())}" if bad.any() else f"a peak of {peak:g}"
        )
        return DataError(
            got=f"{self.path} with {where}",
            expected=f"finite samples, with a peak between {FAINTEST:g} and {LOUDEST:g} or silence",
            do="check the data type and byte order, or cut the recording before that sample",
        )

    def starts(self, num_samples: int, hop: int | None = None) -> list[range]:
        """Return the starts of the whole windows of each capture; what is left at a capture's end is not read."""
        hop = hop or num_samples
        if num_samples < 1 or hop < 1:
            raise DataError(f"windows of {num_samples} samples, hop {hop}", "positive numbers", "correct them")
        ends = [capture.start for capture in self.captures[1:]] + [self.num_samples]
        return [range(c.start, end - num_samples + 1, hop) for c, end in zip(self.captures, ends, strict=True)]

    def windows(self, num_samples: int, hop: int | None = None, batch: int = 256) -> Iterator[Record]:
        """Yield batched records of `batch` windows: `iq` `[B, (channel,) time]`, `start` int64 `[B]`, `index`.

        The channel axis is absent when there is one channel.
        """
        index = 0
        for starts in self.starts(num_samples, hop):
            for first in range(0, len(starts), batch):
                some = starts[first : first + batch]
                yield {
                    "iq": torch.from_numpy(self.cut(some, num_samples)),
                    "start": torch.tensor(some, dtype=torch.int64),
                    "index": torch.arange(index, index + len(some)),
                    "sample_rate_hz": torch.full((len(some),), self.sample_rate_hz, dtype=torch.float64),
                }
                index += len(some)

    def cut(self, starts: range, num_samples: int) -> ComplexArray:
        """Return equally spaced windows as complex64 `[B, (channel,) time]`, in one read where they touch."""
        if len(starts) and 0 < starts.step <= 2 * num_samples:
            span = self.read(starts[0], starts[-1] + num_samples - starts[0])
            views = np.lib.stride_tricks.sliding_window_view(span, num_samples, axis=1)[:, :: starts.step]
            iq = views.transpose(1, 0, 2).copy()
        else:
            iq = np.stack([self.read(start, num_samples) for start in starts])
        return iq[:, 0] if self.num_channels == 1 else iq


def check_range(annotation: Annotation, num_samples: int, path: Path) -> None:
    """Raise `DataError` when an annotation reaches beyond the recording."""
    if annotation.start < 0 or annotation.count < 0 or annotation.start + annotation.count > num_samples:
        raise DataError(
            got=f"an annotation of samples {annotation.start} to {annotation.start + annotation.count} in {path}",
            expected=f"a range within the recording's {num_samples} samples",
            do="check that metadata and data belong together, or correct the annotation",
        )
