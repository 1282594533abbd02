"""How much one thing tells about another: mutual information in bits, by estimators that err in different ways.

Between features two: `gaussian_copula` sees what is linear behind the ranks, `ksg` whatever neighbours show, and falls
short where dimensions are many. With labels two: `ross` by neighbours, and `probe`, what a linear classifier gets out.
"""

import math
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial import cKDTree
from scipy.special import digamma, ndtri
from torch import Tensor

from groundwave.errors import DataError
from groundwave.pretrain.correlation import num_common
from groundwave.rng import generator

Array = npt.NDArray[np.float64]
NEAREST = 3  # neighbours, as in Kraskov et al.
FOLDS = 5  # of records, each asked about by a classifier that learned from the others
_TIES = 1e-10  # of a standard deviation: so little apart are equal values, that neighbours can be counted


class Measured(NamedTuple):
    """A mutual information: between what, by which estimator, how many bits."""

    between: str
    estimator: str
    bits: float


def gaussian_copula(x: Array, y: Array) -> float:
    """Return bits between the columns of `x` and `y` `[N, ...]`, as if their ranks were those of joint Gaussians.

    A lower bound for other dependences (Ince et al., Human Brain Mapping 2017). Of Gaussians it is unbiased: the
    expected log-determinant of a Wishart matrix is taken out.
    """
    joint = np.concatenate([_normal_scores(x), _normal_scores(y)], axis=1)
    freedom, (wide, all_) = len(joint) - 1, (x.shape[1], joint.shape[1])
    covariance = np.cov(joint.T)

    def log_determinant(rows: slice, num: int) -> float:
        bias = digamma((freedom - np.arange(num)) / 2).sum()
        return float(np.linalg.slogdet(covariance[rows, rows])[1] - bias)

    nats = log_determinant(slice(0, wide), wide) + log_determinant(slice(wide, all_), all_ - wide)
    return (nats - log_determinant(slice(0, all_), all_)) / (2 * math.log(2))


def ksg(x: Array, y: Array) -> float:
    """Return bits between the columns of `x` and `y` `[N, ...]` (Kraskov et al., Physical Review E 2004, eq. 8)."""
    x, y = _standard(x, "x"), _standard(y, "y")
    both = np.concatenate([x, y], axis=1)
    radius = cKDTree(both).query(both, NEAREST + 1, p=np.inf)[0][:, -1]
    near = [_neighbours(part, radius) for part in (x, y)]
    nats = digamma(NEAREST) + digamma(len(x)) - np.mean([digamma(count + 1) for count in near], axis=1).sum()
    return float(nats) / math.log(2)


def ross(x: Array, label: Array) -> float:
    """Return bits between the columns of `x` `[N, ...]` and labels `[N]` by neighbours (Ross, PLOS ONE 2014, eq. 2)."""
    x, num = _standard(x, "x"), len(x)
    radius, same = np.empty(num), np.empty(num)
    for code in np.unique(label):
        rows = label == code
        if rows.sum() <= NEAREST:
            raise _too_few(f"{int(rows.sum())} records of label {int(code)}", NEAREST + 1)
        radius[rows] = cKDTree(x[rows]).query(x[rows], NEAREST + 1, p=np.inf)[0][:, -1]
        same[rows] = rows.sum()
    within = digamma(_neighbours(x, radius) + 1)
    return float(digamma(num) + digamma(NEAREST) - (digamma(same) + within).mean()) / math.log(2)


def probe(x: Array, label: Array) -> float:
    """Return bits about labels `[N]` that logistic regression gets out of the columns of `x` `[N, ...]`.

    H(label) less the cross entropy on records that it did not see, in five folds (Barber and Agakov, 2003): in the mean
    a lower bound. It may come out below zero, where it is of no use.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    names, code = np.unique(label, return_inverse=True)
    count = np.bincount(code)
    if count.min() < FOLDS:
        raise _too_few(f"{count.min()} records of label {int(names[count.argmin()])}", FOLDS)
    share = count / len(code)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    model = LogisticRegression(max_iter=1000)
    said = cross_val_predict(model, _standard(x, "x"), code, cv=folds, method="predict_proba")
    nats = np.log(said[np.arange(len(code)), code].clip(1e-12)).mean() - (share * np.log(share)).sum()
    return float(nats) / math.log(2)


BETWEEN_FEATURES: Mapping[str, Callable[[Array, Array], float]] = {"Gaussian copula": gaussian_copula, "KSG": ksg}
WITH_LABELS: Mapping[str, Callable[[Array, Array], float]] = {"Ross": ross, "probe": probe}
NUM_DIMS = 4  # principal components of a block
AS_MANY = "common, as many: all, label"  # what common dimensions tell in as many components as all blocks have together


def principal(x: Array, num_dims: int) -> Array:
    """Return the first principal components of `x` `[N, ...]`, as many as there are at most, largest first."""
    centred = x - x.mean(axis=0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    some: Array = (left * size)[:, : min(num_dims, int((size > 1e-9 * size[0]).sum()))]
    return some


def blocks_of(embeddings: Tensor, common: float) -> dict[str, Tensor]:
    """Return the common and the unique dimensions of DeCUR's embeddings `[N, D]`, as far as there are such."""
    num = num_common(embeddings.shape[1], common)
    blocks = {"common": embeddings[:, :num], "unique": embeddings[:, num:]}
    return {name: block for name, block in blocks.items() if block.shape[1]}


def information(
    embeddings: Mapping[str, Tensor], label: Tensor, common: float, num_dims: int = NUM_DIMS
) -> list[Measured]:
    """Return what blocks of embeddings tell about each other and about labels, by every estimator.

    Of each block the first principal components are looked at, because neighbours tell little in many dimensions.
    Common blocks are asked for as many of them as both kinds have together, too (`AS_MANY`): what all blocks tell
    beyond that is owed to the unique ones, and not to more dimensions.

    Args:
        embeddings: by modality `[N, D]`, of the same records.
        label: int64 `[N]`; records without (-1) are left out.
        common: share of the dimensions that are common, the first ones.
        num_dims: principal components of each block.

    Raises:
        DataError: too few records.
    """
    known = label >= 0
    codes = label[known].cpu().numpy()
    if len(codes) < 4 * num_dims:
        raise _too_few(f"{len(codes)} labelled records", 4 * num_dims)
    parts: dict[str, dict[str, Array]] = {}
    wide = []
    for name, z in embeddings.items():
        for block, tensor in blocks_of(z, common).items():
            values = tensor[known].double().cpu().numpy()
            parts.setdefault(block, {})[name] = principal(values, num_dims)
            if block == "common":
                wide.append(principal(values, 2 * num_dims))
    asked = {f"{block}: {name}, label": x for block, some in parts.items() for name, x in some.items()}
    together = {block: np.concatenate(list(some.values()), axis=1) for block, some in parts.items()}
    asked |= {f"{block}: all, label": x for block, x in together.items()}
    if len(parts) > 1:
        asked[AS_MANY] = np.concatenate(wide, axis=1)
    asked["all: all, label"] = np.concatenate(list(together.values()), axis=1)
    return [
        *(
            Measured(f"{block}: {one}, {other}", name, of(some[one], some[other]))
            for block, some in parts.items()
            for one, other in combinations(some, 2)
            for name, of in BETWEEN_FEATURES.items()
        ),
        *(Measured(what, name, of(x, codes)) for what, x in asked.items() for name, of in WITH_LABELS.items()),
    ]


def _normal_scores(x: Array) -> Array:
    """Return what a standard normal has at the ranks of each column."""
    rank = x.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    scores: Array = ndtri((rank + 1) / (len(x) + 1))
    return scores


def _standard(x: Array, side: str) -> Array:
    """Return columns at zero mean and unit deviation, equal values a hair apart, by another draw on each side."""
    drawn = torch.randn(x.shape, dtype=torch.float64, generator=generator(0, "information", "ties", side)).numpy()
    standard: Array = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-12) + _TIES * drawn
    return standard


def _neighbours(x: Array, radius: Array) -> npt.NDArray[Any]:
    """Return how many others are nearer to each row than its radius, in the largest coordinate."""
    inside = np.nextafter(radius, 0)
    counted: npt.NDArray[Any] = cKDTree(x).query_ball_point(x, inside, p=np.inf, return_length=True) - 1
    return counted


def _too_few(got: str, least: int) -> DataError:
    return DataError(got, f"at least {least}", "give more records")
