"""Sampling clocks that are not ideal: drift by parts per million, jitter; and resampling by any ratio."""

import math
from functools import cache

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor

from groundwave.errors import GroundwaveError
from groundwave.signal.filters import FARROW_TAPS, fir, fir_bank, lowpass, sample_at, sample_drifting

REACH = 6
"""Samples on either side that `retime` needs beyond its output."""

_SIDE, _BAND = 6, 0.4  # taps on either side of the centre; cycles per sample that they are fitted up to
_NEAR = (0.02, 0.1, 0.25)  # samples up to which a polynomial of order 1, 2, 3 in the delay does


def clock_drift(ppm: Float[Tensor, "*batch"], num_samples: int) -> Float[Tensor, "*batch {num_samples}"]:
    """Return by how many samples a clock that differs by `ppm` has drifted: zero in the middle of the record.

    Positive means that the signal runs fast: x is read at n + drift, and a tone at f comes out at f (1 + ppm 1e-6).
    """
    n = torch.arange(num_samples, device=ppm.device) - (num_samples - 1) / 2
    return ppm[..., None] * 1e-6 * n


def draw_jitter(
    rms: Float[Tensor, " records"], num_samples: int, *, generator: Generator
) -> Float[Tensor, "records {num_samples}"]:
    """Draw white sampling jitter of `rms` samples per record: a tone's SNR is -20 log10(2 pi f rms)."""
    return torch.randn((len(rms), num_samples), generator=generator, device=generator.device) * rms[:, None]


def retime(
    x: Complex[Tensor, "batch time"], delay: Float[Tensor, "batch points"], largest: float
) -> Complex[Tensor, "batch points"]:
    """Read a band-limited signal at n + delay(n), n = 0 being as far from the start as the last n from the end.

    Args:
        x: points + 2 (`REACH` + floor(largest)) samples.
        delay: in samples.
        largest: bound on |delay|. Up to a quarter of a sample, the usual case, a Taylor-like polynomial serves, exact
            where the delay is zero; its errors up to 0.4 cycles per sample are below -55, -45, -35 dB for bounds of
            0.02, 0.1, 0.25. Beyond, `sample_drifting`: the delay may change by some 1e-3 per point.
    """
    num_points = delay.shape[-1]
    lead = (x.shape[-1] - num_points) // 2
    if largest > _NEAR[-1]:
        return sample_drifting(x, lead + delay.double())
    near = x[:, lead - _SIDE : lead + num_points + _SIDE]
    order = 1 + sum(largest > limit for limit in _NEAR)
    derivatives = fir_bank(near, _near_taps(order).flip(1))
    change = derivatives.pop()
    while derivatives:  # Horner's rule in the delay
        change = torch.addcmul(derivatives.pop(), change, delay)
    return torch.addcmul(x[:, lead : lead + num_points], change, delay)


@cache
def _near_taps(order: int) -> Float[Tensor, "{order} taps"]:
    """Fit taps, polynomials in the delay d without constant term, to exp(j 2 pi f d) - 1 over the band."""
    delay = torch.linspace(-_NEAR[order - 1], _NEAR[order - 1], 21, dtype=torch.float64)
    turns = 2 * math.pi * torch.linspace(0, _BAND, 64, dtype=torch.float64)
    n = torch.arange(-_SIDE, _SIDE + 1, dtype=torch.float64)
    tones = torch.exp(1j * turns[:, None] * n)
    powers = delay[:, None] ** torch.arange(1, order + 1, dtype=torch.float64)
    system = (powers[:, None, :, None] * tones[None, :, None, :]).reshape(-1, order * len(n))
    wanted = (torch.exp(1j * delay[:, None] * turns) - 1).reshape(-1, 1)
    both = [torch.cat([z.real, z.imag]) for z in (system, wanted)]
    fit: Tensor = torch.linalg.lstsq(*both).solution
    return fit.reshape(order, len(n)).float()


def resample(x: Complex[Tensor, "batch time"], ratio: float) -> Complex[Tensor, "batch points"]:
    """Change the sample rate by any `ratio` (2: twice as many samples), band-limited.

    Returns as many samples as the filters reach; their middle is the middle of `x`. Below a ratio of 1 a low-pass
    with its edge below the new Nyquist frequency comes first. Content should lie below 0.3 cycles per sample.

    Raises:
        GroundwaveError: `ratio` is not a positive number, or `x` is shorter than the filters.
    """
    if not 0 < ratio < math.inf:
        raise GroundwaveError(f"a ratio of {ratio}", "a positive number", "give new sample rate over old")
    num_taps = 2 * math.ceil(16 / ratio) + 1 if ratio < 1 else 1
    if x.shape[-1] < num_taps + FARROW_TAPS:
        need = f"at least {num_taps + FARROW_TAPS}"
        raise GroundwaveError(f"{x.shape[-1]} samples", need, "give longer records or a larger ratio")
    if ratio < 1:
        x = fir(x, lowpass(num_taps, 0.45 * ratio))
    middle = (x.shape[-1] - 1) / 2
    half = math.floor((middle - FARROW_TAPS // 2) * ratio)
    positions = middle + torch.arange(-half, half + 1, dtype=torch.float64, device=x.device) / ratio
    return sample_at(x, positions.expand(len(x), -1))
