"""Digital modulators: linear (pulse-amplitude), offset, differential and continuous-phase."""

import math

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from groundwave.signal.filters import upsample
from groundwave.signal.impair import oscillator


def linear(
    symbols: Complex[Tensor, "*batch symbols"], pulse: Float[Tensor, " taps"], samples_per_symbol: int
) -> Complex[Tensor, "*batch time"]:
    """Modulate x(t) = sum_k a_k p(t - k T), valid part only, unit mean power for unit-power white symbols.

    A unit-energy pulse spreads the power of a symbol over `samples_per_symbol` samples; we scale it back.
    """
    return upsample(symbols, pulse * math.sqrt(samples_per_symbol), samples_per_symbol)


def offset_linear(
    symbols: Complex[Tensor, "*batch symbols"],
    pulse: Float[Tensor, " taps"],
    late_pulse: Float[Tensor, " taps"],
    samples_per_symbol: int,
) -> Complex[Tensor, "*batch time"]:
    """Modulate I(t) + j Q(t - T/2), as `linear` does, with `late_pulse` the pulse half a symbol later.

    I and Q never change sign together, so the envelope stays away from zero (Proakis 2008, 3.3-2).
    """
    scale = math.sqrt(samples_per_symbol)
    i = upsample(symbols.real, pulse * scale, samples_per_symbol)
    return torch.complex(i, upsample(symbols.imag, late_pulse * scale, samples_per_symbol))


def differential_quadrants(labels: Int[Tensor, "*batch symbols"]) -> Complex[Tensor, "*batch symbols"]:
    """Return the symbols of pi/4-DQPSK: label 0, 1, 2, 3 turns the phase by 1, 3, -1, -3 times pi/4.

    Gray labels as in TETRA (ETSI EN 300 392-2, 5.3.2). The phase before the first symbol is zero.
    """
    steps = torch.tensor([1, 3, -1, -3], device=labels.device)[labels]
    phase = (math.pi / 4) * steps.cumsum(-1).remainder(8).float()
    return torch.polar(torch.ones_like(phase), phase)


def keying_levels(labels: Int[Tensor, "*batch"], num_levels: int) -> Float[Tensor, "*batch"]:
    """Return the odd integers from -(num_levels - 1) up that labels stand for in frequency shift keying."""
    return 2.0 * labels - (num_levels - 1)


def frequency_shift_keying(
    levels: Float[Tensor, "*batch symbols"],
    frequency_pulse: Float[Tensor, " taps"],
    samples_per_symbol: int,
    modulation_index: float,
) -> Complex[Tensor, "*batch time"]:
    """Modulate exp(j pi h sum_k a_k q(t - k T)), where q is the running sum of the unit-area frequency pulse.

    Continuous phase, unit envelope; the phase starts near zero. `levels` are -1 and +1 for binary keying, and odd
    integers in general (Proakis 2008, 3.3-2).
    """
    return oscillator(0.5 * modulation_index * upsample(levels, frequency_pulse, samples_per_symbol))
