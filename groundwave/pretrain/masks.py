"""Masks: which cells of a grid are hidden. Every record has its own, and exactly as many cells as any other."""

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from groundwave.errors import GroundwaveError

_NUM_BLOCKS = 32  # laid one after another until enough is hidden; what they leave uncovered comes last


def random_mask(batch: int, grid: tuple[int, int], ratio: float, generator: Generator) -> Tensor:
    """Return masks of cells drawn one by one (MAE, He et al., 2022), bool `[B, rows, columns]`.

    Args:
        batch: how many masks.
        grid: rows (frequency) and columns (time).
        ratio: share of the cells that are hidden, rounded to whole cells.
        generator: where the randomness comes from.

    Raises:
        GroundwaveError: the ratio would hide no cell, or all.
    """
    return _lowest(_uniform((batch, *grid), generator), ratio)


def block_mask(batch: int, grid: tuple[int, int], ratio: float, generator: Generator) -> Tensor:
    """Return masks of rectangles of an eighth to half of each side, less at the edges, as `random_mask` does."""
    rows, columns = grid
    reach = ((-(-rows // 8), -(-rows // 2)), (-(-columns // 8), -(-columns // 2)))
    return _lowest(_blocks(batch, grid, reach, generator) + _uniform((batch, *grid), generator), ratio)


def band_mask(batch: int, grid: tuple[int, int], ratio: float, generator: Generator) -> Tensor:
    """Return masks of bands: neighbouring frequencies, up to a quarter of all, hidden at all times."""
    return _lowest(_stripes(batch, grid, generator), ratio)


def tube_mask(batch: int, grid: tuple[int, int], ratio: float, generator: Generator) -> Tensor:
    """Return masks of time tubes: neighbouring times, up to a quarter of all, hidden at all frequencies."""
    return _lowest(_stripes(batch, (grid[1], grid[0]), generator).transpose(1, 2), ratio)


def _uniform(shape: tuple[int, ...], generator: Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)


def _stripes(batch: int, grid: tuple[int, int], generator: Generator) -> Tensor:
    """Return scores in whole rows, so that all rows but one are hidden as a whole; that one from its beginning."""
    rows, columns = grid
    scores = _blocks(batch, (rows, 1), ((1, -(-rows // 4)), (1, 1)), generator)
    scores += _uniform((batch, rows, 1), generator)  # which row of a stripe, or of those in none, comes first
    return scores + torch.arange(columns, device=scores.device) * (1e-9 / columns)


def _blocks(batch: int, grid: tuple[int, int], reach: tuple[tuple[int, int], ...], generator: Generator) -> Tensor:
    """Return the number of the first of many random rectangles that covers each cell, float64 `[B, rows, columns]`.

    They reach over the edges, so that no cell is covered more often than another.

    Args:
        batch: how many grids.
        grid: rows and columns.
        reach: shortest and longest side of a rectangle along rows, and along columns.
        generator: where the randomness comes from.
    """
    inside = []
    for cells, (shortest, longest) in zip(grid, reach, strict=True):
        drawn = _uniform((2, batch, _NUM_BLOCKS, 1), generator)
        length = shortest + (drawn[0] * (longest - shortest + 1)).floor()
        start = 1 - length + (drawn[1] * (cells + length - 1)).floor()
        place = torch.arange(cells, device=generator.device)
        inside.append((place >= start) & (place < start + length))
    scores = torch.full((batch, *grid), float(_NUM_BLOCKS), dtype=torch.float64, device=generator.device)
    for block in reversed(range(_NUM_BLOCKS)):
        scores.masked_fill_(inside[0][:, block, :, None] & inside[1][:, block, None, :], block)
    return scores


def _lowest(scores: Tensor, ratio: float) -> Tensor:
    """Return where the lowest scores of each record are, exactly as many as the ratio says."""
    flat = scores.flatten(1)
    count = round(ratio * flat.shape[1]) if math.isfinite(ratio) else 0
    if not 0 < count < flat.shape[1]:
        raise GroundwaveError(
            got=f"a mask ratio of {ratio} on {scores.shape[1]} by {scores.shape[2]} cells",
            expected="one that hides some cells and leaves some",
            do="change ratio, or give records of more patches",
        )
    chosen = flat.argsort(dim=1)[:, :count]
    return torch.zeros_like(flat, dtype=torch.bool).scatter_(1, chosen, True).view_as(scores)


MASKS: dict[str, Callable[[int, tuple[int, int], float, Generator], Tensor]] = {
    "band": band_mask,
    "block": block_mask,
    "random": random_mask,
    "tube": tube_mask,
}
