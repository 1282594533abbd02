"""From analogue to digital: automatic gain control, clipping, quantisation."""

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn.functional import pad

from groundwave.errors import GroundwaveError

_BLOCK = 32  # samples over which the gain is a straight line


def mean_power(x: Complex[Tensor, "*batch time"]) -> Float[Tensor, "*batch"]:
    """Return the mean of |x|^2 over time."""
    return torch.view_as_real(x).flatten(-2).square().mean(-1) * 2


def high_level(x: Complex[Tensor, "*batch time"], share: float) -> Float[Tensor, "*batch"]:
    """Return the level that a `share` of the magnitudes of I and Q exceeds."""
    magnitudes = torch.view_as_real(x).flatten(-2).abs()
    return magnitudes.topk(int(share * magnitudes.shape[-1]) + 1).values[..., -1]


def smooth(
    values: Float[Tensor, "*batch steps"], decay: Float[Tensor, "*#batch"], start: Float[Tensor, "*#batch"]
) -> Float[Tensor, "*batch steps_and_one"]:
    """Run p <- decay p + (1 - decay) value from p = `start`; returns all p, the start included.

    The recursion is unrolled by doubling: log2(steps) passes instead of a loop over time.
    """
    keep = decay[..., None]
    p = torch.cat([start.expand(values.shape[:-1])[..., None], (1 - keep) * values], -1)
    stride = 1
    while stride < p.shape[-1]:
        p = p + keep**stride * pad(p[..., :-stride], (stride, 0))
        stride *= 2
    return p


def agc(
    x: Complex[Tensor, "*batch time"],
    time_constant: Float[Tensor, "*#batch"],
    start: Float[Tensor, "*#batch"],
    target: float = 1.0,
) -> Complex[Tensor, "*batch time"]:
    """Control the gain so that the signal's rms amplitude settles at `target`.

    Feed-forward: the power of each block of 32 samples is smoothed exponentially over `time_constant` samples, and the
    gain target / sqrt(power) moves in straight lines from block to block, always from what is past. `start` is the rms
    amplitude that the loop has settled on before the record.
    """
    num_blocks = x.shape[-1] // _BLOCK
    blocks = x[..., : num_blocks * _BLOCK].unflatten(-1, (num_blocks, _BLOCK))
    power = smooth(mean_power(blocks), (-_BLOCK / time_constant).exp(), start.square())
    gain = target * (power + torch.finfo(power.dtype).tiny).rsqrt()
    slope = pad(gain.diff(dim=-1), (0, 1))  # the rest beyond the last whole block keeps its gain
    ramp = torch.arange(_BLOCK, device=x.device) / _BLOCK
    lines = gain[..., None] + slope[..., None] * ramp
    return x * lines.flatten(-2)[..., : x.shape[-1]]


def clip(x: Complex[Tensor, "*batch time"], full_scale: Float[Tensor, "*#batch"]) -> Complex[Tensor, "*batch time"]:
    """Limit I and Q each to +-`full_scale`."""
    limit = full_scale[..., None, None]
    return torch.view_as_complex(torch.view_as_real(x).clamp(-limit, limit))


def quantise(
    x: Complex[Tensor, "*batch time"], step: Float[Tensor, "*#batch"], full_scale: Float[Tensor, "*#batch"]
) -> Complex[Tensor, "*batch time"]:
    """Round I and Q each to the nearest multiple of `step` in [-full_scale, full_scale - step]: two's complement.

    The gradient is that of the clipping: rounding passes it on unchanged (straight through).
    """
    parts = torch.view_as_real(x).flatten(-2)
    size, top = step[..., None], (full_scale / step)[..., None]
    codes = (parts / size).clamp(-top, top - 1)
    codes = codes + (codes.round() - codes).detach() if codes.requires_grad else codes.round()
    return torch.view_as_complex((codes * size).unflatten(-1, (-1, 2)))


def adc(
    x: Complex[Tensor, "*batch time"], bits: Float[Tensor, "*#batch"], full_scale: Float[Tensor, "*#batch"]
) -> Complex[Tensor, "*batch time"]:
    """Convert with `bits` bits over +-`full_scale`: steps of 2 full_scale / 2^bits.

    The SNR of a sine that fills it is 6.02 bits + 1.76 dB.

    Raises:
        GroundwaveError: less than one bit, or a full scale that is not positive and finite.
    """
    if not bool((bits >= 1).all() & (full_scale > 0).all() & full_scale.isfinite().all()):
        got = f"{bits.tolist()} bits over a full scale of {full_scale.tolist()}"
        raise GroundwaveError(got, "at least one bit, and a positive full scale", "correct the converter")
    return quantise(x, full_scale * 2 ** (1 - bits), full_scale)
