"""Filling hidden cells: NumPy's interpolation in one row, a slow twin on grids, and nothing hidden is looked at."""

import numpy as np
import pytest
import torch
from torch import Tensor

from groundwave.rng import generator
from groundwave.signal.inpaint import INPAINTERS, interpolated, visible_mean


def grids(rows: int = 5, columns: int = 7) -> tuple[Tensor, Tensor]:
    stream = generator(0, "grids")
    x = torch.randn(3, 2, rows, columns, generator=stream)
    hidden = torch.rand(3, 1, rows, columns, generator=stream) < 0.6
    hidden[:, :, 0, 0] = False
    return x, hidden


def slow(x: Tensor, hidden: Tensor, power: float = 1.0) -> Tensor:
    """Walk from each hidden cell in four directions to the first visible one; another power is a wrong twin."""
    filled = visible_mean(x, hidden)
    for b, c, i, j in np.ndindex(*x.shape):
        if not hidden[b, 0, i, j]:
            continue
        total = weight = 0.0
        for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            steps = 1
            while 0 <= i + steps * down < x.shape[2] and 0 <= j + steps * right < x.shape[3]:
                if not hidden[b, 0, i + steps * down, j + steps * right]:
                    total += float(x[b, c, i + steps * down, j + steps * right]) / steps**power
                    weight += 1 / steps**power
                    break
                steps += 1
        if weight:
            filled[b, c, i, j] = total / weight
    return filled


def test_interpolation_equals_its_slow_twin() -> None:
    x, hidden = grids()
    torch.testing.assert_close(interpolated(x, hidden), slow(x, hidden))
    assert not torch.allclose(interpolated(x, hidden), slow(x, hidden, power=2.0))


def test_in_one_row_it_is_linear_interpolation() -> None:
    x, hidden = grids(1, 40)
    for row, gone, filled in zip(x[:, 0, 0], hidden[:, 0, 0], interpolated(x, hidden)[:, 0, 0], strict=True):
        place = np.arange(40)
        expected = np.interp(place, place[~gone.numpy()], row[~gone].numpy())
        np.testing.assert_allclose(filled.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_the_mean_is_of_visible_cells_of_each_channel() -> None:
    x, hidden = grids()
    filled = visible_mean(x, hidden)
    expected = x[1, 1][~hidden[1, 0]].mean()
    torch.testing.assert_close(filled[1, 1][hidden[1, 0]], expected.expand(int(hidden[1].sum())))


@pytest.mark.parametrize("name", INPAINTERS)
def test_hidden_cells_are_not_looked_at_and_visible_ones_stay(name: str) -> None:
    x, hidden = grids()
    filled = INPAINTERS[name](x, hidden)
    torch.testing.assert_close(filled, INPAINTERS[name](x.masked_fill(hidden, 1e6), hidden))
    torch.testing.assert_close(filled.masked_fill(hidden, 0), x.masked_fill(hidden, 0))


def test_a_cell_that_sees_none_takes_the_mean() -> None:
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    hidden = torch.ones(1, 1, 3, 3, dtype=torch.bool)
    hidden[..., 0, 0] = False
    assert interpolated(x + 1, hidden)[0, 0, 2, 2] == 1.0
