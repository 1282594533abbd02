"""From an array to a receiver: what a beam radiates into each path, and a waveform through all of them.

Element n sends g_n(f) w_n (x + c_n |x|^2 x): its chain, its phase shifter, its amplifier. So a beam has two frequency
responses towards a receiver, one of x and one of |x|^2 x, and errors of the elements show in both.
"""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from groundwave.signal.array_errors import ArrayErrors
from groundwave.signal.codebook import phase_states
from groundwave.signal.impair import phasor
from groundwave.signal.spectrum import fast_length

NUM_TAPS = 128
"""Length of a link's responses, of which the first quarter holds what comes before the shortest path."""

_PASSED = 0.35  # cycles per sample up to which responses hold; they fall to zero from there to 0.5


def tap_frequencies() -> Float[Tensor, " freq"]:
    """Return the frequencies, in cycles per sample, at which responses are computed."""
    frequency: Tensor = torch.fft.fftfreq(NUM_TAPS)
    return frequency


def applied_weights(
    beams: Complex[Tensor, "*record antenna"], states: Complex[Tensor, "*#record antenna state"], bits: int | None
) -> Complex[Tensor, "*record antenna"]:
    """Return what elements do for a beam to look where w^H a is largest: w*, as phase shifters with errors give it.

    Args:
        beams: w.
        states: gain of each phase shifter in each of its states; the first alone counts without `bits`.
        bits: of the phase shifters; None: any phase.
    """
    weights = beams.conj()
    if bits is None:
        return weights * states[..., 0]
    state = phase_states(weights, bits)
    errors = states.expand(*state.shape, states.shape[-1]).gather(-1, state[..., None])[..., 0]
    return torch.polar(weights.abs(), 2 * math.pi / (1 << bits) * state) * errors


def radiated(
    weights: Complex[Tensor, "record antenna"],
    errors: ArrayErrors,
    coupled: Complex[Tensor, "antenna antenna"],
    vectors: Complex[Tensor, "record path freq antenna"],
    detuning: Float[Tensor, " freq"],
) -> tuple[Complex[Tensor, "record path freq"], Complex[Tensor, "record path freq"]]:
    """Return the responses of x and of |x|^2 x into each path; `errors` hold one front-end a record."""
    sent = weights[:, None] * errors.response(detuning)
    by_order = (sent, sent * errors.cubic[:, None])
    linear, cubic = (torch.einsum("rfa,rpfa->rpf", each @ coupled.mT, vectors) for each in by_order)
    return linear, cubic


def link_taps(
    response: Complex[Tensor, "record path freq"],
    gains: Complex[Tensor, "record path"],
    delays: Float[Tensor, "record path"],
) -> Complex[Tensor, "record taps"]:
    """Return the impulse responses of all paths together at `tap_frequencies`; a delay of zero is a quarter in.

    Args:
        response: of the array, of each path.
        gains: of the paths.
        delays: in samples, up to half of `NUM_TAPS`.
    """
    frequency = tap_frequencies().to(delays.device)
    turns = frequency * (delays[..., None] + NUM_TAPS // 4)
    total = (response * gains[..., None] * phasor(-2 * math.pi * turns)).sum(1)
    edge = ((frequency.abs() - _PASSED) / (0.5 - _PASSED)).clamp(0, 1)
    taps: Tensor = torch.fft.ifft(total * (math.pi / 2 * edge).cos().square())
    return taps


def transmit(
    x: Complex[Tensor, "record time"],
    linear: Complex[Tensor, "record taps"],
    cubic: Complex[Tensor, "record taps"],
) -> Complex[Tensor, "record valid"]:
    """Return what arrives of waveforms of unit mean power: x and |x|^2 x through their taps, valid part only."""
    size = fast_length(x.shape[-1])
    orders = ((x, linear), (x * x.abs().square(), cubic))
    spectrum = sum(torch.fft.fft(part, size) * torch.fft.fft(taps, size) for part, taps in orders)
    assert isinstance(spectrum, Tensor)
    heard: Tensor = torch.fft.ifft(spectrum)[:, linear.shape[-1] - 1 : x.shape[-1]]
    return heard
