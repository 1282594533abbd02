"""Scores and intervals against closed forms."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import confusion_matrix, recall_score

from groundwave.metrics import Interval, confusion, interval, macro_recall, reliability


def test_an_interval_of_shares_stays_between_nothing_and_all() -> None:
    assert interval([0.99, 1.0, 0.96]).high > 1
    assert interval([0.99, 1.0, 0.96]).of_shares().high == 1
    assert interval([0.5]).of_shares() == (0.5, 0.0, 1.0, 1)
    assert interval([0.4, 0.6, 0.5]).of_shares() == interval([0.4, 0.6, 0.5])


def test_interval_is_students_and_covers_as_often_as_it_says() -> None:
    x = np.random.default_rng(0).normal(size=12)
    low, high = stats.t.interval(0.95, 11, loc=x.mean(), scale=stats.sem(x))
    assert interval(list(x)) == pytest.approx((x.mean(), low, high, 12))
    draws = np.random.default_rng(1).normal(3, 2, size=(2000, 6))
    covered = np.mean([interval(list(row)).low <= 3 <= interval(list(row)).high for row in draws])
    assert 0.93 < covered < 0.97


def test_one_value_has_no_interval() -> None:
    assert interval([0.5]) == (0.5, -np.inf, np.inf, 1)


def test_overlap() -> None:
    a, b, c = Interval(1, 0, 2, 9), Interval(3, 2, 4, 9), Interval(5, 4.5, 6, 9)
    assert a.overlaps(b)
    assert not a.overlaps(c)
    assert not c.overlaps(a)


def test_recall_and_confusion_agree_with_scikit_learn() -> None:
    stream = torch.Generator().manual_seed(0)
    label = torch.randint(0, 4, (200,), generator=stream)
    prediction = torch.where(
        torch.rand(200, generator=stream) < 0.6, label, torch.randint(0, 4, (200,), generator=stream)
    )
    assert macro_recall(prediction, label) == pytest.approx(recall_score(label, prediction, average="macro"))
    expected = confusion_matrix(label, prediction, normalize="true")
    np.testing.assert_allclose(confusion(prediction, label, 4), expected)
    assert confusion(torch.tensor([0]), torch.tensor([0]), 3)[2].tolist() == [0, 0, 0]


def test_calibration_is_the_mean_distance_of_confidence_and_accuracy() -> None:
    stream = torch.Generator().manual_seed(0)
    probabilities = (2 * torch.randn(3000, 4, generator=stream)).softmax(1)
    drawn = torch.multinomial(probabilities, 1, generator=stream)[:, 0]
    curve = reliability(probabilities, drawn, num_bins=10)
    slow = 0.0
    for k in range(10):
        rows = [i for i, p in enumerate(probabilities.max(1).values.tolist()) if k / 10 < p <= (k + 1) / 10]
        if rows:
            confidence = np.mean(probabilities.max(1).values[rows].numpy())
            accuracy = np.mean((probabilities.argmax(1) == drawn)[rows].numpy())
            slow += len(rows) / 3000 * abs(confidence - accuracy)
    assert curve.error == pytest.approx(slow, abs=1e-6)
    assert curve.error < 0.03  # labels are drawn from the probabilities
    assert reliability((3 * probabilities.log()).softmax(1), drawn).error > 0.1  # too sure of itself
    assert float(curve.share.sum()) == pytest.approx(1)
