"""Learners that model each class as a Gaussian: nearest mean, and linear discriminant analysis."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import normalize

from groundwave.adapt.linear import LinearLearner
from groundwave.adapt.support import check_support
from groundwave.contracts import Record
from groundwave.nn.heads import LinearHead

LEAST_SHRINKAGE = 1e-4
SHRINKAGES = (0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 0.8, 0.9, 0.95, 0.98)
FOLDS = 5


class Euclidean(LinearLearner):
    """Softmax over negative squared distances to class means: ProtoNet's predictor (Snell et al., 2017, eq. 2)."""

    def fit(self, support: Record) -> "Euclidean":
        """Take class means of the features as they are: their scale is what ProtoNet has learned."""
        features, label, num_classes = check_support(support)
        means = self.prototypes(features, label, num_classes)
        self.head = LinearHead(features.shape[1], num_classes)
        # -|x - m|^2 = 2 m x - |m|^2 - |x|^2, and the last is the same for all classes.
        self.head.load_state_dict({"weight": 2 * means, "bias": -means.square().sum(dim=1)})
        return self

    def prototypes(self, features: Tensor, label: Tensor, num_classes: int) -> Tensor:
        """Return what stands for each class `[C, D]`."""
        return class_means(features, label, num_classes)


class UnitEuclidean(Euclidean):
    """Softmax over negative squared distances to class means of unit length: ProtoBeam's predictor (2024)."""

    def prototypes(self, features: Tensor, label: Tensor, num_classes: int) -> Tensor:
        """Return class means scaled to unit length."""
        return normalize(class_means(features, label, num_classes), dim=1)


class LDA(LinearLearner):
    """Linear discriminant analysis: one covariance for all classes, shrunk to a multiple of the identity.

    The shrinkage is that of Ledoit and Wolf (2004), so that fewer records than features suffice; where no class has two
    records, the covariance is the identity. All classes count as equally likely.
    """

    def solve(self, x: Tensor, label: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        """Return the affine scores of Gaussian classes of one covariance."""
        means = class_means(x, label, num_classes)
        weight = solve_shrunk(x - means[label], means)
        return weight, -(weight * means).sum(dim=1) / 2


class CrossValidatedLDA(LDA):
    """The same, shrunk as gives the most right answers in five-fold cross-validation on the support.

    Ledoit and Wolf's shrinkage makes the best covariance, which is not the one that tells classes best: with about as
    many records as features, several times as much tells them better (results/label-efficiency.jsonl). Where a class
    has fewer than three records, theirs it is: a fold would leave it without a spread.
    """

    def solve(self, x: Tensor, label: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        """Return the affine scores of Gaussian classes of one covariance."""
        if int(label.bincount().min()) < 3:
            return super().solve(x, label, num_classes)
        fold = rank_in_class(label) % FOLDS
        right = torch.zeros(len(SHRINKAGES), dtype=torch.int64)
        for held in (fold == k for k in fold.unique()):
            scores = shrunk_by_each(x[~held], label[~held], num_classes)
            right += torch.stack([((x[held] @ w.T + b).argmax(dim=1) == label[held]).sum() for w, b in scores])
        return list(shrunk_by_each(x, label, num_classes))[int(right.argmax())]


class WhiteLDA(LDA):
    """The same for features that are white by what does not matter (see `White`): their scales are left as they are."""

    standardise = False


def class_means(x: Tensor, label: Tensor, num_classes: int) -> Tensor:
    """Return the mean `[C, D]` of each class's rows."""
    return torch.stack([x[label == c].mean(dim=0) for c in range(num_classes)])


def rank_in_class(label: Tensor) -> Tensor:
    """Return how many records of the same class come before each, int64 `[N]`."""
    order = label.argsort(stable=True)
    counts = label.bincount()
    rank = torch.empty_like(label)
    rank[order] = torch.arange(len(label)) - (counts.cumsum(0) - counts)[label[order]]
    return rank


def shrunk_by_each(x: Tensor, label: Tensor, num_classes: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield weight `[C, D]` and bias `[C]` of linear discriminant analysis for each of `SHRINKAGES`."""
    means = class_means(x, label, num_classes)
    spread = x - means[label]
    variance, axes = torch.linalg.eigh(spread.T @ spread / len(x))
    for shrinkage in SHRINKAGES:
        shrunk = torch.lerp(variance, variance.mean(), shrinkage).clamp_min(1e-6)
        weight = (means @ axes / shrunk) @ axes.T
        yield weight, -(weight * means).sum(dim=1) / 2


def ledoit_wolf(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the shrinkage of the covariance of centred rows `[N, D]`, and the mean variance that it shrinks to.

    Both come from the smaller of the two Gram matrices. A little is always shrunk: features may depend on each other.
    """
    num_rows, dim = x.shape
    gram = x @ x.T if num_rows < dim else x.T @ x
    variance = x.square().sum() / (num_rows * dim)
    distance = gram.square().sum() / num_rows**2 - dim * variance.square()
    noise = (x.square().sum(dim=1).square().sum() / num_rows - gram.square().sum() / num_rows**2) / num_rows
    return (noise / distance).clamp(LEAST_SHRINKAGE, 1) if distance > 0 else torch.ones_like(noise), variance


def solve_shrunk(x: Tensor, targets: Tensor) -> Tensor:
    """Return `targets` `[C, D]` times the inverse of the shrunk covariance of centred rows `[N, D]`.

    With fewer rows than features by Woodbury's identity, which needs an `N` by `N` inverse only.
    """
    num_rows, dim = x.shape
    shrinkage, variance = ledoit_wolf(x)
    if variance == 0:
        return targets
    ridge, share = shrinkage * variance, (1 - shrinkage) / num_rows
    if num_rows >= dim:
        covariance = share * x.T @ x + ridge * torch.eye(dim)
        solved: Tensor = torch.linalg.solve(covariance, targets.T).T
    elif share == 0:
        solved = targets / ridge
    else:
        inner = torch.linalg.solve(x @ x.T + ridge / share * torch.eye(num_rows), x @ targets.T)
        solved = (targets - inner.T @ x) / ridge
    return solved
