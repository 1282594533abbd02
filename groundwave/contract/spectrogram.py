"""Spectrograms: decibels over time and frequency, counted from each record's own noise floor."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from groundwave.contract.given import Given, first_of, taken
from groundwave.data.spectrograms import Transform
from groundwave.data.typed import COUNT, POSITIVE
from groundwave.errors import ContractError
from groundwave.signal.spectrum import WINDOWS

FLOOR_QUANTILE = 0.1  # share of the cells that surely hold noise alone
DECIBELS_PER_UNIT = 10.0
NORMALISATION = "10 % quantile to 0, 10 dB to 1"
RATE_TOLERANCE = 0.01  # of what a sample rate may lie beyond those that were seen


@dataclass(frozen=True)
class SpectrogramContract:
    """What a model of spectrograms accepts. What does not fit is adapted by the rule here, or refused with a reason.

    - Size: any from `min_freqs` by `min_frames` up, taken whole. A smaller one is refused.
    - Level: each record's 10 % quantile of all cells, its noise floor, becomes 0, and 10 dB become 1. So neither the
      gain of a receiver nor the scaling of the transform matters. A record whose cells are all equal has no contrast to
      look at and is refused, as is one that is not finite.
    - Channels: exactly `num_channels` (antennas); any other number is refused.
    - Recordings become spectrograms of `num_freqs` by `num_frames` cells (`transform`): windows of the shape `window`,
      `hop` samples from one to the next, the mean power of `num_averaged` of them in each frame.
    - Sample rate: where `frame_s` is stated, a frame lasts that many seconds, at whatever rate a recording was sampled,
      and is the mean of more windows or fewer; never of fewer than half of `num_averaged`, rounded up, as noise would
      be rougher than any that the model has learned to call so. Recordings of rates beyond `sample_rates_hz`, where
      that is stated, are refused: a model names whatever it meets as one of its classes.
    """

    min_freqs: int = 16
    min_frames: int = 16
    num_channels: int = 1
    num_freqs: int = 256
    num_frames: int = 256
    hop: int = 256
    num_averaged: int = 1
    window: str = "hann"
    frame_s: float | None = None
    sample_rates_hz: tuple[float, float] | None = None
    modality: str = "spec"
    normalisation: str = NORMALISATION

    def __post_init__(self) -> None:
        """Raise `ContractError` for a contract that no input could keep."""
        size = (self.num_freqs, self.num_frames, self.hop, self.num_averaged)
        counts = (self.min_freqs, self.min_frames, self.num_channels, *size)
        if not all(map(COUNT.fits, counts)) or self.min_freqs > self.num_freqs or self.min_frames > self.num_frames:
            got = f"min_freqs, min_frames, num_channels, num_freqs, num_frames, hop, num_averaged {counts}"
            expected = "whole numbers of at least 1, num_freqs by num_frames no smaller than the least"
        elif self.window not in WINDOWS:
            got, expected = f"window {self.window!r}", f"one of {', '.join(WINDOWS)}"
        elif not POSITIVE.or_null().fits(self.frame_s):
            got, expected = f"frame_s {self.frame_s!r}", "seconds above 0, or None"
        elif self.sample_rates_hz is not None and not _is_range(*self.sample_rates_hz):
            got, expected = f"sample_rates_hz {self.sample_rates_hz!r}", "lowest and highest in Hz, or None"
        elif (self.modality, self.normalisation) != ("spec", NORMALISATION):
            got = f"modality {self.modality!r} and normalisation {self.normalisation!r}"
            expected = f"'spec' and {NORMALISATION!r}, all that there is"
        else:
            return
        raise ContractError(f"an input contract with {got}", expected, "correct the contract")

    @property
    def transform(self) -> Transform:
        """How a recording becomes what the model was trained on, if its rate is the one of `num_averaged`."""
        return Transform(self.num_freqs, self.num_frames, self.hop, self.num_averaged, self.window)

    def transform_at(self, sample_rate_hz: float) -> Transform:
        """Return how a recording of this rate becomes what the model was trained on.

        Raises:
            ContractError: a rate that the model has not seen.
        """
        low, high = self.sample_rates_hz or (0.0, math.inf)
        if not low * (1 - RATE_TOLERANCE) <= sample_rate_hz <= high * (1 + RATE_TOLERANCE):
            raise ContractError(
                got=f"a recording of {sample_rate_hz / 1e6:g} MS/s",
                expected=f"{low / 1e6:g} to {high / 1e6:g} MS/s, the bands that the model has seen",
                do="record such a band, or train a model on recordings like this one",
            )
        if self.frame_s is None:
            return self.transform
        held, least = round(self.frame_s * sample_rate_hz / self.hop), -(-self.num_averaged // 2)
        return replace(self.transform, num_averaged=max(held, least))

    def prepare(self, spec: Given, index: Tensor | None = None) -> Tensor:
        """Return `spec` as float32 `[B, channels, freq, time]`, its noise floor at 0 and 10 dB a unit.

        Args:
            spec: decibels `[freq, time]`, `[B, freq, time]` or `[B, channel, freq, time]`, or a record that holds it.
            index: what errors call each record, int64 `[B]`; by default the record's own, or its position.

        Raises:
            ContractError: the input does not fit and no rule adapts it.
        """
        x, index = taken(spec, self.modality, index)
        x = x[None] if x.dim() == 2 else x
        x = x[:, None] if x.dim() == 3 else x
        if x.is_complex() or x.dim() != 4:
            raise ContractError(
                got=f"{x.dtype} of shape {tuple(x.shape)}",
                expected="decibels [freq, time], [records, freq, time] or [records, channels, freq, time]",
                do="take 20 log10 of the magnitude, or ingest the recording with --spectrogram",
            )
        if x.shape[1] != self.num_channels:
            raise ContractError(
                got=f"{x.shape[1]} channels",
                expected=f"{self.num_channels}",
                do="select channels, or pretrain a model for this many",
            )
        if x.shape[2] < self.min_freqs or x.shape[3] < self.min_frames:
            raise ContractError(
                got=f"spectrograms of {x.shape[2]} frequencies by {x.shape[3]} frames",
                expected=f"at least {self.min_freqs} by {self.min_frames}",
                do="make them larger (a longer window, more frames); they are not padded beyond a patch",
            )
        return self._from_floor(x.to(torch.float32), index)

    def _from_floor(self, x: Tensor, index: Tensor | None) -> Tensor:
        cells = x.flatten(1)
        bad = ~torch.isfinite(cells)
        if bad.any():
            record = first_of(bad, index)[0]
            raise ContractError(
                got=f"NaN or infinite cells in record {record}",
                expected="finite decibels",
                do="give empty cells a floor, such as -120 dB, or drop that record",
            )
        flat = cells.amax(1) == cells.amin(1)
        if flat.any():
            raise ContractError(
                got=f"cells that are all equal (record {first_of(flat, index)[0]})",
                expected="a signal or noise",
                do="drop empty records before asking the model",
            )
        # kthvalue rather than quantile, which refuses batches beyond 16 million cells.
        floor = cells.kthvalue(1 + round(FLOOR_QUANTILE * (cells.shape[1] - 1)), dim=1).values
        return (x - floor.reshape(-1, 1, 1, 1)) / DECIBELS_PER_UNIT

    def windows(self, x: Tensor) -> Tensor:
        """Return prepared spectrograms as one window each, `[B, 1, channels, freq, time]`: they are taken whole."""
        return x[:, None]

    def channels(self, x: Tensor) -> Tensor:
        """Return prepared spectrograms as what a network sees: they are that already."""
        return x


def _is_range(*ends: object) -> bool:
    """Return whether these are two positive numbers, the second no smaller."""
    return len(ends) == 2 and all(map(POSITIVE.fits, ends)) and list(ends) == sorted(ends)  # type: ignore[type-var]
