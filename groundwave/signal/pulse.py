"""Pulse shapes, sampled; computed in float64, returned as float32 and kept: do not change one in place."""

import math
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from groundwave.errors import GroundwaveError


def _time(samples_per_symbol: int, span: int) -> Tensor:
    """Return time in symbols, from -span/2 to span/2, with sample zero in the middle."""
    half = span * samples_per_symbol // 2
    return torch.arange(-half, half + 1, dtype=torch.float64) / samples_per_symbol


@cache
def root_raised_cosine(
    samples_per_symbol: int, span: int, rolloff: float, delay: float = 0.0
) -> Float[Tensor, " taps"]:
    """Return the root raised cosine over `span` symbols, unit energy (Proakis, Digital Communications, eq. 9.2-29).

    Convolved with itself it has no intersymbol interference, up to the truncation at `span`. It comes `delay` symbols
    late.

    Raises:
        GroundwaveError: less than one sample a symbol, less than one symbol, or a rolloff outside [0, 1].
    """
    if samples_per_symbol < 1 or span < 1 or not 0 <= rolloff <= 1:
        got = f"{samples_per_symbol} samples a symbol, {span} symbols, a rolloff of {rolloff}"
        raise GroundwaveError(got, "at least 1, at least 1, and from 0 to 1", "correct the pulse")
    t, a = _time(samples_per_symbol, span) - delay, rolloff
    top = torch.sin(math.pi * t * (1 - a)) + 4 * a * t * torch.cos(math.pi * t * (1 + a))
    bottom = math.pi * t * (1 - (4 * a * t) ** 2)
    h = top / bottom
    h[t == 0] = 1 - a + 4 * a / math.pi
    if a > 0:  # the limits at t = +-1 / (4 a), where numerator and denominator both vanish
        edge = (1 + 2 / math.pi) * math.sin(math.pi / (4 * a)) + (1 - 2 / math.pi) * math.cos(math.pi / (4 * a))
        h[((4 * a * t).abs() - 1).abs() < 1e-9] = a / math.sqrt(2) * edge
    return (h / h.square().sum().sqrt()).float()


@cache
def half_sine(samples_per_symbol: int) -> Float[Tensor, " taps"]:
    """Return half a period of a sine over one symbol, unit energy: the amplitude pulse of MSK seen as offset QPSK."""
    h = torch.sin(math.pi * (torch.arange(samples_per_symbol, dtype=torch.float64) + 0.5) / samples_per_symbol)
    return (h / h.square().sum().sqrt()).float()


@cache
def rectangular(samples_per_symbol: int) -> Float[Tensor, " taps"]:
    """Return the one-symbol rectangle of unit area: the frequency pulse of CPFSK."""
    return torch.full((samples_per_symbol,), 1.0 / samples_per_symbol)


@cache
def gaussian(samples_per_symbol: int, span: int, bt: float) -> Float[Tensor, " taps"]:
    """Return a Gaussian low-pass of unit area whose 3 dB bandwidth is `bt` per symbol period."""
    h = torch.exp(-2 * (math.pi * bt * _time(samples_per_symbol, span)) ** 2 / math.log(2))
    return (h / h.sum()).float()


@cache
def gaussian_frequency(samples_per_symbol: int, span: int, bt: float) -> Float[Tensor, " taps"]:
    """Return the frequency pulse of GFSK: a one-symbol rectangle smoothed by a Gaussian, unit area."""
    smooth, box = gaussian(samples_per_symbol, span, bt), rectangular(samples_per_symbol)
    return torch.nn.functional.conv1d(smooth[None, None], box[None, None], padding=len(box) - 1)[0, 0]
