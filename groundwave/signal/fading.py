"""Small-scale fading: flat faders as sums of sinusoids, Rician line of sight, frequency-selective taps.

The models of GNU Radio's channel blocks, which made RadioML 2016: Zheng and Xiao's sum of sinusoids for each path and
a windowless sinc for its delay. Drawing and applying are separate, so that a draw can be stored and replayed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor

from groundwave.signal.filters import fir_bank, interpolate_knots


@dataclass(frozen=True)
class Faders:
    """A draw of flat faders: per record and path, the sinusoids' Doppler shifts (cycles per sample) and phases."""

    doppler: Float[Tensor, "batch path sinusoid"]
    phase_i: Float[Tensor, "batch path sinusoid"]
    phase_q: Float[Tensor, "batch path sinusoid"]
    los_doppler: Float[Tensor, "batch path"]
    los_phase: Float[Tensor, "batch path"]
    rician_k: Float[Tensor, " path"]


def draw_faders(
    num_records: int, rician_k: Sequence[float], doppler: float, *, num_sinusoids: int = 8, generator: Generator
) -> Faders:
    """Draw one fader per record and path; `rician_k` (linear) per path, 0 for Rayleigh; `doppler` = f_D T_s.

    Arrival angles are alpha_n = (2 pi n - pi + theta) / (4 N), n = 1 ... N, with theta uniform.
    """
    shape, device = (num_records, len(rician_k)), generator.device

    def angle(*more: int) -> Tensor:
        return math.pi * (2 * torch.rand((*shape, *more), generator=generator, device=device) - 1)

    n = torch.arange(1, num_sinusoids + 1, device=device)
    alpha = (2 * math.pi * n - math.pi + angle(1)) / (4 * num_sinusoids)
    return Faders(
        doppler=doppler * alpha.cos(),
        phase_i=angle(num_sinusoids),
        phase_q=angle(num_sinusoids),
        los_doppler=doppler * angle().cos(),
        los_phase=angle(),
        rician_k=torch.tensor(rician_k, dtype=torch.float32, device=device),
    )


def fader_gains(faders: Faders, times: Float[Tensor, "batch time"]) -> Complex[Tensor, "batch path time"]:
    """Evaluate faders at `times` (samples): mean power 1, autocorrelation J0(2 pi f_D tau) where there is no LOS."""
    turn = 2 * math.pi * faders.doppler[..., None] * times[:, None, None, :]
    scatter = torch.complex(
        (turn + faders.phase_i[..., None]).cos().sum(2), (turn + faders.phase_q[..., None]).sin().sum(2)
    ) / math.sqrt(faders.doppler.shape[2])
    los_phase = 2 * math.pi * faders.los_doppler[..., None] * times[:, None] + faders.los_phase[..., None]
    k = faders.rician_k[:, None]
    return (k / (k + 1)).sqrt() * torch.polar(torch.ones_like(los_phase), los_phase) + scatter / (k + 1).sqrt()


def delay_taps(delays: Sequence[float], num_taps: int) -> Float[Tensor, "path taps"]:
    """Return sinc(k - delay), k = 0 ... num_taps - 1: causal fractional delays in samples."""
    taps = torch.sinc(torch.arange(num_taps) - torch.tensor(delays)[:, None])
    return torch.where(taps.abs() < 1e-6, 0.0, taps)  # sinc of a whole number is zero but for rounding


def apply_paths(
    x: Complex[Tensor, "batch time"], gains: Complex[Tensor, "batch path knots"], taps: Float[Tensor, "path taps"]
) -> Complex[Tensor, "batch valid"]:
    """Sum delayed copies of `x`, each under its own gain: y(t) = sum_p g_p(t) (taps_p * x)(t), valid part only.

    Gains are knots spread evenly over the output and joined by straight lines; use enough of them for the Doppler.
    """
    gains = interpolate_knots(gains, x.shape[-1] - taps.shape[-1] + 1)
    y = torch.zeros((), dtype=x.dtype, device=x.device)
    for gain, path in zip(gains.unbind(1), fir_bank(x, taps), strict=True):
        y = y + gain * path
    return y
