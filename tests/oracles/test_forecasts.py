"""Forecasts against loops in NumPy, and on pasts whose future is known."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from groundwave.tasks.baselines import FORECASTS, RIDGE, autoregression, mean_occupancy, persistence


def past(num: int = 2, freqs: int = 3, time: int = 43) -> Tensor:
    return (torch.rand(num, freqs, time, generator=torch.Generator().manual_seed(0)) < 0.4).float()


def slow_autoregression(past: Tensor, slice: int, num_slices: int, order: int, start: int = 1) -> Tensor:
    x = past.double().numpy()
    found = np.zeros((*x.shape[:2], num_slices * slice))
    for b in range(x.shape[0]):
        for f in range(x.shape[1]):
            row = x[b, f, x.shape[2] % slice :]
            shares = [row[i : i + slice].mean() for i in range(0, len(row), slice)]
            known = [[*shares[t - order : t], 1.0] for t in range(order, len(shares))]
            wanted = [shares[t] for t in range(order, len(shares))]
            padded = np.vstack([known, np.sqrt(RIDGE) * np.eye(order + 1)])
            weight = np.linalg.lstsq(padded, np.append(wanted, np.zeros(order + 1)), rcond=None)[0]
            for h in range(num_slices):
                shares.append(float(np.dot([*shares[len(shares) - order - (1 - start) :][:order], 1.0], weight)))
                found[b, f, h * slice : (h + 1) * slice] = np.clip(shares[-1], 0, 1)
    return torch.from_numpy(found).float()


@pytest.mark.parametrize("order", [1, 3])
def test_autoregression_is_least_squares_row_by_row(order: int) -> None:
    found = autoregression(past(), 4, 3, order)
    torch.testing.assert_close(found, slow_autoregression(past(), 4, 3, order))
    assert not torch.allclose(found, slow_autoregression(past(), 4, 3, order, start=0))  # one slice too early


def test_autoregression_finds_an_alternation_that_persistence_and_the_mean_miss() -> None:
    cycle = torch.tensor([0.0, 1.0]).repeat_interleave(4).repeat(6)[None, None]
    true = cycle[..., :8]
    torch.testing.assert_close(autoregression(cycle, 4, 2), true, atol=0.01, rtol=0)
    assert persistence(cycle, 4, 2).unique().tolist() == [1.0]
    assert mean_occupancy(cycle, 4, 2).unique().tolist() == [0.5]


@pytest.mark.parametrize("forecast", FORECASTS.values(), ids=FORECASTS)
@pytest.mark.parametrize("time", [4, 9, 43])
def test_a_forecast_is_a_probability_for_each_cell(forecast: Callable[..., Tensor], time: int) -> None:
    found = forecast(past(time=time), 4, 3)
    assert found.shape == (2, 3, 12)
    assert 0 <= found.min() <= found.max() <= 1
    still = torch.ones(1, 2, time)
    torch.testing.assert_close(forecast(still, 4, 3), torch.ones(1, 2, 12), atol=0.01, rtol=0)
