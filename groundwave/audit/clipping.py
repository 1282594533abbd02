"""What the values of single records tell: samples piled up at a limit, and the grid of a quantiser."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from groundwave.signal.noise import power

CLIPPED_SHARE = 0.002  # of a record's components at its largest value, from which it counts as clipped
FINEST = 70_000  # levels; a finer grid is not told from none


@dataclass(frozen=True)
class Levels:
    """By record: share of components at the largest value, whether that is a limit, step (0: none), quantiser's SNR."""

    at_top: Tensor
    clipped: Tensor
    step: Tensor
    largest: Tensor
    snr_db: Tensor


def levels(iq: Tensor) -> Levels:
    """Measure records `[n, time]` as they are.

    A limit piles samples up: more of them at the largest value than two and a half steps (or 2 %) below it, three times
    as many. A sinusoid's values pile up, too, but not as steeply. The quantiser's SNR is P / (step^2 / 6): uniform
    error of step^2 / 12 in each of I and Q.
    """
    parts = torch.view_as_real(iq).flatten(1)
    size = parts.abs()
    largest = size.amax(1, keepdim=True)
    step = grid_step(parts[:, :1024], largest)
    top = size >= largest * (1 - 1e-6)
    below = (size > largest - torch.maximum(2.5 * step, 0.02 * largest)) & ~top
    at_top = top.sum(1)
    clipped = (
        (at_top > CLIPPED_SHARE * parts.shape[1]) & (at_top > 3 * below.sum(1)) & (at_top > 3) & _many_values(size)
    )
    quantiser = 10 * torch.log10(power(iq) / (step[:, 0].square() / 6).clamp(min=1e-30))
    return Levels(at_top / parts.shape[1], clipped, step[:, 0], largest[:, 0], quantiser)


def grid_step(parts: Tensor, largest: Tensor) -> Tensor:
    """Return the step `[n, 1]` of the grid that all components `[n, m]` of a record lie on; 0 where there is none."""
    ordered = parts.double().sort(1).values
    gap = ordered.diff(dim=1)
    least = largest.double() / FINEST
    step = torch.where(gap > least, gap, math.inf).amin(1, keepdim=True)
    place = (ordered - ordered[:, :1]) / step
    off_grid = (place - place.round()).abs() > 0.05
    on_grid = step.isfinite() & (off_grid.double().mean(1, keepdim=True) < 0.01) & (step < largest)
    return torch.where(on_grid, step, 0.0).float()


def _many_values(size: Tensor) -> Tensor:
    """Return whether records hold values at several heights: a keyed carrier without noise is at its top by nature."""
    height = (size / size.amax(1, keepdim=True) * 32).long().clamp(max=31)
    present = torch.zeros(len(size), 32, dtype=torch.bool).scatter_(
        1, height, torch.ones_like(height, dtype=torch.bool)
    )
    return present.sum(1) > 12
