"""Costs against closed forms."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from groundwave.compress.cost import cost, measure
from groundwave.nn import BACKBONES


def conv(length: int, *widths: int) -> int:
    return sum(length * 3 * a * b for a, b in pairwise(widths))


def test_the_published_cnn() -> None:
    found = cost(BACKBONES["amc_cnn"](), torch.zeros(1, 2, 128))
    wanted = conv(128, 2, 64) + conv(64, 64, 64) + conv(32, 64, 64, 32, 32, 16) + 256 * 256 + 256 * 64
    assert found.macs == wanted
    assert found.parameters == 576 + 118_842 - 650
    # fp32 weights, running means and variances, and a counter of 8 bytes for each of six batch norms
    assert found.bytes == 4 * (found.parameters + 2 * (64 * 3 + 32 * 2 + 16)) + 6 * 8


def test_a_transformer() -> None:
    dim, tokens, heads, patch = 16, 20, 2, (8, 4)
    network = BACKBONES["vit"](num_channels=1, dim=dim, depth=3, num_heads=heads, patch=patch)
    found = cost(network, torch.zeros(2, 1, 32, 20))
    block = tokens * dim * (3 * dim + dim + 8 * dim) + 2 * tokens * tokens * dim
    assert found.macs == 2 * (tokens * 32 * dim + 3 * block)


def test_a_cross_covariance_transformer_whose_layers_are_not_called() -> None:
    """Its convolutions run through functions: forward hooks would see none of them."""
    dim, heads, tokens = 16, 2, 16
    network = BACKBONES["xcit"](dim=dim, depth=1, num_heads=heads, patch=4, class_depth=1)
    stem = 32 * 5 * 2 * 16 + tokens * 5 * 16 * dim + tokens * dim * dim
    block = tokens * dim * (3 * dim + dim + 8 * dim) + 2 * tokens * dim * (dim // heads) + 2 * tokens * 3 * dim
    last = tokens + 1
    classes = dim * dim + last * dim * 2 * dim + 2 * last * dim + dim * dim + 8 * dim * dim
    assert cost(network, torch.zeros(1, 2, 64)).macs == stem + block + classes


def test_a_recurrent_layer() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(3, 5, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.lstm(x)[0]

    assert cost(Last(), torch.zeros(2, 7, 3)).macs == 2 * 7 * 4 * 5 * (3 + 5)


def test_memory_is_that_of_what_lives_at_once() -> None:
    wide, narrow = nn.Linear(8, 1000, bias=False), nn.Linear(1000, 8, bias=False)
    found = cost(nn.Sequential(wide, nn.ReLU(), narrow), torch.zeros(4, 8))
    assert found.peak_bytes == 2 * 4 * 1000 * 4  # before and after the ReLU
    assert cost(nn.Sequential(wide, nn.ReLU(inplace=True), narrow), torch.zeros(4, 8)).peak_bytes == 4 * 4 * (1000 + 8)


def test_time_is_measured() -> None:
    seconds = iter(range(10_000))
    found = measure(lambda: sum(range(20_000 if next(seconds) % 2 else 10)), num_runs=20)
    assert 0 < found.p50 <= found.p95
    with pytest.raises(ZeroDivisionError):
        measure(lambda: 1 / 0)
