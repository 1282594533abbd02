"""Masks: exact counts in every record, the shapes that their names promise, and an independent search for blocks."""

import numpy as np
import pytest
import torch

from groundwave.errors import GroundwaveError
from groundwave.pretrain.masks import MASKS, band_mask, block_mask, random_mask, tube_mask
from groundwave.rng import generator

GRIDS = [(16, 16), (5, 12), (1, 40), (30, 7)]


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("ratio", [0.05, 0.2, 0.5, 0.75, 0.97])
def test_every_record_hides_exactly_the_same_number(name: str, grid: tuple[int, int], ratio: float) -> None:
    mask = MASKS[name](20, grid, ratio, generator(0, name))
    assert mask.shape == (20, *grid)
    assert mask.dtype == torch.bool
    assert mask.sum((1, 2)).tolist() == [round(ratio * grid[0] * grid[1])] * 20


@pytest.mark.parametrize("ratio", [0.05, 0.5, 0.97])
def test_drawing_each_cell_by_itself_would_be_caught(ratio: float) -> None:
    wrong = torch.rand(20, 16, 16, generator=generator(0)) < ratio
    assert wrong.sum((1, 2)).tolist() != [round(ratio * 256)] * 20


@pytest.mark.parametrize("name", MASKS)
def test_masks_come_from_the_generator_and_differ_between_records(name: str) -> None:
    first, same, other = (MASKS[name](9, (16, 16), 0.5, generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert len(first.flatten(1).unique(dim=0)) == 9


@pytest.mark.parametrize("name", MASKS)
def test_no_place_is_spared(name: str) -> None:
    often = MASKS[name](3000, (8, 12), 0.5, generator(0)).double().mean(0)
    assert 0.4 < often.min() < often.max() < 0.6, often
    torch.testing.assert_close(often.mean(), torch.tensor(0.5, dtype=torch.float64))


def test_cells_of_a_random_mask_are_uniform_and_know_nothing_of_each_other() -> None:
    mask = random_mask(20_000, (4, 5), 0.4, generator(0)).flatten(1).double()
    torch.testing.assert_close(mask.mean(0), torch.full((20,), 0.4, dtype=torch.float64), atol=0.015, rtol=0)
    covariance = np.cov(mask.numpy().T)
    expected = -0.24 / 19  # drawn without replacement
    assert np.abs(covariance - np.diag(np.diag(covariance)) - expected * (1 - np.eye(20))).max() < 0.01


@pytest.mark.parametrize(("mask", "axis"), [(band_mask, 2), (tube_mask, 1)])
def test_stripes_reach_from_end_to_end(mask: object, axis: int) -> None:
    masks = mask(50, (16, 20), 0.5, generator(0))  # type: ignore[operator]
    share = masks.double().mean(axis)
    partly = ((share > 0) & (share < 1)).sum(1)
    assert partly.max() <= 1, "but for one, of which only the rest is hidden"
    turned = share.diff(dim=1).abs().sum(1)
    shuffled = random_mask(50, (share.shape[1], 1), 0.5, generator(0)).squeeze(2).double().diff(dim=1).abs().sum(1)
    assert turned.mean() < 0.8 * shuffled.mean(), "neighbours go together"


def largest_square(mask: np.ndarray) -> int:
    """Find the side of the largest hidden square by trying all."""
    rows, columns = mask.shape
    for side in range(min(rows, columns), 0, -1):
        for row in range(rows - side + 1):
            for column in range(columns - side + 1):
                if mask[row : row + side, column : column + side].all():
                    return side
    return 0


def test_blocks_are_larger_than_what_chance_leaves() -> None:
    sides = {
        mask: np.mean([largest_square(one.numpy()) for one in mask(20, (16, 16), 0.4, generator(0))])
        for mask in (block_mask, random_mask)
    }
    assert sides[block_mask] > 4 > sides[random_mask]


@pytest.mark.parametrize("ratio", [0.0, 0.001, 1.0, 0.999, float("nan"), float("inf"), -float("inf")])
def test_a_ratio_that_hides_nothing_or_everything_is_refused(ratio: float) -> None:
    with pytest.raises(GroundwaveError, match="change ratio"):
        random_mask(2, (4, 4), ratio, generator(0))
