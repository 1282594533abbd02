"""Filters whose pass band is not flat: ripple in gain and group delay as a few weak echoes.

An echo of relative size e at a delay of d samples makes the gain swing by +-e with a period of 1 / d in frequency, and
the group delay with it (the theory of paired echoes, Wheeler 1939).
"""

import math

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor

from groundwave.signal.impair import phasor


def echo_taps(
    shares: Float[Tensor, "*batch echoes"],
    phases_rad: Float[Tensor, "*batch echoes"],
    ripple_db: Float[Tensor, "*batch"],
) -> Complex[Tensor, "*batch taps"]:
    """Return taps with a unit centre and echoes on both sides, whose gain is never more than `ripple_db` above 0 dB.

    The echoes (an even number, half of them early) share out the size 10^(ripple_db / 20) - 1 by `shares`.
    """
    size = 10 ** (ripple_db / 20) - 1
    echoes = phasor(phases_rad) * (shares / shares.sum(-1, keepdim=True) * size[..., None])
    early, late = echoes.chunk(2, dim=-1)
    return torch.cat([early, torch.ones_like(early[..., :1]), late], dim=-1)


def draw_ripple(
    ripple_db: Float[Tensor, " records"], num_echoes: int = 4, *, generator: Generator
) -> Complex[Tensor, "records taps"]:
    """Draw `num_echoes` + 1 taps per record with random echoes and a peak gain of at most `ripple_db`."""
    shape = (2, len(ripple_db), num_echoes)
    shares, turns = torch.rand(shape, generator=generator, device=generator.device)
    return echo_taps(shares, 2 * math.pi * turns, ripple_db)


def apply_ripple(
    x: Complex[Tensor, "*batch time"], taps: Complex[Tensor, "*#batch taps"]
) -> Complex[Tensor, "*batch valid"]:
    """Convolve each record with its own complex taps; returns the time - taps + 1 samples that all taps reach."""
    num_taps = taps.shape[-1]
    valid = x.shape[-1] - num_taps + 1
    y = x[..., num_taps - 1 :] * taps[..., :1]
    for k in range(1, num_taps):
        y = torch.addcmul(y, x[..., num_taps - 1 - k : num_taps - 1 - k + valid], taps[..., k, None])
    return y
