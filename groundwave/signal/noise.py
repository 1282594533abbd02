"""White noise under the signal-to-noise contract: powers are means over the record and over the full sampled band."""

import math

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor

from groundwave.errors import GroundwaveError


def power(x: Complex[Tensor, "*batch time"]) -> Float[Tensor, "*batch"]:
    """Return the mean of |x|^2 over each record."""
    rows = torch.view_as_real(x).flatten(-2)
    norm: Tensor = torch.linalg.vector_norm(rows, dim=-1)
    return norm.square() / x.shape[-1]


def noise_like(x: Complex[Tensor, "*batch time"], *, generator: Generator) -> Complex[Tensor, "*batch time"]:
    """Draw circular white Gaussian noise of unit power, half of it in each of I and Q, shaped like `x`."""
    drawn = torch.randn((*x.shape, 2), generator=generator, device=generator.device)
    return torch.view_as_complex(drawn.mul_(math.sqrt(0.5)))


def noise_power(x: Complex[Tensor, "*batch time"], snr_db: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Return the noise power per complex sample that gives each record the asked SNR over its own mean power."""
    return power(x) * 10 ** (-snr_db / 10)


def awgn(
    x: Complex[Tensor, "*batch time"], snr_db: Float[Tensor, "*batch"], *, generator: Generator
) -> Complex[Tensor, "*batch time"]:
    """Add circular white noise so that each record has the given SNR over its own mean power.

    Noise power is per complex sample: N0 = mean|x|^2 / 10^(snr_db/10), half of it in each of I and Q.

    Raises:
        GroundwaveError: an SNR that is not a number, or minus infinity (plus infinity is no noise).
    """
    if not bool((snr_db > -math.inf).all()):
        raise GroundwaveError(f"snr_db={snr_db.tolist()}", "decibels, or inf for no noise", "correct the SNR")
    return x + noise_power(x, snr_db).sqrt()[..., None] * noise_like(x, generator=generator)


def unit_power(x: Complex[Tensor, "*batch time"]) -> Complex[Tensor, "*batch time"]:
    """Scale each record to unit mean power; a record of zeros stays zeros."""
    return x * power(x).clamp(min=torch.finfo(torch.float32).tiny).rsqrt()[..., None]
