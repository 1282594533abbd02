"""Quadrature mixers that are not ideal: gain and phase imbalance, their image, DC offset and carrier leakage.

An imbalanced mixer is widely linear: y = mu x + nu conj(x). The second term mirrors the spectrum about zero frequency;
the image rejection ratio |mu|^2 / |nu|^2 is the same for a transmitter and a receiver.
"""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from groundwave.signal.impair import phasor


def _gain_phasor(gain_db: Tensor, phase_deg: Tensor) -> Tensor:
    return 10 ** (gain_db / 20) * phasor(phase_deg * (math.pi / 180))


def receive_imbalance(
    gain_db: Float[Tensor, "*batch"], phase_deg: Float[Tensor, "*batch"]
) -> tuple[Complex[Tensor, "*batch"], Complex[Tensor, "*batch"]]:
    """Return (mu, nu) of a receiver whose Q branch mixes with -g sin(wt + phase) instead of -sin(wt).

    mu = (1 + g exp(-j phase)) / 2, nu = (1 - g exp(j phase)) / 2 (Valkama, Renfors, Koivunen 2001).
    """
    g = _gain_phasor(gain_db, phase_deg)
    return (1 + g.conj()) / 2, (1 - g) / 2


def transmit_imbalance(
    gain_db: Float[Tensor, "*batch"], phase_deg: Float[Tensor, "*batch"]
) -> tuple[Complex[Tensor, "*batch"], Complex[Tensor, "*batch"]]:
    """Return (mu, nu) of a transmitter whose Q branch goes out on -g sin(wt + phase) instead of -sin(wt).

    mu = (1 + g exp(j phase)) / 2, nu = (1 - g exp(j phase)) / 2.
    """
    g = _gain_phasor(gain_db, phase_deg)
    return (1 + g) / 2, (1 - g) / 2


def apply_imbalance(
    x: Complex[Tensor, "*batch time"], mu: Complex[Tensor, "*#batch"], nu: Complex[Tensor, "*#batch"]
) -> Complex[Tensor, "*batch time"]:
    """Return mu x + nu conj(x)."""
    return torch.addcmul(x * mu[..., None], x.conj().resolve_conj(), nu[..., None])


def offset(level_db: Float[Tensor, "*batch"], phase_rad: Float[Tensor, "*batch"]) -> Complex[Tensor, "*batch"]:
    """Return the constant of `level_db` relative to a signal of unit mean power: a DC offset or a leaking carrier."""
    return 10 ** (level_db / 20) * phasor(phase_rad)


def add_offset(
    x: Complex[Tensor, "*batch time"], constant: Complex[Tensor, "*#batch"]
) -> Complex[Tensor, "*batch time"]:
    """Add a constant: in a transmitter it is carrier leakage, in a receiver a DC offset."""
    return x + constant[..., None]
