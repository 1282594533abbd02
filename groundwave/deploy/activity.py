"""Where in a long recording something is on the air: power over a robust noise floor, with hysteresis."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from groundwave.data.recording import Recording
from groundwave.errors import GroundwaveError

READ_SAMPLES = 1 << 20  # per channel: 8 MiB as complex64, whatever the length of the recording

Powers = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Detector:
    """An energy detector.

    The noise floor is a low quantile of the short-time power, so it is right as long as the band is quiet at least that
    share of the time. A segment begins where the smoothed power leaves `release_db` over the floor and counts when it
    reaches `threshold_db` (hysteresis), so that a fading burst is not torn apart.

    Args:
        threshold_db: power over the floor that makes a segment; 3 dB is an SNR of 0 dB.
        release_db: power over the floor that still belongs to it.
        floor_quantile: share of the time that is surely quiet.
        step: samples per power value; also the resolution of the segments' ends.
        smooth: power values averaged before comparing.
        min_samples: shorter segments are dropped.
        max_gap: segments closer than this many samples are one.
    """

    threshold_db: float = 3.0
    release_db: float = 1.5
    floor_quantile: float = 0.1
    step: int = 128
    smooth: int = 4
    min_samples: int = 512
    max_gap: int = 1024

    def __post_init__(self) -> None:
        if not (0 <= self.threshold_db < math.inf and 0 <= self.release_db < math.inf):
            raise GroundwaveError(
                got=f"a threshold of {self.threshold_db:g} dB, released at {self.release_db:g} dB",
                expected="decibels over the noise floor, at least 0",
                do="correct --threshold-db",
            )

    def segments(self, recording: Recording) -> Iterator[tuple[int, int]]:
        """Yield (start, stop) of each active segment, capture by capture, in order."""
        for start, stop in _captures(recording):
            for first, last in self.active(short_time_power(recording, start, stop, self.step)):
                begin, end = start + first * self.step, min(stop, start + last * self.step)
                if end - begin >= self.min_samples:
                    yield begin, end

    def active(self, power: Powers) -> list[tuple[int, int]]:
        """Return the (first, last + 1) power values of each segment."""
        floor = self.floor(power)
        if floor is None:
            return []
        level = _moving_mean(power, self.smooth)
        held = _runs(level > floor * 10 ** (self.release_db / 10))
        loud = level > floor * 10 ** (self.threshold_db / 10)
        kept = [(first, last) for first, last in held if loud[first:last].any()]
        return _merged(kept, max_gap=self.max_gap // self.step)

    def floor(self, power: Powers) -> float | None:
        """Return the noise floor of power values; None for digital silence, which is no measure of the noise."""
        heard = power[power > 0]
        return float(np.quantile(heard, self.floor_quantile)) if len(heard) else None

    def why_nothing(self, recording: Recording) -> str:
        """Say what was looked for in a recording without segments, what was measured, and what to try; reads it again.

        Told of the capture whose smoothed power rises furthest over its floor.
        """
        measured = []
        for start, stop in _captures(recording):
            power = short_time_power(recording, start, stop, self.step)
            if floor := self.floor(power):
                measured.append((10 * math.log10(_moving_mean(power, self.smooth).max() / floor), floor))
        if not measured:
            return "the recording holds only zeros; check the data type, and that the receiver was running"
        rise_db, floor = max(measured)
        quiet = f"quietest {100 * self.floor_quantile:g} % of the time"
        return (
            f"looked for power {self.threshold_db:g} dB over the noise floor for at least {self.min_samples} samples. "
            f"The floor ({quiet}) is {10 * math.log10(floor):.1f} dB of full scale, and the power rises at most "
            f"{rise_db:.1f} dB over it. For weaker signals lower --threshold-db. A band that is never quiet hides its "
            "signals in the floor: cut it with `groundwave ingest` and predict the windows"
        )


def _captures(recording: Recording) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of each capture."""
    starts = [capture.start for capture in recording.captures]
    yield from zip(starts, [*starts[1:], recording.num_samples], strict=True)


def short_time_power(recording: Recording, start: int, stop: int, step: int) -> Powers:
    """Return the mean power of each `step` samples over all channels, float32; reads piece by piece."""
    size = max(1, READ_SAMPLES // step) * step
    pieces = [np.empty(0, np.float32)]
    for first in range(start, stop, size):
        iq = recording.read(first, min(size, stop - first))
        power = (iq.real**2 + iq.imag**2).mean(axis=0)
        edges = np.arange(0, len(power), step)
        sums = np.add.reduceat(power, edges)
        pieces.append((sums / np.diff(edges, append=len(power))).astype(np.float32))
    return np.concatenate(pieces)


def _moving_mean(values: Powers, width: int) -> Powers:
    """Return the centred moving mean; at the ends over what there is."""
    width = max(1, min(width, len(values)))
    kernel = np.ones(width, np.float32)
    return (np.convolve(values, kernel, "same") / np.convolve(np.ones_like(values), kernel, "same")).astype(np.float32)


def _runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _merged(runs: list[tuple[int, int]], max_gap: int) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in runs:
        if merged and first - merged[-1][1] < max_gap:
            merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return merged
