"""Power amplifiers in baseband: Saleh (travelling-wave tube), Rapp (solid state), memory polynomial.

All see the envelope r = |x| of a signal whose mean power is 1; drive them harder or softer by their saturation
(`saturation_amplitude` of an input back-off), not by scaling the signal.
"""

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor

from groundwave.errors import GroundwaveError
from groundwave.signal.impair import phasor

SALEH_TWT = (2.1587, 1.1517, 4.0033, 9.1040)
"""Saleh's fit to a measured tube (IEEE Trans. Commun. 1981, table I): AM/AM alpha and beta, AM/PM alpha and beta."""

DING_MEMORY = (
    (1.0513 + 0.0904j, -0.0680 - 0.0023j, 0.0289 - 0.0054j),
    (-0.0542 - 0.2900j, 0.2234 + 0.2317j, -0.0621 - 0.0932j),
    (-0.9657 - 0.7028j, -0.2451 - 0.3735j, 0.1229 + 0.1508j),
)
"""Coefficients [order 1, 3, 5][delay 0, 1, 2] fitted to a class AB amplifier (Ding et al., IEEE Trans. Commun. 2004).

They hold for envelopes of up to about 0.7: a polynomial does not saturate.
"""


def _power(x: Tensor) -> Tensor:
    return x.real.square() + x.imag.square()


def saturation_amplitude(back_off_db: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Return the saturation amplitude that a signal of unit mean power stays `back_off_db` below, on average."""
    return 10 ** (back_off_db / 20)


def saleh(x: Complex[Tensor, "*batch time"], parameters: Float[Tensor, "*#batch 4"]) -> Complex[Tensor, "*batch time"]:
    """Amplify by Saleh's model: gain alpha_a / (1 + beta_a r^2), phase alpha_p r^2 / (1 + beta_p r^2).

    `parameters` are (alpha_a, beta_a, alpha_p, beta_p), such as `SALEH_TWT`; the output peaks at r = 1 / sqrt(beta_a)
    with alpha_a / (2 sqrt(beta_a)).
    """
    gain, compression, turn, limit = parameters[..., None].unbind(-2)
    power = _power(x)
    return x * (phasor(turn * power / (1 + limit * power)) * (gain / (1 + compression * power)))


def rapp(
    x: Complex[Tensor, "*batch time"],
    saturation: Float[Tensor, "*#batch"],
    smoothness: Float[Tensor, "*#batch"],
    turn_rad: Float[Tensor, "*#batch"] | None = None,
) -> Complex[Tensor, "*batch time"]:
    """Amplify by Rapp's model with unit small-signal gain: r -> r / (1 + (r / A)^(2p))^(1 / 2p), A the saturation.

    Rapp's amplifier does not turn the phase. With `turn_rad` it does, as Saleh's: by turn_rad at r = A and by at most
    twice that, turn_rad 2 u / (1 + u) with u = (r / A)^2.
    """
    drive = _power(x) / saturation.square()[..., None]
    p = smoothness[..., None]
    # Below -200 dB the gain is 1 in float32; the bound keeps the logarithm and its gradient finite at r = 0.
    gain = ((drive.clamp(min=1e-20).log() * p).exp().log1p() / (-2 * p)).exp()
    if turn_rad is None:
        return x * gain
    return x * (phasor(2 * turn_rad[..., None] * drive / (1 + drive)) * gain)


def draw_memory_polynomial(
    num_records: int, nominal: Complex[Tensor, "orders memory"], spread: float, *, generator: Generator
) -> Complex[Tensor, "{num_records} orders memory"]:
    """Draw coefficients about `nominal`, each off by a complex Gaussian of `spread` times its size (rms)."""
    shape, device = (num_records, *nominal.shape), generator.device
    noise = torch.randn(shape, generator=generator, device=device, dtype=nominal.dtype)
    return nominal.to(device) * (1 + spread * noise)


def memory_polynomial(
    x: Complex[Tensor, "*batch time"], coefficients: Complex[Tensor, "*#batch orders memory"]
) -> Complex[Tensor, "*batch valid"]:
    """Amplify by odd powers and delays: y(n) = sum_k sum_m c[k, m] x(n - m) |x(n - m)|^(2k), k = 0, 1, ...

    Returns the time - memory + 1 samples that all delays reach (Kim and Konstantinou 2001).

    Raises:
        GroundwaveError: where `x` is shorter than the memory.
    """
    orders, memory = coefficients.shape[-2:]
    valid = x.shape[-1] - memory + 1
    if valid < 1:
        raise GroundwaveError(f"{x.shape[-1]} samples", f"at least {memory}, the memory", "give longer records")
    power = _power(x)
    y = torch.zeros((), dtype=x.dtype, device=x.device)
    for m in range(memory):
        past = slice(memory - 1 - m, memory - 1 - m + valid)
        gain = coefficients[..., orders - 1, m, None].expand(*x.shape[:-1], valid)
        for k in reversed(range(orders - 1)):  # Horner's rule in |x|^2
            gain = gain * power[..., past] + coefficients[..., k, m, None]
        y = y + gain * x[..., past]
    return y
