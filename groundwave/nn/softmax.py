"""Softmax attention of all tokens to all tokens, and its gradient without large maps in memory.

PyTorch's own gradient on processors takes five times as long as two matrix products per map would. Here maps are made,
used and forgotten for a few records at a time, which stay in the cache.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_CACHED_BYTES = 2**21  # of maps, which stay in a processor's second-level cache beside all that belongs to them


def attend(qkv: Float[Tensor, "batch tokens three_dim"], num_heads: int) -> Float[Tensor, "batch tokens dim"]:
    """Return softmax(query key' / sqrt(width)) value of each head (Vaswani et al., 2017, eq. 1).

    Args:
        qkv: queries, keys and values side by side, each of them head by head.
        num_heads: how many there are.
    """
    if torch.is_grad_enabled() and qkv.device.type == "cpu" and not torch.compiler.is_compiling():
        mixed: Tensor = _InCache.apply(qkv, num_heads)  # type: ignore[no-untyped-call]
        return mixed
    return _attend(qkv, num_heads)


def _heads(qkv: Tensor, num_heads: int) -> Tensor:
    """Return queries, keys and values as `[3, batch, heads, tokens, width]`."""
    return qkv.unflatten(-1, (3, num_heads, -1)).permute(2, 0, 3, 1, 4)  # type: ignore[no-any-return]


def _attend(qkv: Tensor, num_heads: int) -> Tensor:
    query, key, value = _heads(qkv, num_heads).unbind(0)
    mixed: Tensor = F.scaled_dot_product_attention(query, key, value)
    return mixed.transpose(1, 2).flatten(2)


class _InCache(torch.autograd.Function):
    """The same, with a gradient that keeps its input only."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, num_heads: int) -> Tensor:
        ctx.save_for_backward(qkv)
        ctx.num_heads = num_heads
        return _attend(qkv, num_heads)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        (qkv,) = ctx.saved_tensors
        map_bytes = ctx.num_heads * qkv.shape[1] ** 2 * qkv.element_size()
        num_records = max(1, _CACHED_BYTES // map_bytes)
        slope = torch.empty_like(qkv)
        for few, above, below in zip(
            qkv.split(num_records), upstream.split(num_records), slope.split(num_records), strict=True
        ):
            _write_slope(few, above, ctx.num_heads, below)
        return slope, None


def _write_slope(qkv: Tensor, upstream: Tensor, num_heads: int, slope: Tensor) -> None:
    """Write the gradient of `attend` with respect to `qkv` into `slope`."""
    query, key, value = _heads(qkv, num_heads).contiguous().flatten(1, 2).unbind(0)
    above = upstream.unflatten(-1, (num_heads, -1)).transpose(1, 2).flatten(0, 1)
    query = query * query.shape[-1] ** -0.5
    share = (query @ key.transpose(1, 2)).softmax(-1)
    scores: Tensor = torch._softmax_backward_data(above @ value.transpose(1, 2), share, -1, share.dtype)
    parts = ((scores @ key) * key.shape[-1] ** -0.5, scores.transpose(1, 2) @ query, share.transpose(1, 2) @ above)
    for place, part in zip(_heads(slope, num_heads), parts, strict=True):
        place.copy_(part.unflatten(0, (-1, num_heads)))
