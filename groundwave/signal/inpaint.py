"""Hidden cells of a grid from the visible ones, without learning: what masked modelling must beat."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Grid = Float[Tensor, "batch channels freq time"]
Hidden = Bool[Tensor, "batch 1 freq time"]


def visible_mean(x: Grid, hidden: Hidden) -> Grid:
    """Return the grid with the mean of each record's visible cells, channel by channel, in place of the hidden ones.

    Args:
        x: float32 `[B, channels, freq, time]`.
        hidden: which cells may not be looked at, bool `[B, 1, freq, time]`, not all of them.
    """
    visible = (~hidden).to(x.dtype)
    mean = (x * visible).sum((2, 3), keepdim=True) / visible.sum((2, 3), keepdim=True)
    return torch.where(hidden, mean, x)


def interpolated(x: Grid, hidden: Hidden) -> Grid:
    """Return the grid with each hidden cell a mean of the nearest visible ones in its row and its column.

    Each counts by the inverse of its distance: between two neighbours in one row that is linear interpolation, beyond
    the last one it is constant. A cell with none of them takes the mean of all visible cells.

    Args:
        x: float32 `[B, channels, freq, time]`.
        hidden: which cells may not be looked at, bool `[B, 1, freq, time]`, not all of them.
    """
    total, weight = torch.zeros_like(x), torch.zeros_like(x)
    for dim in (2, 3):
        for flip in (False, True):
            value, distance = _last_visible(x, hidden, dim, flip)
            share = 1 / distance  # of nothing in sight: 1 / infinity
            total, weight = total + share * value, weight + share
    return torch.where(hidden & (weight > 0), total / weight.clamp(min=1e-12), visible_mean(x, hidden))


def _last_visible(x: Tensor, hidden: Tensor, dim: int, flip: bool) -> tuple[Tensor, Tensor]:
    """Return the value of the last visible cell before each one along `dim`, and how far away it is."""
    if flip:
        value, distance = _last_visible(x.flip(dim), hidden.flip(dim), dim, False)
        return value.flip(dim), distance.flip(dim)
    shape = [1, 1, 1, 1]
    shape[dim] = x.shape[dim]
    place = torch.arange(x.shape[dim], device=x.device).reshape(shape)
    last = torch.where(hidden, -1, place).cummax(dim).values
    value = x.gather(dim, last.clamp(min=0).expand_as(x))
    distance = torch.where(last < 0, torch.inf, (place - last).to(x.dtype))
    return value, distance.clamp(min=1e-3).expand_as(x)


INPAINTERS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean of visible cells": visible_mean,
    "linear interpolation": interpolated,
}
