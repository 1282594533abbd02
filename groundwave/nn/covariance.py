"""Cross-covariance attention between the channels of each head, and its gradient, without large maps in memory.

XCiT's maps are many times as large as the tokens they are made of. On processors they are therefore made, used and
forgotten for a few records at a time, which stay in the cache, and made once more for the gradient.
Queries and keys have unit length, so no exponent is above the temperature: the softmax needs no maximum, and its
denominator comes out of the same product as its numerator, as one more row of the values.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_CACHED = 300_000  # numbers of a map that stay in a processor's second-level cache beside all that belongs to them
_HOTTEST = 60.0  # exp of it, summed over a head's channels, is still far below the largest float32


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
        with torch.autocast("cpu", enabled=False):
            mixed: Tensor = _InCache.apply(qkv, temperature)  # type: ignore[no-untyped-call]
        return mixed
    query, key, value = qkv.unflatten(-1, (3, len(temperature), -1)).permute(2, 0, 3, 4, 1).contiguous().unbind(0)
    query, key = F.normalize(query, dim=-1) * temperature, F.normalize(key, dim=-1)
    mixed = (query @ key.transpose(-2, -1)).softmax(-1) @ value
    return mixed.permute(0, 3, 1, 2).flatten(2)


class _InCache(torch.autograd.Function):
    """The same in float32, whatever the input's type, with a gradient that keeps its input only."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, temperature: Tensor) -> Tensor:
        ctx.save_for_backward(qkv, temperature)
        mixed = qkv.new_empty(*qkv.shape[:2], qkv.shape[2] // 3)
        for records, few in _parts(qkv, temperature):
            read = torch.bmm(few.value, few.maps)
            read = (read[:, :-1] / read[:, -1:]).unflatten(0, (-1, len(temperature)))
            _by_head(mixed[records], 1, temperature)[0].copy_(read)
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor]:
        qkv, temperature = ctx.saved_tensors
        down, warmth, width = torch.empty_like(qkv), torch.zeros_like(temperature), upstream.shape[2]
        heat = temperature.flatten().repeat_interleave(width // len(temperature))
        heat = torch.cat([heat, torch.ones_like(heat)])
        with torch.autocast("cpu", enabled=False):
            for records, few in _parts(qkv, temperature):
                rows = few.unit.new_empty(*few.unit.shape[:2], 3 * width)
                grads = few.gradients(_by_head(upstream[records], 1, temperature)[0])
                _by_head(rows, 3, temperature).copy_(grads)
                both = rows[..., : 2 * width]
                along = (both * few.unit).sum(dim=1, keepdim=True)  # what would only change the length
                both.addcmul_(few.unit, along, value=-1).mul_(few.inverse * heat)
                down[records] = rows
                warmth += along[..., :width].unflatten(-1, (len(temperature), -1)).sum(dim=(0, 1, 3)).view_as(warmth)
        return down, warmth


class _Few(NamedTuple):
    """A few records; `rows` are `[records * heads, tokens + 1, channels]`, the last of which serves the softmax.

    Args:
        unit: queries and keys of unit length, `[records, tokens, 2 * dim]`.
        inverse: of their lengths.
        query: rows of unit length times the temperature; the last is zero.
        key: rows of unit length; the last is zero.
        value: rows; the last is one.
        maps: exponentials, a row for each channel of the keys and a column for each of the queries.
        flow: room for their gradient.
    """

    unit: Tensor
    inverse: Tensor
    query: Tensor
    key: Tensor
    value: Tensor
    maps: Tensor
    flow: Tensor

    def gradients(self, upstream: Tensor) -> Tensor:
        """Return those of query, key and value `[3, records, heads, tokens, channels]` from that of the result."""
        read = torch.bmm(self.value, self.maps)
        inner, total = torch.zeros_like(read), read[:, -1:]
        inner.view(*upstream.shape[:2], *read.shape[1:])[:, :, :-1] = upstream
        inner.div_(total)
        inner[:, -1:] = (inner * read).sum(dim=1, keepdim=True).div_(total).neg_()
        flow = torch.bmm(self.value.transpose(1, 2), inner, out=self.flow).mul_(self.maps)
        grads = read.new_empty(3, *read.shape)
        torch.bmm(self.key, flow, out=grads[0])
        torch.bmm(self.query, flow.transpose(1, 2), out=grads[1])
        torch.bmm(inner, self.maps.transpose(1, 2), out=grads[2])
        by_head: Tensor = grads.unflatten(1, upstream.shape[:2])
        return by_head[..., :-1, :]


def _by_head(rows: Tensor, parts: int, temperature: Tensor) -> Tensor:
    """Return a view `[parts, records, heads, tokens, channels]` of `[records, tokens, parts * dim]`."""
    view: Tensor = rows.unflatten(-1, (parts, len(temperature), -1)).permute(2, 0, 3, 1, 4)
    return view


def _parts(qkv: Tensor, temperature: Tensor) -> Iterator[tuple[slice, _Few]]:
    """Yield a few records at a time; the next overwrite what is yielded."""
    num_records, num_tokens, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    heads, dim = len(temperature), width // len(temperature)
    size = max(1, min(_CACHED // (width * max(dim, num_tokens)), num_records))
    room = qkv.new_zeros(3, size, heads, num_tokens + 1, dim, dtype=torch.float32)
    room[2, :, :, -1] = 1
    maps, flow = room.new_empty(2, size * heads, dim, dim)
    for start in range(0, num_records, size):
        records = slice(start, start + size)
        rows, by_head = qkv[records].to(torch.float32, copy=True), room[:, : num_records - start]
        unit = rows[..., : 2 * width]
        inverse = unit.square().sum(dim=1, keepdim=True).clamp_min_(1e-24).rsqrt_()
        unit.mul_(inverse)
        by_head[..., :-1, :] = _by_head(rows, 3, temperature)
        by_head[0] *= temperature
        query, key, value = by_head.flatten(1, 2)
        here = slice(0, len(query))
        torch.bmm(key.transpose(1, 2), query, out=maps[here]).exp_()
        yield records, _Few(unit, inverse, query, key, value, maps[here], flow[here])
