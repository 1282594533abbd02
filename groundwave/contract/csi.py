"""Channel state information: a complex gain for each antenna, subcarrier and packet."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from groundwave.contract.given import Given, first_of, taken
from groundwave.data.typed import COUNT
from groundwave.errors import ContractError

DECIBELS_PER_UNIT = 10.0
DEEPEST_DB = -40.0  # below an antenna's mean power: empty guard subcarriers, and fades deeper than receivers resolve
NORMALISATION = "each antenna's mean decibels to 0, 10 dB to 1"


@dataclass(frozen=True)
class CSIContract:
    """What a model of channel state information accepts; what does not fit is refused with a reason.

    - Magnitudes in decibels, no lower than 40 dB below the antenna's mean power; each antenna's mean over the record
      becomes 0 (its gain control says nothing), and 10 dB become 1. Phases are left out: between packets they are
      random in most receivers.
    - Size: any from `min_subcarriers` by `min_packets` up, taken whole.
    - Antennas: exactly `num_antennas`; any other number is refused.
    - Packets: one that is all zeros at some antenna, or not finite, is refused, and the error tells which.
    """

    num_antennas: int = 1
    min_subcarriers: int = 8
    min_packets: int = 8
    modality: str = "csi"
    normalisation: str = NORMALISATION

    def __post_init__(self) -> None:
        """Raise `ContractError` for a contract that no input could keep."""
        counts = (self.num_antennas, self.min_subcarriers, self.min_packets)
        if not all(map(COUNT.fits, counts)):
            got = f"num_antennas, min_subcarriers, min_packets {counts}"
            expected = "whole numbers of at least 1"
        elif (self.modality, self.normalisation) != ("csi", NORMALISATION):
            got = f"modality {self.modality!r} and normalisation {self.normalisation!r}"
            expected = f"'csi' and {NORMALISATION!r}, all that there is"
        else:
            return
        raise ContractError(f"an input contract with {got}", expected, "correct the contract")

    @property
    def num_channels(self) -> int:
        """Channels that a network sees: one for each antenna."""
        return self.num_antennas

    def prepare(self, csi: Given, index: Tensor | None = None) -> Tensor:
        """Return `csi` as float32 `[B, antenna, subcarrier, packet]`, each antenna's mean at 0 and 10 dB a unit.

        Args:
            csi: complex `[B, antenna, subcarrier, packet]`, or a record that holds it; of one antenna also
                `[B, subcarrier, packet]`.
            index: what errors call each record, int64 `[B]`; by default the record's own, or its position.

        Raises:
            ContractError: the input does not fit.
        """
        x, index = taken(csi, self.modality, index)
        x = x[:, None] if x.dim() == 3 else x
        if not x.is_complex() or x.dim() != 4:
            raise ContractError(
                got=f"{x.dtype} of shape {tuple(x.shape)}",
                expected="complex gains [records, antennas, subcarriers, packets]",
                do="give the gains as they were measured, not their decibels",
            )
        if x.shape[1] != self.num_antennas:
            raise ContractError(
                got=f"{x.shape[1]} antennas",
                expected=f"{self.num_antennas}",
                do="select antennas, or pretrain a model for this many",
            )
        if x.shape[2] < self.min_subcarriers or x.shape[3] < self.min_packets:
            raise ContractError(
                got=f"{x.shape[2]} subcarriers by {x.shape[3]} packets",
                expected=f"at least {self.min_subcarriers} by {self.min_packets}",
                do="give longer records",
            )
        return self._levelled(x.to(torch.complex64), index)

    def _levelled(self, x: Tensor, index: Tensor | None) -> Tensor:
        power = x.real.square() + x.imag.square()
        bad = ~(power.sum(dim=2).isfinite() & (power.sum(dim=2) > 0))  # [B, antenna, packet]
        if bad.any():
            record, antenna, packet = first_of(bad, index)
            raise ContractError(
                got=f"packet {packet} of record {record}, which is empty or not finite at antenna {antenna}",
                expected="gains for every packet and antenna",
                do="drop lost packets, or fill them from their neighbours",
            )
        deepest = power.mean((2, 3), keepdim=True) * 10 ** (DEEPEST_DB / 10)
        level_db = 10 / math.log(10) * torch.maximum(power, deepest).log()
        return (level_db - level_db.mean((2, 3), keepdim=True)) / DECIBELS_PER_UNIT

    def windows(self, x: Tensor) -> Tensor:
        """Return prepared records as one window each, `[B, 1, antenna, subcarrier, packet]`: they are taken whole."""
        return x[:, None]

    def channels(self, x: Tensor) -> Tensor:
        """Return prepared records as what a network sees: they are that already."""
        return x
