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
LEVELS = "each antenna's mean decibels to 0, 10 dB to 1"
DOPPLER = "decades of the decibels squared in each Doppler shift, mean over antennas and subcarriers"
SPECTRUM_PACKETS, SPECTRUM_HOP = 32, 2
FLOOR_DB2 = 1e-3  # a change of 0.03 dB


@dataclass(frozen=True)
class CSIContract:
    """What a model of channel state information accepts; what does not fit is refused with a reason.

    - Magnitudes in decibels, no lower than 40 dB below the antenna's mean power; each antenna's mean over the record
      becomes 0 (its gain control says nothing), and 10 dB become 1. Phases are left out: between packets they are
      random in most receivers.
    - With the normalisation `DOPPLER` what changes in these decibels instead: see `doppler_levels`.
    - Size: any from `min_subcarriers` by `min_packets` up, taken whole.
    - Antennas: exactly `num_antennas`; any other number is refused. With `DOPPLER` any number from 1 up.
    - Packets: one that is all zeros at some antenna, or not finite, is refused, and the error tells which.
    """

    num_antennas: int = 1
    min_subcarriers: int = 8
    min_packets: int = 8
    modality: str = "csi"
    normalisation: str = LEVELS

    def __post_init__(self) -> None:
        """Raise `ContractError` for a contract that no input could keep."""
        counts = (self.num_antennas, self.min_subcarriers, self.min_packets)
        if not all(map(COUNT.fits, counts)):
            got = f"num_antennas, min_subcarriers, min_packets {counts}"
            expected = "whole numbers of at least 1"
        elif self.modality != "csi" or self.normalisation not in (LEVELS, DOPPLER):
            got = f"modality {self.modality!r} and normalisation {self.normalisation!r}"
            expected = f"'csi' and {LEVELS!r} or {DOPPLER!r}"
        elif self.normalisation == DOPPLER and (self.num_antennas > 1 or self.min_packets < SPECTRUM_PACKETS):
            got = f"{self.num_antennas} channels and {self.min_packets} packets of Doppler spectra"
            expected = f"1 channel, whatever the antennas, and at least {SPECTRUM_PACKETS} packets"
        else:
            return
        raise ContractError(f"an input contract with {got}", expected, "correct the contract")

    @property
    def num_channels(self) -> int:
        """Channels that a network sees: one for each antenna."""
        return self.num_antennas

    def prepare(self, csi: Given, index: Tensor | None = None) -> Tensor:
        """Return `csi` as float32 `[B, antenna, subcarrier, packet]`, or with `DOPPLER` `[B, 1, shift, frame]`.

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
        if x.shape[1] != self.num_antennas and self.normalisation == LEVELS:
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
        return normalised(power, self.normalisation)

    def windows(self, x: Tensor) -> Tensor:
        """Return prepared records as one window each, `[B, 1, ...]`: they are taken whole."""
        return x[:, None]

    def channels(self, x: Tensor) -> Tensor:
        """Return prepared records as what a network sees: they are that already."""
        return x


def normalised(power: Tensor, normalisation: str) -> Tensor:
    """Return what a network sees of squared magnitudes `[B, antenna, subcarrier, packet]`.

    Args:
        power: positive for every packet and antenna.
        normalisation: `LEVELS` or `DOPPLER`.
    """
    if normalisation == DOPPLER:
        return doppler_levels(power)
    deepest = power.mean((2, 3), keepdim=True) * 10 ** (DEEPEST_DB / 10)
    level_db = 10 / math.log(10) * torch.maximum(power, deepest).log()
    return (level_db - level_db.mean((2, 3), keepdim=True)) / DECIBELS_PER_UNIT


def doppler_levels(power: Tensor) -> Tensor:
    """Return Doppler spectra over time `[B, 1, 17, frame]` of squared magnitudes `[B, antenna, subcarrier, packet]`.

    Decibels count from the packet's mean power over all antennas, 40 dB below it added to each magnitude; their mean
    over the record is taken away, and with it what a room looks like at rest. Frames of 32 packets (Hann) begin every
    2; the lowest shift is 0, the highest half the packet rate. The mean over antennas and subcarriers of the squares
    becomes a common logarithm, no lower than -3.
    """
    relative = power / power.mean((1, 2), keepdim=True)
    level_db = 20 * (relative.sqrt() + 10 ** (DEEPEST_DB / 20)).log10()
    changes = level_db - level_db.mean(3, keepdim=True)
    within = torch.arange(SPECTRUM_PACKETS, device=power.device)
    begins = torch.arange(0, power.shape[3] - SPECTRUM_PACKETS + 1, SPECTRUM_HOP, device=power.device)
    frames = changes[..., begins[:, None] + within]  # by number, and shifts as products: ONNX has no sliding windows
    angles = 2 * math.pi / SPECTRUM_PACKETS * (within[:, None] * within[: SPECTRUM_PACKETS // 2 + 1]).float()
    window = torch.hann_window(SPECTRUM_PACKETS, device=power.device)[:, None]
    shifts = (frames @ (window * angles.cos())).square() + (frames @ (window * angles.sin())).square()
    return (shifts.mean((1, 2)) / SPECTRUM_PACKETS + FLOOR_DB2).log10().transpose(1, 2)[:, None]
