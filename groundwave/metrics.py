"""What torchmetrics lacks: scores and intervals as pure functions."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.stats import t as student_t
from torch import Tensor
from torch.nn import functional as F


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
    counts = count_matrix(prediction, label, num_classes).double()
    return counts / counts.sum(dim=1, keepdim=True).clamp_min(1)


def count_matrix(
    prediction: Int[Tensor, " *shape"], label: Int[Tensor, " *shape"], num_classes: int
) -> Int[Tensor, "classes classes"]:
    """Return how often each class (row: the true one) was answered by each (column); counts of batches add up."""
    pairs = label.long().flatten() * num_classes + prediction.long().flatten()
    return torch.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def class_ious(counts: Int[Tensor, "classes classes"]) -> Float[Tensor, " classes"]:
    """Return each class's intersection over union from a `count_matrix`; NaN for one neither true nor answered."""
    hits = counts.diagonal().double()
    return hits / (counts.sum(dim=0) + counts.sum(dim=1) - hits)


def boundary_f1(
    prediction: Int[Tensor, "batch freq time"],
    label: Int[Tensor, "batch freq time"],
    num_classes: int,
    tolerance: int = 2,
) -> Float[Tensor, "batch classes"]:
    """Return the boundary F1 of each record and class (Csurka et al., 2013); NaN for a class in neither of the two.

    A boundary cell of a class has a neighbour of another class above, below, before or after it; the edge of the
    picture is no boundary. Precision is the share of the answer's boundary cells with a true one at most `tolerance`
    cells away in either direction, recall the share of the true ones with one of the answer's; F1 is their harmonic
    mean, and 1 where a class fills both pictures without a boundary.
    """
    scores = []
    for c in range(num_classes):
        here, there = _boundary(prediction == c), _boundary(label == c)
        precision = _share(here & _near(there, tolerance), here, there)
        recall = _share(there & _near(here, tolerance), there, here)
        f1 = 2 * precision * recall / (precision + recall).clamp_min(1e-12)
        present = ((prediction == c) | (label == c)).flatten(1).any(dim=1)
        scores.append(torch.where(present, f1, torch.nan))
    return torch.stack(scores, dim=1)


def _boundary(inside: Tensor) -> Tensor:
    """Return the cells of a region that touch a cell outside it."""
    padded = F.pad(inside[:, None].float(), (1, 1, 1, 1), mode="replicate")[:, 0] > 0
    whole = padded[:, :-2, 1:-1] & padded[:, 2:, 1:-1] & padded[:, 1:-1, :-2] & padded[:, 1:-1, 2:]
    return inside & ~whole


def _near(cells: Tensor, reach: int) -> Tensor:
    """Return which cells have one of `cells` at most `reach` away in either direction."""
    grown = cells[:, None].float()
    for step in ((1, 0), (0, 1)):
        padding = (reach * step[0], reach * step[1])
        grown = F.max_pool2d(grown, (2 * padding[0] + 1, 2 * padding[1] + 1), stride=1, padding=padding)
    return grown[:, 0] > 0


def _share(hits: Tensor, cells: Tensor, others: Tensor) -> Tensor:
    """Return hits over cells, per record; without cells 1 where there was nothing to find either, else 0."""
    hits, cells, others = (x.flatten(1).sum(dim=1).double() for x in (hits, cells, others))
    return torch.where(cells > 0, hits / cells.clamp_min(1), (others == 0).double())


def binary_rates(counts: Int[Tensor, "*shape 2 2"]) -> dict[str, Float[Tensor, " *shape"]]:
    """Return detection, false alarms and F1 from counts `[..., truth, answer]` of no (0) and yes (1).

    Detection is the share of the true cells that was answered yes, a false alarm that of the others; NaN without any.
    """
    (silence, alarm), (miss, hit) = (x.double().unbind(-1) for x in counts.unbind(-2))
    return {
        "detection": hit / (hit + miss),
        "false alarm": alarm / (alarm + silence),
        "F1": 2 * hit / (2 * hit + alarm + miss),
    }


class Curve(NamedTuple):
    """A receiver operating characteristic: shares of false alarms and of detections at falling thresholds."""

    false_alarm: Float[Tensor, " points"]
    detection: Float[Tensor, " points"]

    @property
    def area(self) -> float:
        """Area under the curve: how often a random yes scores above a random no, ties counted half."""
        return float(torch.trapezoid(self.detection, self.false_alarm))

    def detection_at(self, false_alarm: float) -> float:
        """Return the share of detections at a share of false alarms, on the straight lines between the points."""
        return float(np.interp(false_alarm, self.false_alarm.numpy(), self.detection.numpy()))


def roc(yes: Float[Tensor, " levels"], no: Float[Tensor, " levels"]) -> Curve:
    """Return the curve of a score from its histograms over ascending levels where the truth is yes and where it is no.

    Without a yes or without a no there is no curve: its values are NaN.
    """
    zero = torch.zeros(1, dtype=torch.float64)
    shares = [torch.cat([zero, x.double().flip(0).cumsum(0)]) / x.double().sum() for x in (no, yes)]
    return Curve(*shares)


class Reliability(NamedTuple):
    """Answers sorted into bins of confidence: mean confidence, share of right ones and share of all in each bin."""

    confidence: Float[Tensor, " bins"]
    accuracy: Float[Tensor, " bins"]
    share: Float[Tensor, " bins"]

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of confidence and accuracy over answers (Guo et al., 2017)."""
        return float((self.share * (self.confidence - self.accuracy).abs()).sum())


def reliability(
    probabilities: Float[Tensor, "batch classes"], label: Int[Tensor, " batch"], num_bins: int = 15
) -> Reliability:
    """Return how often answers are right by the confidence with which they are given; an empty bin holds zeros."""
    confidence, answer = probabilities.double().max(dim=1)
    which = (confidence * num_bins).ceil().long().clamp(1, num_bins) - 1
    counts = torch.bincount(which, minlength=num_bins).double()
    right = (answer == label).double()
    sums = [torch.bincount(which, values, num_bins) / counts.clamp_min(1) for values in (confidence, right)]
    return Reliability(sums[0], sums[1], counts / len(label))
