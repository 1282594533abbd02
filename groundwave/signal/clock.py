"""Sampling clocks that are not ideal: drift by parts per million, jitter; and resampling by any ratio."""

import math
from functools import cache

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor

from groundwave.signal.filters import FARROW_TAPS, fir, lowpass, sample_at

REACH = 6
"""Samples on either side that `retime` needs beyond its output."""

_NEAR, _SIDE = 0.25, 4  # up to a quarter of a sample: 9 taps, each a polynomial of third order


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
    """Read a band-limited signal at n + `REACH` + `delay`(n), with |delay| never above `largest` samples.

    Needs `x` to be points + 2 (REACH + floor(largest)) long, with the same middle as the output. Up to a quarter of a
    sample it is a short polynomial in the delay, exact where the delay is zero; beyond, `sample_at`. Good to
    -55 dB below 0.4 cycles per sample.
    """
    lead = (x.shape[-1] - delay.shape[-1]) // 2
    if largest > _NEAR:
        return sample_at(x, torch.arange(delay.shape[-1], device=x.device) + lead + delay.double())
    near = x[:, lead - _SIDE : lead + delay.shape[-1] + _SIDE]
    first, second, third = (fir(near, taps) for taps in _near_taps().flip(1))
    change = torch.addcmul(first, torch.addcmul(second, third, delay), delay)
    return torch.addcmul(x[:, lead : lead + delay.shape[-1]], change, delay)


@cache
def _near_taps() -> Float[Tensor, "orders taps"]:
    """Fit a polynomial in the delay without constant term to each tap of a Kaiser-windowed sinc."""
    mu = torch.linspace(-_NEAR, _NEAR, 51, dtype=torch.float64)
    t = torch.arange(-_SIDE, _SIDE + 1, dtype=torch.float64)
    offset = t[None, :] - mu[:, None]
    window = torch.special.i0(6.0 * (1 - (offset / (_SIDE + 0.5)) ** 2).clamp(min=0).sqrt())
    taps = torch.sinc(offset) * window
    taps = taps / taps.sum(1, keepdim=True) - (t == 0).double()
    powers = mu[:, None] ** torch.arange(1, 4, dtype=torch.float64)
    fit: Tensor = torch.linalg.lstsq(powers, taps).solution
    return fit.float()


def resample(x: Complex[Tensor, "batch time"], ratio: float) -> Complex[Tensor, "batch points"]:
    """Change the sample rate by any `ratio` (2: twice as many samples), band-limited.

    Returns as many samples as the filters reach; their middle is the middle of `x`. Below a ratio of 1 a low-pass
    with its edge at the new Nyquist frequency comes first. Content should lie below 0.4 cycles per sample.
    """
    if ratio < 1:
        x = fir(x, lowpass(2 * math.ceil(16 / ratio) + 1, 0.45 * ratio))
    middle = (x.shape[-1] - 1) / 2
    half = math.floor((middle - FARROW_TAPS // 2) * ratio)
    positions = middle + torch.arange(-half, half + 1, dtype=torch.float64, device=x.device) / ratio
    return sample_at(x, positions.expand(len(x), -1))
