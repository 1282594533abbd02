"""Digital modulators: linear (pulse-amplitude) and continuous-phase."""

import math

from jaxtyping import Complex, Float
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


def frequency_shift_keying(
    levels: Float[Tensor, "*batch symbols"],
    frequency_pulse: Float[Tensor, " taps"],
    samples_per_symbol: int,
    modulation_index: float,
) -> Complex[Tensor, "*batch time"]:
    """Modulate exp(j pi h sum_k a_k q(t - k T)), where q is the running sum of the unit-area frequency pulse.

    Continuous phase, unit envelope; the phase starts near zero. `levels` are -1 and +1 for binary keying.
    """
    return oscillator(0.5 * modulation_index * upsample(levels, frequency_pulse, samples_per_symbol))
