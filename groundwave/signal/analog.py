"""Analog modulators. Messages are real with full scale 1; a message's analytic signal has it as real part."""

from typing import Literal

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from groundwave.signal.filters import fir, pre_emphasis_taps
from groundwave.signal.impair import oscillator


def am_dsb(message: Float[Tensor, "*batch time"]) -> Complex[Tensor, "*batch time"]:
    """Amplitude modulation with carrier, both sidebands: 1 + message."""
    return torch.complex(1 + message, torch.zeros_like(message))


def am_dsb_sc(message: Float[Tensor, "*batch time"]) -> Complex[Tensor, "*batch time"]:
    """Amplitude modulation without carrier, both sidebands: the message itself."""
    return torch.complex(message, torch.zeros_like(message))


def am_ssb(
    message: Complex[Tensor, "*batch time"], sideband: Literal["upper", "lower"] = "upper"
) -> Complex[Tensor, "*batch time"]:
    """Single sideband, suppressed carrier, of an analytic message: itself (upper) or its conjugate (lower)."""
    return message if sideband == "upper" else message.conj().resolve_conj()


def nbfm(
    message: Float[Tensor, "*batch time"], sample_rate_hz: float, deviation_hz: float = 5e3
) -> Complex[Tensor, "*batch time"]:
    """Land-mobile FM: exp(j 2 pi deviation integral(message)), peaks beyond full scale limited smoothly (tanh)."""
    return oscillator(deviation_hz / sample_rate_hz * torch.tanh(message))


def wbfm(
    message: Float[Tensor, "*batch time"], sample_rate_hz: float, deviation_hz: float = 75e3, tau_s: float = 75e-6
) -> Complex[Tensor, "*batch valid"]:
    """Broadcast FM: pre-emphasis, then exp(j 2 pi deviation integral(message)); 39 samples shorter than the message.

    Peaks of the pre-emphasised message beyond full scale are limited smoothly (tanh), as every broadcast transmitter
    must to stay inside `deviation_hz`.
    """
    emphasised = torch.tanh(fir(message, pre_emphasis_taps(tau_s, sample_rate_hz)))
    return oscillator(deviation_hz / sample_rate_hz * emphasised)
