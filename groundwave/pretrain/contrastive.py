"""Contrastive losses on batches of embeddings."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def nt_xent(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "batch dim"],
    temperature: float,
    group: Int[Tensor, " batch"] | None = None,
) -> Float[Tensor, ""]:
    """Return the normalised, temperature-scaled cross entropy of SimCLR (Chen et al., 2020, eq. 1; LSM, eq. 5).

    Row i of `a` and row i of `b` are a positive pair; the other `2 * batch - 2` rows are negatives. The loss is
    averaged over all `2 * batch` anchors. When all embeddings are equal it is `log(2 * batch - 1)`.

    Similarities are float32 under autocast, too: near 1, a step of bfloat16 over a temperature of 0.05 is 0.08. Only
    their gradient is multiplied in the narrow type.

    Args:
        a: one view of each record.
        b: the other view.
        temperature: of the softmax.
        group: records of one group (a recording) are no negatives of each other; -1 is a group of its own.
    """
    z = F.normalize(torch.cat([a, b]).float(), dim=-1)
    anchor = torch.arange(len(z), device=z.device)
    partner = anchor.roll(len(a))
    left_out = torch.eye(len(z), dtype=torch.bool, device=z.device)
    if group is not None:
        twice = torch.cat([group, group])
        left_out |= (twice[:, None] == twice) & (twice >= 0)
        left_out[anchor, partner] = False
    narrow = torch.get_autocast_dtype(z.device.type) if torch.is_autocast_enabled(z.device.type) else z.dtype
    with torch.autocast(z.device.type, enabled=False):
        similarity: Tensor = _Gram.apply(z, narrow)  # type: ignore[no-untyped-call]
        return F.cross_entropy((similarity / temperature).masked_fill_(left_out, -torch.inf), partner)


class _Gram(torch.autograd.Function):
    """`z @ z.T`, with a gradient in a type of its own and in one product, because the matrix is symmetric."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, narrow: torch.dtype) -> Tensor:
        ctx.save_for_backward(z)
        ctx.narrow = narrow
        return z @ z.T

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        (z,) = ctx.saved_tensors
        return ((upstream + upstream.T).to(ctx.narrow) @ z.to(ctx.narrow)).to(z.dtype), None
