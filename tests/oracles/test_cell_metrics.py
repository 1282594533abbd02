"""Scores of cells against torchmetrics, scikit-learn and loops in NumPy; each oracle catches a wrong twin."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torchmetrics.functional.classification import multiclass_jaccard_index

from groundwave.metrics import binary_rates, boundary_f1, class_ious, count_matrix, roc

Cells = NDArray[np.int64]


def pictures(seed: int, num_classes: int, shape: tuple[int, int, int] = (3, 13, 9)) -> tuple[Tensor, Tensor]:
    """Return blocky truths and answers that differ from them in some cells."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(num_classes, size=(shape[0], 5, 3))
    label = np.repeat(np.repeat(coarse, 3, 1), 3, 2)[:, : shape[1], : shape[2]]
    moved = np.roll(label, draw.integers(-1, 2), axis=1)
    prediction = np.where(draw.random(shape) < 0.1, draw.integers(num_classes, size=shape), moved)
    return torch.from_numpy(prediction), torch.from_numpy(label)


@pytest.mark.parametrize("num_classes", [2, 4])
def test_ious_are_those_of_torchmetrics(num_classes: int) -> None:
    prediction, label = pictures(0, num_classes)
    found = class_ious(count_matrix(prediction, label, num_classes))
    expected = multiclass_jaccard_index(prediction, label, num_classes, average="none")
    torch.testing.assert_close(found.float(), expected)


def test_counts_of_batches_add_up_and_an_absent_class_has_no_iou() -> None:
    prediction, label = pictures(1, 3)
    whole = count_matrix(prediction, label, 4)
    assert whole.equal(sum(count_matrix(p, t, 4) for p, t in zip(prediction, label, strict=True)))
    assert class_ious(whole)[3].isnan()
    assert not class_ious(whole)[:3].isnan().any()


def slow_boundary(inside: NDArray[np.bool_]) -> list[tuple[int, int]]:
    cells = []
    for i, j in np.argwhere(inside):
        around = [(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]
        if any(0 <= a < inside.shape[0] and 0 <= b < inside.shape[1] and not inside[a, b] for a, b in around):
            cells.append((int(i), int(j)))
    return cells


def square(a: tuple[int, int], b: tuple[int, int]) -> int:
    return max(abs(a[0] - b[0]), abs(a[1] - b[1]))


def diamond(a: tuple[int, int], b: tuple[int, int]) -> int:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def slow_f1(
    prediction: Cells,
    label: Cells,
    c: int,
    tolerance: int,
    distance: Callable[[tuple[int, int], tuple[int, int]], int] = square,
) -> float:
    if not (prediction == c).any() and not (label == c).any():
        return np.nan
    here, there = slow_boundary(prediction == c), slow_boundary(label == c)

    def share(cells: list[tuple[int, int]], others: list[tuple[int, int]]) -> float:
        if not cells:
            return float(not others)
        return sum(any(distance(a, b) <= tolerance for b in others) for a in cells) / len(cells)

    precision, recall = share(here, there), share(there, here)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize("tolerance", [0, 1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_boundary_f1_is_that_of_loops(seed: int, tolerance: int) -> None:
    prediction, label = pictures(seed, 3)
    found = boundary_f1(prediction, label, 4, tolerance)
    expected = [
        [slow_f1(p, t, c, tolerance) for c in range(4)] for p, t in zip(prediction.numpy(), label.numpy(), strict=True)
    ]
    np.testing.assert_allclose(found, expected)


def test_another_distance_or_tolerance_is_caught() -> None:
    prediction, label = pictures(0, 3)
    found = boundary_f1(prediction, label, 3, 1)[0, 0]
    p, t = prediction[0].numpy(), label[0].numpy()
    assert found != pytest.approx(slow_f1(p, t, 0, 1, diamond))
    assert found != pytest.approx(slow_f1(p, t, 0, 2))


def test_boundary_f1_at_the_ends() -> None:
    full = torch.zeros(1, 4, 4, dtype=torch.int64)
    assert boundary_f1(full, full, 2).nan_to_num(-1).tolist() == [[1.0, -1.0]]
    half = full.clone()
    half[:, 2:] = 1
    assert boundary_f1(half, half, 2, 0).tolist() == [[1.0, 1.0]]
    assert boundary_f1(full, half, 2).tolist() == [[0.0, 0.0]]


def test_rates_are_shares() -> None:
    counts = count_matrix(torch.tensor([1, 1, 0, 0, 1]), torch.tensor([1, 1, 1, 0, 0]), 2)
    rates = binary_rates(counts)
    assert {name: float(value) for name, value in rates.items()} == pytest.approx(
        {"detection": 2 / 3, "false alarm": 1 / 2, "F1": 2 / 3}
    )
    assert binary_rates(torch.stack([counts, counts * 0]))["F1"].isnan().tolist() == [False, True]


def test_area_under_the_curve_is_scikit_learns() -> None:
    draw = np.random.default_rng(0)
    truth = draw.random(500) < 0.3
    score = np.clip(draw.integers(0, 20, 500) + 4 * truth, 0, 22)
    yes, no = (torch.from_numpy(np.bincount(score[truth == t], minlength=23)) for t in (True, False))
    curve = roc(yes, no)
    assert curve.area == pytest.approx(roc_auc_score(truth, score))
    assert roc(no, yes).area == pytest.approx(1 - curve.area)  # the sides taken for each other
    assert (curve.detection[0], curve.detection[-1], curve.false_alarm[-1]) == (0, 1, 1)
    assert np.isnan(roc(yes, no * 0).area)
    level = 12
    alarms, hits = float((score[~truth] >= level).mean()), float((score[truth] >= level).mean())
    assert curve.detection_at(alarms) == pytest.approx(hits)
    assert curve.detection_at(1.0) == 1
