"""Microwave ovens as radios: a magnetron that is on for part of each mains cycle and drifts while it is."""

import math

import torch
from jaxtyping import Complex
from torch import Generator, Tensor

from groundwave.signal.chirp import turn

_LINE_HZ = 30e3  # width of the magnetron's line
_START = 0.06  # of its time on: how long it takes to start, and to stop
_START_HZ = 3e6  # how far its frequency wanders meanwhile


def magnetron(
    num_samples: int, sample_rate_hz: float, sweep_hz: float, *, generator: Generator
) -> Complex[Tensor, " {num_samples}"]:
    """Return one time on, at unit mean power: half a sine in amplitude, an arch of `sweep_hz` in frequency.

    The supply's voltage moves both (Taher, Misurac, LoCicero and Ucci, WCNC 2008); where it sets in and stops the
    frequency is unsteady and wide (Kamerman and Erkocevic, PIMRC 1997).
    """
    place = (torch.arange(num_samples) + 0.5) / num_samples
    arch = torch.sin(math.pi * place)
    wander = torch.randn(num_samples, generator=generator, device=generator.device)
    unsteady = torch.exp(-place / _START) + torch.exp(-(1 - place) / _START)
    # white frequency noise of density N0 (Hz^2/Hz) gives a line of pi N0
    density = _LINE_HZ / math.pi + _START_HZ**2 / sample_rate_hz * 64 * unsteady
    frequency_hz = sweep_hz * (arch - 0.5) + wander * (density * sample_rate_hz / 2).sqrt()
    x = arch.sqrt() * turn(frequency_hz.double().cumsum(0) / sample_rate_hz)
    norm: Tensor = torch.linalg.vector_norm(x)
    return x * (math.sqrt(num_samples) / norm)
