"""Oscillator impairments: carrier frequency offset, sample rate offset, their random walks, phase."""

import math

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor


def rotate(x: Complex[Tensor, "*batch time"], phase_rad: Float[Tensor, "*batch"]) -> Complex[Tensor, "*batch time"]:
    """Turn each record by a constant phase."""
    return x * torch.polar(torch.ones_like(phase_rad), phase_rad)[..., None]


def shift_frequency(
    x: Complex[Tensor, "*batch time"], cycles_per_sample: Float[Tensor, "*batch"]
) -> Complex[Tensor, "*batch time"]:
    """Shift each record by a constant frequency: x(t) exp(j 2 pi f t); the opposite shift undoes it."""
    phase = 2 * math.pi * cycles_per_sample[..., None] * torch.arange(x.shape[-1], device=x.device)
    return x * torch.polar(torch.ones_like(phase), phase)


def oscillator(cycles_per_sample: Float[Tensor, "*batch time"]) -> Complex[Tensor, "*batch time"]:
    """Return exp(j 2 pi sum f): unit envelope, varying frequency. Sums in float64: it may run long."""
    return _phasor(2 * math.pi * cycles_per_sample.cumsum(-1, dtype=torch.float64).frac().to(torch.float32))


def apply_phase(
    x: Complex[Tensor, "*batch time"], phase_rad: Float[Tensor, "*batch time"]
) -> Complex[Tensor, "*batch time"]:
    """Turn every sample by its own phase."""
    return x * _phasor(phase_rad)


def _phasor(phase_rad: Tensor) -> Tensor:
    return torch.complex(phase_rad.cos(), phase_rad.sin())  # many times faster than torch.polar


def draw_walk(
    start: Float[Tensor, " batch"], num_steps: int, step_std: float, limit: float, *, generator: Generator
) -> Float[Tensor, "batch steps"]:
    """Draw Gaussian random walks that stay within +-`limit`; the first value is `start`.

    Walks are reflected at the limit (GNU Radio clips there), which keeps the draw free of a loop over time.
    """
    steps = step_std * torch.randn((len(start), num_steps), generator=generator, device=generator.device)
    steps[:, 0] = start
    walk = steps.cumsum(1)
    return (walk + limit).remainder(4 * limit).sub(2 * limit).abs().neg().add(limit)
