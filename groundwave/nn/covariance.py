"""Cross-covariance attention between the channels of each head, and its gradient, without large maps in memory.

XCiT's maps are many times as large as the tokens they are made of. On processors they are therefore made, used and
forgotten for a few records of one head at a time, which stay in the cache, and made once more for the gradient.
Queries and keys have unit length, so no exponent is above the temperature: the softmax needs no maximum, and its
denominator comes out of the same product as its numerator, as one more row of the values.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_CACHED = 150_000  # numbers of a map that stay in a processor's second-level cache beside all that belongs to them
_HOTTEST = 60.0  # exp of it, summed over a head's channels, is still far below the largest float32

Part = tuple[slice, slice, slice]  # some records, all tokens, the channels of one head


def cross_covariance(
    qkv: Float[Tensor, "batch tokens three_dim"], temperature: Float[Tensor, "heads 1 1"]
) -> Float[Tensor, "batch tokens dim"]:
    """Return softmax(temperature * key' query) value of each head (El-Nouby et al., 2021, eq. 3).

    Each channel's query and key have unit length over the tokens; the softmax runs over the channels of the keys.

    Args:
        qkv: queries, keys and values side by side, each of them head by head.
        temperature: of each head.
    """
    learning = torch.is_grad_enabled() and qkv.device.type == "cpu" and not torch.compiler.is_compiling()
    if learning and temperature.detach().abs().max() < _HOTTEST:
        mixed: Tensor = _InCache.apply(qkv, temperature)  # type: ignore[no-untyped-call]
        return mixed
    query, key, value = qkv.unflatten(-1, (3, len(temperature), -1)).permute(2, 0, 3, 4, 1).contiguous().unbind(0)
    query, key = F.normalize(query, dim=-1) * temperature, F.normalize(key, dim=-1)
    mixed = (query @ key.transpose(-2, -1)).softmax(-1) @ value
    return mixed.permute(0, 3, 1, 2).flatten(2)


class _InCache(torch.autograd.Function):
    """The same in float32, whatever the input's type, with a gradient that does not keep the maps."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, temperature: Tensor) -> Tensor:
        width = qkv.shape[2] // 3
        unit = qkv[..., : 2 * width].float()
        inverse = unit.square().sum(dim=1, keepdim=True).clamp_min_(1e-24).rsqrt_()
        unit = unit * inverse
        value = _one_more_row(qkv[..., 2 * width :], 1.0)
        read = torch.empty_like(value)
        query, key = unit.chunk(2, dim=-1)
        for part, maps, _ in _maps(query, key, temperature):
            read[part] = torch.bmm(value[part], maps)
        ctx.save_for_backward(unit, inverse, value, read, temperature)
        return (read[:, :-1] / read[:, -1:]).to(qkv.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor]:
        unit, inverse, value, read, temperature = ctx.saved_tensors
        grad = _one_more_row(upstream, 0.0).div_(read[:, -1:])
        grad[:, -1] = (grad * read).sum(dim=1).div_(read[:, -1]).neg_()
        down = unit.new_empty(*upstream.shape[:2], 3 * upstream.shape[2])
        (query, key), (to_query, to_key, to_value) = unit.chunk(2, dim=-1), down.chunk(3, dim=-1)
        for part, maps, flow in _maps(query, key, temperature):
            torch.bmm(value[part].transpose(1, 2), grad[part], out=flow).mul_(maps)
            to_query[part] = torch.bmm(key[part], flow)
            to_key[part] = torch.bmm(query[part], flow.transpose(1, 2))
            to_value[part] = torch.bmm(grad[part][:, :-1], maps.transpose(1, 2))
        both = down[..., : unit.shape[2]]
        along = (both * unit).sum(dim=1, keepdim=True)
        by_head = temperature.flatten().repeat_interleave(upstream.shape[2] // len(temperature)).repeat(2)
        both.addcmul_(unit, along, value=-1).mul_(inverse * by_head)
        warmth = along[..., : upstream.shape[2]].unflatten(-1, (len(temperature), -1)).sum(dim=(0, 1, 3))
        return down.to(upstream.dtype), warmth.view_as(temperature)


def _one_more_row(x: Tensor, last: float) -> Tensor:
    """Return `[batch, tokens + 1, dim]` in float32."""
    rows = x.new_empty((x.shape[0], x.shape[1] + 1, x.shape[2]), dtype=torch.float32)
    rows[:, :-1] = x
    rows[:, -1] = last
    return rows


def _maps(query: Tensor, key: Tensor, temperature: Tensor) -> Iterator[tuple[Part, Tensor, Tensor]]:
    """Yield exp(temperature * key' query) of some records and a head, and room for as much; the next overwrites both.

    A map has a row for each channel of the keys and a column for each of the queries.
    """
    dim = query.shape[2] // len(temperature)
    size = min(max(1, _CACHED // dim**2), len(query))
    room = query.new_empty(2, size, dim, dim)
    for start in range(0, len(query), size):
        maps, flow = room[:, : len(query) - start]
        for head, heat in enumerate(temperature.flatten().tolist()):
            part = slice(start, start + size), slice(None), slice(head * dim, (head + 1) * dim)
            torch.baddbmm(maps, key[part].transpose(1, 2), query[part], beta=0, alpha=heat, out=maps).exp_()
            yield part, maps, flow
