"""Patches of a grid and their position codes against loops over cells."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from groundwave.nn.patch import PatchStem, grid_positions, patchify, unpatchify, whole_patches

GRIDS = [((6, 8), (3, 2), 1), ((4, 12), (2, 4), 3), ((7, 10), (3, 4), 2), ((1, 9), (1, 4), 2)]


def slow_patchify(x: Tensor, patch: tuple[int, int]) -> Tensor:
    """Walk over patches row by row, and in each over channels, frequencies, times."""
    _, channels, freq, time = x.shape
    patches = []
    for row in range(0, freq, patch[0]):
        for column in range(0, time, patch[1]):
            cells = [
                x[:, c, row + i, column + j] for c in range(channels) for i in range(patch[0]) for j in range(patch[1])
            ]
            patches.append(torch.stack(cells, dim=1))
    return torch.stack(patches, dim=1)


def wrong_transposed(x: Tensor, patch: tuple[int, int]) -> Tensor:
    """Walk column by column, as if time came first."""
    return slow_patchify(x.transpose(2, 3), (patch[1], patch[0]))


@pytest.mark.parametrize(("size", "patch", "channels"), GRIDS)
def test_patches_are_those_of_the_loop(size: tuple[int, int], patch: tuple[int, int], channels: int) -> None:
    x = whole_patches(torch.randn(2, channels, *size), patch)
    torch.testing.assert_close(patchify(x, patch), slow_patchify(x, patch), rtol=0, atol=0)


def test_a_transposed_walk_would_be_caught() -> None:
    x = torch.randn(2, 1, 6, 8)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(patchify(x, (3, 2)), wrong_transposed(x, (3, 2)))


@pytest.mark.parametrize(("size", "patch", "channels"), GRIDS)
def test_unpatchify_is_the_inverse(size: tuple[int, int], patch: tuple[int, int], channels: int) -> None:
    x = torch.randn(2, channels, *size)
    patches = patchify(whole_patches(x, patch), patch)
    torch.testing.assert_close(unpatchify(patches, patch, size, channels), x, rtol=0, atol=0)
    whole = (-(-size[0] // patch[0]) * patch[0], -(-size[1] // patch[1]) * patch[1])
    tokens = torch.randn_like(patches)
    torch.testing.assert_close(patchify(unpatchify(tokens, patch, whole, channels), patch), tokens, rtol=0, atol=0)


def test_what_fills_the_last_patches_are_copies_of_the_edge() -> None:
    x = torch.randn(1, 2, 5, 6)
    filled = whole_patches(x, (4, 4))
    expected = np.pad(x.numpy(), ((0, 0), (0, 0), (0, 3), (0, 2)), mode="edge")
    np.testing.assert_array_equal(filled.numpy(), expected)


def slow_code(row: int, column: int, dim: int) -> list[float]:
    """Vaswani et al. (2017), section 3.5, of the row in the first half of the channels, of the column in the second."""
    half = dim // 2
    return [
        (math.sin if i % 2 == 0 else math.cos)(position / 10_000 ** ((i - i % 2) / half))
        for position in (row, column)
        for i in range(half)
    ]


@pytest.mark.parametrize("swap", [False, True])
def test_position_codes_are_those_of_row_and_column(swap: bool) -> None:
    found = grid_positions((3, 5), 16, torch.device("cpu"))
    order = (lambda r, c: (c, r)) if swap else (lambda r, c: (r, c))
    expected = torch.tensor([slow_code(*order(r, c), 16) for r in range(3) for c in range(5)])
    if swap:  # the wrong twin
        assert (found - expected).abs().max() > 0.1
    else:
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def strided(stem: PatchStem, x: Tensor, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """Return what a convolution with the stem's weights, moved by its own size, makes of `x`."""
    weight = kernel(stem.project.weight.unflatten(1, (x.shape[1], *stem.patch)))
    tokens = nn.functional.conv2d(x, weight, stem.project.bias, stride=stem.patch).flatten(2).transpose(1, 2)
    return tokens + grid_positions(stem.grid(x), weight.shape[0], x.device)


def test_a_stem_is_a_strided_convolution_and_looks_at_the_patches_it_is_told() -> None:
    stem, x = PatchStem(3, 8, (2, 4)), torch.randn(2, 3, 6, 8)
    tokens = stem(x)
    torch.testing.assert_close(tokens, strided(stem, x, lambda weight: weight), atol=1e-5, rtol=1e-5)
    assert (tokens - strided(stem, x, lambda weight: weight.flip(-1))).abs().max() > 0.1, "a wrong twin"
    kept = torch.tensor([[5, 0], [1, 3]])
    torch.testing.assert_close(stem(x, kept), torch.stack([tokens[0, [5, 0]], tokens[1, [1, 3]]]))


def test_a_signal_is_a_grid_of_one_row() -> None:
    stem, iq = PatchStem(2, 8, (1, 16)), torch.randn(3, 2, 64)
    signal = nn.functional.conv1d(iq, stem.project.weight.unflatten(1, (2, 16)), stem.project.bias, stride=16)
    torch.testing.assert_close(
        stem(iq), signal.transpose(1, 2) + grid_positions((1, 4), 8, iq.device), atol=1e-5, rtol=1e-5
    )
