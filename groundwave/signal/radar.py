"""Radar waveforms: phase codes, frequency-modulated pulses, triangular sweeps."""

import math
from functools import cache

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from groundwave.signal.chirp import sweep, turn
from groundwave.signal.filters import upsample

BARKER = {
    7: (1, 1, 1, -1, -1, 1, -1),
    11: (1, 1, 1, -1, -1, -1, 1, -1, -1, 1, -1),
    13: (1, 1, 1, 1, 1, -1, -1, 1, 1, -1, 1, -1, 1),
}


def barker(length: int) -> Complex[Tensor, " chips"]:
    """Return a Barker code of 7, 11 or 13 chips: no autocorrelation sidelobe above 1 (Barker 1953)."""
    return torch.tensor(BARKER[length]) + 0j


def frank(order: int) -> Complex[Tensor, " chips"]:
    """Return the Frank code of order^2 chips, phases 2 pi i k / order (Frank, IEEE Trans. IT 9, 1963)."""
    step = torch.arange(order, dtype=torch.float64)
    return turn((step[:, None] * step).flatten() / order)


def p4(num_chips: int) -> Complex[Tensor, " chips"]:
    """Return the P4 code, phases pi n (n - N) / N (Lewis and Kretschmer, IEEE Trans. AES 18, 1982)."""
    n = torch.arange(num_chips, dtype=torch.float64)
    return turn(n * (n - num_chips) / (2 * num_chips))


def _edges(num_samples: int) -> Float[Tensor, " samples"]:
    """Return a raised cosine that rises over the first half of `num_samples` and falls over the second.

    Sampled a quarter into each sample, where two opposite chips never cancel to a sample of zero.
    """
    return torch.sin(math.pi * (torch.arange(num_samples) + 0.25) / num_samples).square()


@cache
def linear_pulse(num_samples: int, bandwidth: float) -> Complex[Tensor, " samples"]:
    """Return a linear-FM pulse that sweeps `bandwidth` (cycles per sample) upwards; its edges last 1 / `bandwidth`."""
    time = torch.arange(num_samples, dtype=torch.float64) + 0.5
    rise, fall = _edges(2 * round(1 / bandwidth)).chunk(2)
    envelope = torch.cat([rise, torch.ones(num_samples - len(rise) - len(fall)), fall])
    return envelope * sweep(time, torch.full_like(time, num_samples), bandwidth)


def coded_pulse(code: Complex[Tensor, " chips"], samples_per_chip: int) -> Complex[Tensor, " samples"]:
    """Return a phase-coded pulse whose chips pass into each other, and into silence, as a raised cosine of one chip.

    Hard edges would spread it over the whole sampled band, which no transmitter may.
    """
    return upsample(torch.nn.functional.pad(code, (1, 1)), _edges(2 * samples_per_chip), samples_per_chip)


def triangle(
    position: Float[Tensor, "*batch time"], length: Float[Tensor, "*batch time"], bandwidth: float
) -> Complex[Tensor, "*batch time"]:
    """Return an up sweep of `length` samples, then a down sweep as long; `position` runs to 2 `length`."""
    down = position >= length
    chirp = sweep(torch.where(down, position - length, position), length, bandwidth)
    return torch.where(down, chirp.conj(), chirp)
