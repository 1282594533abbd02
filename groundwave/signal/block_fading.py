"""Block fading: one gain for a whole block of symbols, what a receiver makes of it, and what a code could carry.

A channel is told by its Rician factor K alone: 0 is Rayleigh fading, infinity a gain of one (white noise only).
"""

import math

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor

from groundwave.signal.fading import draw_faders, fader_gains
from groundwave.signal.noise import noise_like

_SINUSOIDS = 64  # of a gain: its fourth moment is then within 1.6 % of a Gaussian one
_QUANTILES = 4096


def draw_gains(num_blocks: int, rician_k: float, *, generator: Generator) -> Complex[Tensor, " {num_blocks}"]:
    """Draw an independent gain of unit mean power for each block; `rician_k` is linear."""
    if math.isinf(rician_k):
        return torch.ones(num_blocks, dtype=torch.complex64, device=generator.device)
    faders = draw_faders(num_blocks, (rician_k,), 0.0, num_sinusoids=_SINUSOIDS, generator=generator)
    return fader_gains(faders, torch.zeros(num_blocks, 1, device=generator.device))[:, 0, 0]


def estimate_gains(
    gains: Complex[Tensor, " blocks"], noise_power: Float[Tensor, " blocks"], num_pilots: int, *, generator: Generator
) -> Complex[Tensor, " blocks"]:
    """Return least-squares estimates from pilots of unit power: the gains, and noise of 1 / `num_pilots` the power."""
    error = noise_like(gains[:, None], generator=generator)[:, 0]
    return gains + (noise_power / num_pilots).sqrt() * error


def equalise(
    y: Complex[Tensor, "blocks symbols"], gains: Complex[Tensor, " blocks"], noise_power: Float[Tensor, " blocks"]
) -> Complex[Tensor, "blocks symbols"]:
    """Return the linear estimate of least squared error of symbols of unit power: y h* / (|h|^2 + noise)."""
    return y * (gains.conj() / (gains.abs().square() + noise_power))[:, None]


def capacity(snr_db: Float[Tensor, "*snrs"], rician_k: float = math.inf) -> Float[Tensor, "*snrs"]:
    """Return what a code over many blocks can carry at most, in bits per complex symbol: E log2(1 + |h|^2 SNR).

    The receiver knows the gains, the transmitter their law (Tse and Viswanath, 2005, eq. 5.89). The expectation is over
    4096 equally likely values of |h|^2, whose law is a non-central chi-square.
    """
    powers = _gain_powers(rician_k).to(snr_db.device)
    linear = 10 ** (snr_db.double() / 10)
    return torch.log2(1 + linear[..., None] * powers).mean(dim=-1).to(snr_db.dtype)


def _gain_powers(rician_k: float) -> Tensor:
    if math.isinf(rician_k):
        return torch.ones(1, dtype=torch.float64)
    from scipy.stats import chi2, ncx2

    chances = (torch.arange(_QUANTILES, dtype=torch.float64).numpy() + 0.5) / _QUANTILES
    values = ncx2.ppf(chances, 2, 2 * rician_k) if rician_k > 0 else chi2.ppf(chances, 2)
    return torch.from_numpy(values / (2 * (1 + rician_k)))
