"""What moves between transmitter and receiver, from channel state information.

A body in motion changes the lengths of paths, and the gains beat at the rate of change over the wavelength. What a room
looks like at rest is in the gains' means over time; these are taken away, so that what is left speaks of the motion.
"""

from itertools import pairwise

import torch
from jaxtyping import Complex, Float, Inexact
from torch import Tensor

from groundwave.errors import ContractError
from groundwave.signal.noise import unit_power

SHARES = (0.1, 0.4)  # of a record, that a Doppler spectrum looks at: steps and limbs in the one, a walk in the other
NUM_BANDS = 12
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
NUM_MODES = 8
FEWEST_PACKETS = 40
FLOOR = 1e-4  # of the powers, in dB^2 or of unit power: what lies below is noise


def motion_statistics(csi: Complex[Tensor, "batch antenna subcarrier packet"]) -> Float[Tensor, "batch features"]:
    """Return how fast, how often and in how many ways the gains change, whatever the room, its gains and delays.

    Of the changes of level, and of those between antennas where there are several: quantiles and spread over time of
    the log Doppler spectra, as they are and as shapes (less their mean); quantiles of the logs of the changes' power
    and of that of their steps; shares of the strongest modes (eigenvalues) over antennas and subcarriers.

    Args:
        csi: gains; where only magnitudes are known, those, as complex numbers.

    Raises:
        ContractError: fewer than 40 packets.
    """
    if csi.shape[-1] < FEWEST_PACKETS:
        raise ContractError(f"{csi.shape[-1]} packets", f"at least {FEWEST_PACKETS}", "give longer records")
    changes: list[Tensor] = [level_changes(csi), *([cross_changes(csi)] if csi.shape[1] > 1 else [])]
    return torch.cat([part for change in changes for part in _statistics(change)], dim=-1)


def level_profile(
    csi: Complex[Tensor, "batch antenna subcarrier packet"],
) -> Float[Tensor, "batch antenna_subcarrier"]:
    """Return each gain's mean decibels over its packet's mean power: what a room looks like at rest, and a position."""
    return _level_db(csi).mean(dim=-1).flatten(1)


def level_changes(
    csi: Complex[Tensor, "batch antenna subcarrier packet"],
) -> Float[Tensor, "batch antenna subcarrier packet"]:
    """Return each gain's decibels over its packet's mean power (which the gain control sets), less its mean."""
    level_db = _level_db(csi)
    return level_db - level_db.mean(dim=-1, keepdim=True)


def _level_db(csi: Tensor) -> Tensor:
    magnitude = csi.abs()
    packet = magnitude.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp_min(torch.finfo(magnitude.dtype).tiny)
    return 20 * (magnitude / packet + 1e-2).log10()


def cross_changes(
    csi: Complex[Tensor, "batch antenna subcarrier packet"],
) -> Complex[Tensor, "batch antenna subcarrier packet"]:
    """Return products of each antenna's gains with the conjugates of the next one's, at unit power, less their mean.

    Carrier offset, clock offset and detection delay turn all antennas of a receiver alike, and cancel (CSI ratio and
    conjugate multiplication: Li et al., IndoTrack, 2017).
    """
    products = unit_power((csi * csi.roll(1, dims=1).conj()).flatten(1)).view_as(csi)
    return products - products.mean(dim=-1, keepdim=True)


def doppler_spectra(
    changes: Inexact[Tensor, "batch antenna subcarrier packet"], share: float
) -> Float[Tensor, "batch frames bands"]:
    """Return the power of changes in each band of Doppler shifts, the mean of either sign, over short times.

    Windows (Hann) hold `share` of the packets and overlap by three quarters. Up to 12 bands, which get wider with
    frequency, go from no change to half the packet rate.
    """
    length = max(4, round(changes.shape[-1] * share))
    window = torch.hann_window(length + 2, periodic=False, device=changes.device)[1:-1]
    frames = changes.unfold(-1, length, max(1, length // 4)) * window
    power = torch.fft.fft(frames).abs().square().mean(dim=(1, 2)) / length
    mirrored = torch.cat([power[..., :1], power[..., 1:].flip(-1)], dim=-1)
    return _banded(((power + mirrored) / 2)[..., : length // 2 + 1])


def _banded(power: Tensor) -> Tensor:
    """Return means over bands of bins, each about as wide as its frequency is high."""
    num_bins = power.shape[-1]
    exponents = torch.arange(NUM_BANDS + 1) / NUM_BANDS
    edges = torch.cat([torch.zeros(1), num_bins**exponents]).round().long().unique().tolist()
    return torch.stack([power[..., a:b].mean(-1) for a, b in pairwise(edges)], dim=-1)


def _statistics(changes: Tensor) -> list[Tensor]:
    parts = []
    for share in SHARES:
        level = (doppler_spectra(changes, share) + FLOOR).log()
        shape = level - level.mean(dim=-1, keepdim=True)
        parts += [part for of in (level, shape) for part in (_quantiles(of).flatten(1), of.std(dim=1))]
    step = changes.shape[-1] // 25
    for course in (changes, changes.diff(dim=-1)):
        power = course.abs().square().mean(dim=(1, 2)).unfold(-1, step, step).mean(-1)
        parts.append(_quantiles((power + FLOOR).log()))
    return [*parts, _modes(changes)]


def _quantiles(x: Float[Tensor, "batch frames *rest"]) -> Float[Tensor, "batch quantiles *rest"]:
    """Return the nearest values to quantiles over frames; by sorting, which is ten times as fast as interpolating."""
    places = torch.tensor([round(q * (x.shape[1] - 1)) for q in QUANTILES], device=x.device)
    chosen: Tensor = x.sort(dim=1).values[:, places]
    return chosen


def _modes(changes: Tensor) -> Float[Tensor, "batch modes"]:
    """Return the log shares of power of the strongest independent courses."""
    gains = changes.flatten(1, 2)
    power = torch.linalg.svdvals(gains)[:, :NUM_MODES].square()
    whole = gains.abs().square().sum(dim=(1, 2))[:, None]
    share: Tensor = (power + FLOOR * whole) / whole.clamp_min(FLOOR)
    return share.clamp_min(FLOOR).log()
