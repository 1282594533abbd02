"""Losses on correlation matrices against loops, what they do not depend on, and what wrong ones would say."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from groundwave.pretrain.correlation import EPSILON, barlow_twins, correlation, cross_modal
from groundwave.rng import generator

LAMDA = 0.0051


def embeddings(num: int = 24, dim: int = 8, seed: int = 0) -> tuple[Tensor, Tensor]:
    a, noise = torch.randn(2, num, dim, dtype=torch.float64, generator=generator(seed, "embeddings"))
    return a * torch.arange(1, dim + 1) + 3, 0.7 * a - 0.5 * noise


def looped_correlation(a: np.ndarray, b: np.ndarray) -> list[list[float]]:
    num, dim = a.shape

    def standard(values: list[float]) -> list[float]:
        mean = sum(values) / num
        variance = sum((value - mean) ** 2 for value in values) / num
        return [(value - mean) / math.sqrt(variance + EPSILON) for value in values]

    left = [standard([a[n][i] for n in range(num)]) for i in range(dim)]
    right = [standard([b[n][i] for n in range(num)]) for i in range(dim)]
    return [[sum(x * y for x, y in zip(p, q, strict=True)) / num for q in right] for p in left]


def looped_block(matrix: list[list[float]], rows: range, wanted: float) -> float:
    total = 0.0
    for i in rows:
        for j in rows:
            total += (matrix[i][j] - wanted) ** 2 if i == j else LAMDA * matrix[i][j] ** 2
    return total


def test_both_losses_are_those_of_the_loops() -> None:
    a, b = embeddings()
    matrix = looped_correlation(a.numpy(), b.numpy())
    torch.testing.assert_close(correlation(a, b).double(), torch.tensor(matrix).double(), atol=1e-5, rtol=1e-4)
    assert float(barlow_twins(a, b, LAMDA)) == pytest.approx(looped_block(matrix, range(8), 1.0), rel=1e-4)
    halves = (looped_block(matrix, range(6), 1.0) + looped_block(matrix, range(6, 8), 0.0)) / 2
    assert float(cross_modal(a, b, 0.75, LAMDA)) == pytest.approx(halves, rel=1e-4)


def test_between_the_blocks_nothing_is_asked() -> None:
    a, b = embeddings()
    b[:, 6] = a[:, 0]  # unique here, common there
    matrix = looped_correlation(a.numpy(), b.numpy())
    assert matrix[0][6] > 0.99
    halves = (looped_block(matrix, range(6), 1.0) + looped_block(matrix, range(6, 8), 0.0)) / 2
    assert float(cross_modal(a, b, 0.75, LAMDA)) == pytest.approx(halves, rel=1e-4)


@pytest.mark.parametrize(("common", "wanted"), [(1.0, 1.0), (0.0, 0.0)])
def test_dimensions_of_one_kind_are_one_block(common: float, wanted: float) -> None:
    a, b = embeddings()
    matrix = looped_correlation(a.numpy(), b.numpy())
    assert float(cross_modal(a, b, common, LAMDA)) == pytest.approx(looped_block(matrix, range(8), wanted), rel=1e-4)
    torch.testing.assert_close(cross_modal(a, b, 1.0, LAMDA), barlow_twins(a, b, LAMDA))


def rescaled(z: Tensor) -> Tensor:
    return z * torch.linspace(0.5, 20, z.shape[1], dtype=z.dtype) - torch.linspace(-9, 4, z.shape[1], dtype=z.dtype)


def test_level_and_scale_of_a_dimension_do_not_matter() -> None:
    a, b = embeddings(num=256)
    for loss in (lambda x, y: barlow_twins(x, y, LAMDA), lambda x, y: cross_modal(x, y, 0.5, LAMDA)):
        torch.testing.assert_close(loss(rescaled(a), b), loss(a, b), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(loss(a, rescaled(b)), loss(a, b), rtol=1e-3, atol=1e-4)


def test_the_order_of_records_does_not_matter_and_pairing_does() -> None:
    a, b = embeddings()
    order = torch.randperm(24, generator=generator(0, "order"))
    torch.testing.assert_close(barlow_twins(a[order], b[order], LAMDA), barlow_twins(a, b, LAMDA))
    assert barlow_twins(a[order], b, LAMDA) > 2 * barlow_twins(a, b, LAMDA)


def test_equal_white_embeddings_have_no_loss_and_independent_ones_that_of_their_number() -> None:
    white = torch.linalg.qr(torch.randn(4096, 8, generator=generator(0, "white")))[0] * 64
    white = white - white.mean(0)
    assert float(barlow_twins(white, white, LAMDA)) < 0.01
    other = torch.randn(4096, 8, generator=generator(1, "white"))
    assert float(barlow_twins(white, other, LAMDA)) == pytest.approx(8, abs=0.4)
    assert float(cross_modal(white, other, 0.0, LAMDA)) < 0.05


def test_a_twin_that_forgets_to_standardise_would_be_caught() -> None:
    a, b = embeddings()
    wrong = (a - a.mean(0)).T @ (b - b.mean(0)) / len(a)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(correlation(a, b).double(), wrong, atol=1e-5, rtol=1e-4)


def test_gradients_are_those_of_finite_differences() -> None:
    torch.manual_seed(0)
    a, b = embeddings(num=12, dim=4)
    matrix = torch.eye(4, dtype=torch.float64, requires_grad=True)
    cross_modal(a @ matrix, b, 0.5, 0.1).backward()
    step = torch.zeros(4, 4, dtype=torch.float64)
    step[1, 2] = 1e-3
    found = [cross_modal((a @ (matrix.detach() + sign * step)), b, 0.5, 0.1).double() for sign in (1, -1)]
    assert matrix.grad is not None
    assert float(matrix.grad[1, 2]) == pytest.approx(float(found[0] - found[1]) / 2e-3, rel=0.02)


def test_half_precision_does_not_reach_the_matrix() -> None:
    a, b = embeddings()
    with torch.autocast("cpu", torch.bfloat16):
        narrow = barlow_twins(a.float(), b.float(), LAMDA)
    torch.testing.assert_close(narrow, barlow_twins(a, b, LAMDA), rtol=1e-5, atol=1e-6)
