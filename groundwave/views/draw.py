"""Random parameters of views, one per record."""

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record


def uniform(record: Record, low: float, high: float, generator: Generator) -> Tensor:
    """Draw one number per record `[B]`, uniform in [low, high)."""
    return low + (high - low) * torch.rand(len(record["iq"]), generator=generator, device=generator.device)


def per_antenna(parameter: Tensor, iq: Tensor) -> Tensor:
    """Give every antenna of a record its record's parameter: `[B]` to the leading shape of `iq`."""
    return parameter.reshape(-1, *([1] * (iq.ndim - 2))).expand(iq.shape[:-1])


def per_sample(parameter: Tensor, iq: Tensor) -> Tensor:
    """Reshape `[B]` so that it broadcasts over `[B, time]` or `[B, antenna, time]`."""
    return per_antenna(parameter, iq)[..., None]
