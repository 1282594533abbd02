"""Bursts: windows into longer signals, and where a record may begin so that it is never empty."""

import torch
from jaxtyping import Int, Shaped
from torch import Generator, Tensor


def cut(
    x: Shaped[Tensor, "records time"], start: Int[Tensor, " records"], num_samples: int
) -> Shaped[Tensor, "records {num_samples}"]:
    """Return `num_samples` of each row, row r from `start[r]`."""
    return x.unfold(-1, num_samples, 1)[torch.arange(len(x), device=x.device), start]


def draw_start(
    length: Int[Tensor, " records"], period: Int[Tensor, " records"], num_samples: int, *, generator: Generator
) -> Int[Tensor, " records"]:
    """Draw a record's first sample, counted from the start of a burst of `length` that comes back after `period`.

    Uniform over all beginnings for which the record holds at least half a burst, or is on the air for half of its
    samples; in [0, period).
    """
    least = (length.clamp(max=num_samples) + 1) // 2
    latest = length - least
    choices = torch.minimum(num_samples - least + latest + 1, period)
    back = (torch.rand(len(length), generator=generator, device=generator.device) * choices).long()
    return (latest - back).remainder(period)


def repeat(
    bursts: Shaped[Tensor, "records bursts units"],
    start: Int[Tensor, " records"],
    period: Int[Tensor, " records"],
    num_units: int,
) -> Shaped[Tensor, "records {num_units}"]:
    """Send a record's bursts in turn, one every `period` units, and return `num_units` from unit `start` on.

    Units are samples, chips or symbols; the last unit of each burst is what is sent between bursts. `start` counts from
    the beginning of the first burst and may be negative.
    """
    _, num_bursts, width = bursts.shape
    position = start[:, None] + torch.arange(num_units, device=start.device)
    turn = position.div(period[:, None], rounding_mode="floor")
    within = (position - turn * period[:, None]).clamp(max=width - 1)
    if num_bursts > 1:
        within += turn.remainder(num_bursts) * width
    return bursts.flatten(1).gather(1, within)
