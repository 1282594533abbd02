"""What torchmetrics lacks: scores and intervals as pure functions."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.stats import t as student_t
from torch import Tensor


class Interval(NamedTuple):
    """A mean with its 95 % confidence interval and the number of values behind it."""

    mean: float
    low: float
    high: float
    n: int

    def overlaps(self, other: "Interval") -> bool:
        """Return whether the two intervals share a point."""
        return self.low <= other.high and other.low <= self.high

    def of_shares(self) -> "Interval":
        """Return the interval without what no share can be: below 0 or above 1."""
        return Interval(self.mean, max(self.low, 0.0), min(self.high, 1.0), self.n)


def interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Return the mean of independent values with Student's t interval.

    One value has no interval: its bounds are infinite, so that nobody takes it for a certainty.
    """
    x = np.asarray(values, dtype=float)
    if len(x) < 2:
        return Interval(float(x.mean()), -np.inf, np.inf, len(x))
    half = float(student_t.ppf(0.5 + level / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    return Interval(float(x.mean()), float(x.mean()) - half, float(x.mean()) + half, len(x))


def macro_recall(prediction: Int[Tensor, " batch"], label: Int[Tensor, " batch"]) -> float:
    """Return recall averaged over the classes present in `label`, so that a common class does not drown a rare one."""
    return float(torch.stack([(prediction[label == c] == c).double().mean() for c in label.unique()]).mean())


def confusion(
    prediction: Int[Tensor, " batch"], label: Int[Tensor, " batch"], num_classes: int
) -> Float[Tensor, "classes classes"]:
    """Return the confusion matrix whose row is the true class, each row summing to one (or to zero where absent)."""
    counts = torch.bincount(label * num_classes + prediction, minlength=num_classes**2).double()
    counts = counts.reshape(num_classes, num_classes)
    return counts / counts.sum(dim=1, keepdim=True).clamp_min(1)
