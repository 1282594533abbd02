"""IQ: complex baseband samples at unit mean power."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from groundwave.contract.given import Given, taken
from groundwave.contract.samples import check_complex, check_length, cut_long, unit_power
from groundwave.data.typed import COUNT, NUMBER
from groundwave.errors import ContractError
from groundwave.nn.complex import to_channels


@dataclass(frozen=True)
class InputContract:
    """What a model accepts. An input that does not fit is adapted by the rule stated here, or refused with a reason.

    - Length: from `min_samples` to `max_samples` an input is taken whole. A longer one is cut into windows of
      `num_samples` that overlap by half (the last one ends at the end) and the features of the windows are averaged. A
      shorter one is refused.
    - Power: each input is scaled to unit mean power. One without any power is refused, as is one that is not finite.
    - Channels: exactly `num_antennas`; any other number is refused.
    - Oversampling (sample rate over the signal's bandwidth): when the caller states it, a value outside
      `oversampling` is refused and the error says by which factor to resample.
    """

    num_samples: int
    min_samples: int
    max_samples: int
    num_antennas: int = 1
    oversampling: tuple[float, float] = (2.0, 16.0)
    modality: str = "iq"
    normalisation: str = "unit mean power"

    def __post_init__(self) -> None:
        """Raise `ContractError` for a contract that no input could keep."""
        lengths = (self.min_samples, self.num_samples, self.max_samples)
        low, high = self.oversampling
        if not all(map(COUNT.fits, (*lengths, self.num_antennas))) or list(lengths) != sorted(lengths):
            got = f"min_samples, num_samples, max_samples {lengths} and num_antennas {self.num_antennas!r}"
            expected = "whole numbers of at least 1, the lengths ascending"
        elif not (NUMBER.fits(low) and NUMBER.fits(high) and 0 < low <= high):
            got, expected = f"oversampling {self.oversampling}", "two positive numbers, ascending"
        elif (self.modality, self.normalisation) != ("iq", "unit mean power"):
            got = f"modality {self.modality!r} and normalisation {self.normalisation!r}"
            expected = "'iq' and 'unit mean power', all that there is"
        else:
            return
        raise ContractError(f"an input contract with {got}", expected, "correct the contract")

    @property
    def num_channels(self) -> int:
        """Channels that a network sees: I and Q of each antenna."""
        return 2 * self.num_antennas

    def prepare(self, iq: Given, oversampling: float | None = None, index: Tensor | None = None) -> Tensor:
        """Return `iq` as complex64 `[B, time]` or `[B, antenna, time]` at unit mean power.

        Args:
            iq: complex `[time]`, `[B, time]` or `[B, antenna, time]`, or a record that holds it.
            oversampling: sample rate over signal bandwidth, where known.
            index: what errors call each record, int64 `[B]`; by default the record's own, or its position.

        Raises:
            ContractError: the input does not fit and no rule adapts it.
        """
        x, index = taken(iq, self.modality, index)
        check_complex(x, {1: "[time]", 2: "[records, time]", 3: "[records, antennas, time]"})
        x = x[None] if x.dim() == 1 else x
        antennas = 1 if x.dim() == 2 else x.shape[1]
        if antennas != self.num_antennas:
            raise ContractError(
                got=f"{antennas} antennas",
                expected=f"{self.num_antennas}",
                do="select channels, or pretrain a model for this many antennas",
            )
        check_length(x, self.min_samples)
        low, high = self.oversampling
        if oversampling is not None and not low <= oversampling <= high:
            raise ContractError(
                got=f"a sample rate of {oversampling:g} times the signal's bandwidth",
                expected=f"{low:g} to {high:g} times",
                do=f"resample by {np.clip(oversampling, low, high) / oversampling:.3g}",
            )
        return unit_power(x.to(torch.complex64), index)

    def windows(self, x: Tensor) -> Tensor:
        """Cut prepared samples `[B, ..., time]` into `[B, W, ..., samples]` by the rule on length."""
        return cut_long(x, self.num_samples, self.max_samples)

    def channels(self, x: Tensor) -> Tensor:
        """Return prepared samples as what a network sees: float32 `[B, 2 * antennas, time]`."""
        return to_channels(x)
