"""Snapshots of an antenna array whose geometry counts: IQ of all its elements at once."""

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from groundwave.contract.given import Given, first_of, taken
from groundwave.contract.samples import check_complex, check_length, cut_long, unit_power
from groundwave.data.typed import COUNT, NUMBER
from groundwave.errors import ContractError
from groundwave.nn.complex import to_channels

NORMALISATION = "unit mean power over all elements"


@dataclass(frozen=True)
class ArrayContract:
    """What a model of antenna arrays accepts; what does not fit is refused with a reason.

    - Elements: those of a uniform planar array of `size` rows and columns, `spacing` wavelengths apart, row by row as
      `planar_array` has them (a linear array is one row). Any other number is refused; that they stand so nobody can
      see, and a model of another geometry answers wrong directions.
    - Power: each record is scaled to unit mean power over all its elements, so that levels and phases between elements
      stay: they tell the direction. A record is refused that is not finite, or silent at some element.
    - Length: from `min_samples` to `max_samples` snapshots are taken whole. More are cut into windows of `num_samples`
      that overlap by half, whose features are averaged; less are refused.
    """

    num_samples: int
    min_samples: int
    max_samples: int
    size: tuple[int, int] = (4, 4)
    spacing: float = 0.5
    modality: str = "array"
    normalisation: str = NORMALISATION

    def __post_init__(self) -> None:
        """Raise `ContractError` for a contract that no input could keep."""
        lengths = (self.min_samples, self.num_samples, self.max_samples)
        if not all(map(COUNT.fits, (*lengths, *self.size))) or list(lengths) != sorted(lengths) or len(self.size) != 2:
            got = f"min_samples, num_samples, max_samples {lengths} and size {self.size}"
            expected = "whole numbers of at least 1, the lengths ascending, rows and columns"
        elif not (NUMBER.fits(self.spacing) and self.spacing > 0):
            got, expected = f"spacing {self.spacing!r}", "a positive number of wavelengths"
        elif (self.modality, self.normalisation) != ("array", NORMALISATION):
            got = f"modality {self.modality!r} and normalisation {self.normalisation!r}"
            expected = f"'array' and {NORMALISATION!r}, all that there is"
        else:
            return
        raise ContractError(f"an input contract with {got}", expected, "correct the contract")

    @property
    def num_antennas(self) -> int:
        """Elements of the array."""
        return prod(self.size)

    @property
    def num_channels(self) -> int:
        """Channels that a network sees: I and Q of each element."""
        return 2 * self.num_antennas

    def prepare(self, array: Given, index: Tensor | None = None) -> Tensor:
        """Return `array` as complex64 `[B, antenna, time]` at unit mean power over the elements.

        Args:
            array: complex `[antenna, time]` or `[B, antenna, time]`, or a record that holds it.
            index: what errors call each record, int64 `[B]`; by default the record's own, or its position.

        Raises:
            ContractError: the input does not fit.
        """
        x, index = taken(array, self.modality, index)
        check_complex(x, {2: "[antennas, time]", 3: "[records, antennas, time]"})
        x = x[None] if x.dim() == 2 else x
        if x.shape[1] != self.num_antennas:
            rows, columns = self.size
            raise ContractError(
                got=f"{x.shape[1]} antennas",
                expected=f"{self.num_antennas}, in {rows} rows of {columns}",
                do="train a model for this array: another geometry means other directions",
            )
        check_length(x, self.min_samples)
        return self._alive(unit_power(x.to(torch.complex64), index), index)

    def _alive(self, x: Tensor, index: Tensor | None) -> Tensor:
        silent = (x == 0).all(dim=-1)
        if silent.any():
            record, antenna = first_of(silent, index)
            raise ContractError(
                got=f"record {record}, which is silent at antenna {antenna}",
                expected="samples of all antennas",
                do="drop such records, or train a model without that antenna",
            )
        return x

    def windows(self, x: Tensor) -> Tensor:
        """Cut prepared snapshots `[B, antenna, time]` into `[B, W, antenna, time]` by the rule on length."""
        return cut_long(x, self.num_samples, self.max_samples)

    def channels(self, x: Tensor) -> Tensor:
        """Return prepared snapshots as what a network sees: float32 `[B, 2 * antennas, time]`, I and Q in turns."""
        return to_channels(x)
