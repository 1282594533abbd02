"""Oscillators that are not ideal: crystal error in ppm, phase noise from a mask, phase as a random walk.

A mask lists (offset from the carrier in Hz, single-sideband level in dBc/Hz). L(f) is half the one-sided spectral
density of the phase (IEEE Std 1139), so as a two-sided density of the phase in rad^2/Hz it is used as it stands.
"""

import math
from collections.abc import Sequence
from functools import cache

import torch
from jaxtyping import Float
from torch import Generator, Tensor

Mask = Sequence[tuple[float, float]]


def ppm_to_cycles(ppm: Float[Tensor, "*batch"], carrier_hz: float, sample_rate_hz: float) -> Float[Tensor, "*batch"]:
    """Return the carrier offset, in cycles per sample, of a crystal error in parts per million."""
    return ppm * (1e-6 * carrier_hz / sample_rate_hz)


def mask_dbc(mask: Mask, offsets_hz: Float[Tensor, " offsets"]) -> Float[Tensor, " offsets"]:
    """Read a mask: straight lines in decibels over log frequency, level beyond its first and last points."""
    corners = torch.tensor(mask, dtype=offsets_hz.dtype, device=offsets_hz.device).T.contiguous()
    where, level = corners[0].log10(), corners[1]
    f = offsets_hz.log10().clamp(where[0], where[-1])
    right = torch.searchsorted(where, f).clamp(1, max(1, len(where) - 1)).clamp(max=len(where) - 1)
    left = (right - 1).clamp(min=0)
    share = (f - where[left]) / (where[right] - where[left]).clamp(min=1e-9)
    levels: Tensor = torch.lerp(level[left], level[right], share)
    return levels


def draw_phase_noise(
    num_records: int, num_samples: int, mask: Mask, sample_rate_hz: float, *, generator: Generator
) -> Float[Tensor, "{num_records} {num_samples}"]:
    """Draw phase noise in radians whose spectrum is `mask`, shaped in the frequency domain.

    The lines are `sample_rate_hz` / (1.5 `num_samples`) apart, so that a record's ends are not tied together; slower
    wander than one line is not drawn: over a record it cannot be told from a start phase and a frequency offset.
    """
    period = num_samples + (num_samples + 1) // 2
    amplitude = _line_amplitudes(tuple(mask), sample_rate_hz, period).to(generator.device)
    white = torch.randn((num_records, len(amplitude), 2), generator=generator, device=generator.device)
    noise: Tensor = torch.fft.irfft(torch.view_as_complex(white) * amplitude, period)
    return noise[:, :num_samples]


@cache
def _line_amplitudes(mask: tuple[tuple[float, float], ...], sample_rate_hz: float, period: int) -> Tensor:
    """Return the standard deviation of either part of each line: a line's power is L(f) times the line spacing."""
    spacing = sample_rate_hz / period
    lines = spacing * torch.arange(1, period // 2 + 1, dtype=torch.float64)
    density = 10 ** (mask_dbc(mask, lines) / 10)
    return torch.cat([torch.zeros(1), period * (density * spacing / 2).sqrt().float()])


def walk_step_std(dbc_per_hz: float, offset_hz: float, sample_rate_hz: float) -> float:
    """Return the step, in radians per sample, of a random walk of phase with L(f) = `dbc_per_hz` at `offset_hz`.

    Leeson's free-running oscillator: L(f) = s^2 sample_rate / (2 pi f)^2, falling 20 dB per decade.
    """
    return 2 * math.pi * offset_hz * math.sqrt(10 ** (dbc_per_hz / 10) / sample_rate_hz)


def draw_phase_walk(
    step_std: Float[Tensor, " records"], num_samples: int, *, generator: Generator
) -> Float[Tensor, "records {num_samples}"]:
    """Draw random walks of phase in radians, one per step size; each starts with its first step."""
    steps = torch.randn((len(step_std), num_samples), generator=generator, device=generator.device)
    return (steps * step_std[:, None]).cumsum(1)
