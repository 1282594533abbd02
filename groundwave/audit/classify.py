"""Small classifiers of pairs of classes, always asked about groups that they have not seen."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from groundwave.rng import generator

NUM_FOLDS = 4
NUM_QUANTILES = 16
SHRINKAGE = 0.2
NUM_TREES = 150
Array = npt.NDArray[Any]


def folds(label: Tensor, group: Tensor) -> Tensor:
    """Return a fold `[n]` for each record: whole groups, dealt out class by class.

    A record of unknown group is a group.
    """
    draw = generator(0, "audit", "folds")
    unit = torch.where(group >= 0, group, group.max() + 1 + torch.arange(len(group)))
    fold = torch.zeros(len(label), dtype=torch.int64)
    for code in label.unique():
        here = label == code
        found, inverse = unit[here].unique(return_inverse=True)
        dealt = torch.randperm(len(found), generator=draw) % NUM_FOLDS
        fold[here] = dealt[inverse]
    return fold


def by_one(value: Tensor, label: Tensor, fold: Tensor) -> Array:
    """Return the balanced accuracy of each pair of classes from one number: the likelier class of its quantile.

    Args:
        value: float `[n]`.
        label: 0 to C - 1, each with a record in two folds or more.
        fold: as of `folds`.

    Returns:
        `[C, C]`, symmetric; the diagonal means nothing.
    """
    num = int(label.max()) + 1
    edges = value.double().quantile(torch.linspace(0, 1, NUM_QUANTILES + 1, dtype=torch.float64)[1:-1]).unique()
    bin_ = torch.bucketize(value.double(), edges)
    counts = torch.zeros(NUM_FOLDS, num, NUM_QUANTILES)
    counts.index_put_((fold, label, bin_), torch.ones(len(value)), accumulate=True)
    trained = counts.sum(0) - counts
    likely = trained / trained.sum(-1, keepdim=True).clamp(min=1)
    wins = (likely[:, :, None] > likely[:, None]).float() + 0.5 * (likely[:, :, None] == likely[:, None]).float()
    right = (counts[:, :, None] * wins).sum((0, 3)) / counts.sum((0, 2))[:, None]
    return np.asarray((right + right.T) / 2)


def by_all(features: Tensor, label: Tensor, fold: Tensor) -> Array:
    """Return the balanced accuracy `[C, C]` of linear discriminants with one shrunk covariance for all classes."""
    num = int(label.max()) + 1
    right = torch.zeros(num, num, dtype=torch.float64)
    x = features.double()
    x = (x - x.mean(0)) / x.std(0).clamp(min=1e-9)
    for k in range(NUM_FOLDS):
        train, test = fold != k, fold == k
        means = torch.stack([x[train & (label == c)].mean(0) for c in range(num)])
        rest = x[train] - means[label[train]]
        covariance = rest.T @ rest / max(1, len(rest) - num)
        target = torch.eye(len(covariance)) * covariance.diagonal().mean().clamp(min=1e-6)
        shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * target
        weights = torch.linalg.solve(shrunk, means.T)
        score = x[test] @ weights - 0.5 * (means.T * weights).sum(0)
        wins = (score.gather(1, label[test][:, None]) > score).double()
        right.index_add_(0, label[test], wins)
    right /= label.bincount(minlength=num)[:, None]
    return np.asarray((right + right.T) / 2)


def area(features: Tensor, second: Tensor, fold: Tensor) -> tuple[float, float]:
    """Return the area under the ROC curve of a forest for a pair of classes, and its standard error under no effect."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.metrics import roc_auc_score

    score = np.zeros(len(second))
    x, y = np.asarray(features), np.asarray(second)
    for k in range(NUM_FOLDS):
        test = np.asarray(fold == k)
        if test.any():
            forest = ExtraTreesClassifier(NUM_TREES, min_samples_leaf=3, class_weight="balanced", random_state=0)
            score[test] = forest.fit(x[~test], y[~test]).predict_proba(x[test])[:, 1]
    ones = int(y.sum())
    zeros = len(y) - ones
    return float(roc_auc_score(y, score)), float(np.sqrt((ones + zeros + 1) / (12 * ones * zeros)))
