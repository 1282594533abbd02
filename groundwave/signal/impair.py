"""Oscillator impairments: carrier frequency offset, sample rate offset, their random walks, phase."""

import math

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor

_RAMP = 256  # samples over which a phase ramp is summed in float32


def phasor(phase_rad: Float[Tensor, "*shape"]) -> Complex[Tensor, "*shape"]:
    """Return exp(j phase); several times faster on a CPU than `torch.polar`, which is not vectorised."""
    return torch.complex(phase_rad.cos(), phase_rad.sin())


def phase_ramp(cycles_per_sample: Float[Tensor, "*batch"], num_samples: int) -> Float[Tensor, "*batch {num_samples}"]:
    """Return 2 pi f n for n = 0, 1, ..., up to whole turns: exact for any length, with little work in float64."""
    frequency = cycles_per_sample.double()[..., None]
    starts = torch.arange(0, num_samples, _RAMP, device=frequency.device) * frequency
    steps = torch.arange(min(_RAMP, num_samples), device=frequency.device) * frequency
    cycles = starts.frac().float()[..., None] + steps.float()[..., None, :]
    return 2 * math.pi * cycles.flatten(-2)[..., :num_samples]


def rotate(x: Complex[Tensor, "*batch time"], phase_rad: Float[Tensor, "*batch"]) -> Complex[Tensor, "*batch time"]:
    """Turn each record by a constant phase."""
    return x * phasor(phase_rad)[..., None]


def shift_frequency(
    x: Complex[Tensor, "*batch time"], cycles_per_sample: Float[Tensor, "*batch"]
) -> Complex[Tensor, "*batch time"]:
    """Shift each record by a constant frequency: x(t) exp(j 2 pi f t); the opposite shift undoes it."""
    return x * phasor(phase_ramp(cycles_per_sample, x.shape[-1]))


def oscillator(cycles_per_sample: Float[Tensor, "*batch time"]) -> Complex[Tensor, "*batch time"]:
    """Return exp(j 2 pi sum f): unit envelope, varying frequency. Sums in float64: it may run long."""
    return phasor(2 * math.pi * cycles_per_sample.cumsum(-1, dtype=torch.float64).frac().to(torch.float32))


def apply_phase(
    x: Complex[Tensor, "*batch time"], phase_rad: Float[Tensor, "*batch time"]
) -> Complex[Tensor, "*batch time"]:
    """Turn every sample by its own phase."""
    return x * phasor(phase_rad)


def draw_walk(
    start: Float[Tensor, " batch"], num_steps: int, step_std: float, limit: float, *, generator: Generator
) -> Float[Tensor, "batch steps"]:
    """Draw Gaussian random walks that stay within +-`limit`; the first value is `start`.

    Walks are reflected at the limit. A walk that is clipped there step by step, as GNU Radio's, has the same law as
    steps get small (Skorokhod), but can only be drawn by a loop over time.
    """
    steps = step_std * torch.randn((len(start), num_steps), generator=generator, device=generator.device)
    steps[:, 0] = start
    walk = steps.cumsum(1)
    return (walk + limit).remainder(4 * limit).sub(2 * limit).abs().neg().add(limit)
