"""Receivers of what `modulate` and `analog` send, for a synchronised signal: carrier, timing and gain are known."""

import math

import torch
from jaxtyping import Complex, Float, Int, Shaped
from torch import Tensor

from groundwave.signal.modulate import keying_levels


def matched(
    x: Shaped[Tensor, "*batch time"], pulse: Float[Tensor, " taps"], samples_per_symbol: int
) -> Shaped[Tensor, "*batch symbols"]:
    """Filter with the pulse and sample once a symbol: undoes `modulate.linear`, real or complex, at unit gain.

    The first symbol out is number ceil(taps / samples_per_symbol) - 1 of those sent, the first whose pulse is whole.
    """
    weights = (pulse / math.sqrt(samples_per_symbol)).to(x)
    return x.unfold(-1, len(pulse), samples_per_symbol) @ weights


def matched_offset(
    x: Complex[Tensor, "*batch time"],
    pulse: Float[Tensor, " taps"],
    late_pulse: Float[Tensor, " taps"],
    samples_per_symbol: int,
) -> Complex[Tensor, "*batch symbols"]:
    """Undo `modulate.offset_linear`: I through the pulse, Q through the late one."""
    i = matched(x.real, pulse, samples_per_symbol)
    return torch.complex(i, matched(x.imag, late_pulse, samples_per_symbol))


def differential_labels(symbols: Complex[Tensor, "*batch symbols"]) -> Int[Tensor, "*batch turns"]:
    """Undo `modulate.differential_quadrants` without knowing the carrier's phase: one label less than symbols."""
    turn = symbols[..., 1:] * symbols[..., :-1].conj()
    return 2 * (turn.imag < 0).long() + (turn.real < 0).long()


def correlate_tones(
    x: Complex[Tensor, "*batch time"], num_tones: int, samples_per_symbol: int
) -> Complex[Tensor, "*batch symbols tones"]:
    """Correlate each symbol with the tones of frequency shift keying of index 1, which are orthogonal; unit gain.

    `x` begins where a symbol does. The tones' phase is that of `modulate.frequency_shift_keying` for even symbols; for
    odd ones it is half a turn on, because at index 1 every symbol turns the phase by an odd number of half turns.
    """
    n = torch.arange(1, samples_per_symbol + 1, device=x.device)
    cycles = 0.5 * keying_levels(torch.arange(num_tones, device=x.device), num_tones) / samples_per_symbol
    tones = torch.polar(torch.full((), 1 / samples_per_symbol), -2 * math.pi * cycles * n[:, None])
    whole = x.shape[-1] // samples_per_symbol * samples_per_symbol
    correlations: Tensor = x[..., :whole].unflatten(-1, (-1, samples_per_symbol)) @ tones
    return correlations


def noncoherent_labels(correlations: Complex[Tensor, "*batch symbols tones"]) -> Int[Tensor, "*batch symbols"]:
    """Decide for the tone of largest magnitude: needs no carrier phase (Proakis 2008, 4.5-3)."""
    return correlations.abs().argmax(-1)


def coherent_labels(correlations: Complex[Tensor, "*batch symbols tones"]) -> Int[Tensor, "*batch symbols"]:
    """Decide for the tone of largest real part, given the phase of the first symbol (Proakis 2008, 4.4-1)."""
    turn = 1 - 2 * (torch.arange(correlations.shape[-2], device=correlations.device) % 2)
    return (correlations.real * turn[:, None]).argmax(-1)


def discriminator(x: Complex[Tensor, "*batch time"]) -> Float[Tensor, "*batch steps"]:
    """Return the instantaneous frequency in cycles per sample; value k is the step from sample k to k + 1."""
    return (x[..., 1:] * x[..., :-1].conj()).angle() / (2 * math.pi)


def frequency_levels(
    x: Complex[Tensor, "*batch time"], samples_per_symbol: int, modulation_index: float
) -> Float[Tensor, "*batch symbols"]:
    """Return how far the phase turns over each symbol, in units of pi times the modulation index: soft levels.

    `x` begins where a symbol does, and the first symbol, whose phase before is not in `x`, is left out. With a
    rectangular frequency pulse they are the levels sent; a Gaussian one blends neighbours but keeps binary signs.
    """
    steps = discriminator(x)[..., samples_per_symbol - 1 :]
    whole = steps.shape[-1] // samples_per_symbol * samples_per_symbol
    cycles: Tensor = steps[..., :whole].unflatten(-1, (-1, samples_per_symbol)).sum(-1)
    return cycles * (2 / modulation_index)


def nearest_levels(soft: Float[Tensor, "*batch symbols"], num_levels: int) -> Int[Tensor, "*batch symbols"]:
    """Return the labels of the nearest of `num_levels` odd integers: undoes `modulate.keying_levels`."""
    return ((soft + num_levels - 1) / 2).round().clamp(0, num_levels - 1).long()


def envelope(x: Complex[Tensor, "*batch time"]) -> Float[Tensor, "*batch time"]:
    """Detect the message of an AM signal with carrier of amplitude one, whatever the carrier's phase: |x| - 1."""
    return x.abs() - 1


def product(x: Complex[Tensor, "*batch time"], phase_rad: float = 0.0) -> Float[Tensor, "*batch time"]:
    """Detect the message of one or two sidebands without carrier by a local carrier: Re x exp(-j phase)."""
    return x.real * math.cos(phase_rad) + x.imag * math.sin(phase_rad)


def frequency(
    x: Complex[Tensor, "*batch time"], sample_rate_hz: float, deviation_hz: float
) -> Float[Tensor, "*batch steps"]:
    """Detect the message of an FM signal; full scale 1 at `deviation_hz`. Pre-emphasis, if any, stays in."""
    return discriminator(x) * (sample_rate_hz / deviation_hz)
