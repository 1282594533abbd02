"""Between complex samples and real channels.

IQ is complex everywhere except inside networks; these two functions are the only place where that changes.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor


def to_channels(iq: Complex[Tensor, "*shape time"]) -> Float[Tensor, "*other channels time"]:
    """Turn `[B, time]` into `[B, 2, time]` (I, Q), `[B, antenna, time]` into `[B, 2 * antenna, time]`."""
    pairs = torch.view_as_real(iq).movedim(-1, -2)
    return pairs if iq.dim() < 3 else pairs.flatten(-3, -2)


def num_signals(num_channels: int) -> int:
    """Return how many complex signals `to_complex` makes of so many channels."""
    return num_channels if num_channels % 2 else num_channels // 2


def to_complex(x: Float[Tensor, "batch channels time"]) -> Complex[Tensor, "batch signals time"]:
    """Undo `to_channels`: pairs of channels become complex signals; an odd number of channels are real signals."""
    if x.shape[1] % 2:
        return torch.complex(x, torch.zeros_like(x))
    return torch.complex(x[:, 0::2], x[:, 1::2])
