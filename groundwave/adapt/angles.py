"""Directions by prototypes: a few labelled records for each of some angles, and every angle between them told."""

from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from groundwave.errors import DataError


def class_means(
    x: Float[Tensor, "record features"], value: Float[Tensor, " record"]
) -> tuple[Float[Tensor, "classes features"], Float[Tensor, " classes"]]:
    """Return the mean of each class's features and its value; a class is what has the same value."""
    if len(x) != len(value) or len(value) == 0:
        raise DataError(f"{len(value)} values for {len(x)} records", "one for each, and some", "label them all")
    known, of = value.unique(return_inverse=True)
    total = torch.zeros(len(known), x.shape[1]).index_add_(0, of, x)
    return total / torch.bincount(of)[:, None], known


class PrototypeRegression:
    """The mean of the prototypes' values, weighted by a softmax over negative squared distances (after ProtoAoA).

    Features come from a network trained as `ProtoNet`, whose softmax it is. With `nearest`, the nearest prototype's
    value, as a classifier of angles answers.

    Args:
        nearest: whether the nearest prototype decides alone.
    """

    def __init__(self, nearest: bool = False) -> None:
        self.nearest = nearest

    def fit(self, features: Float[Tensor, "record features"], value: Float[Tensor, " record"]) -> Self:
        """Take the class means."""
        self._prototypes, self._values = class_means(features, value)
        return self

    def predict(self, features: Float[Tensor, "record features"]) -> Float[Tensor, " record"]:
        """Return a value for each record."""
        distance = torch.cdist(features, self._prototypes)
        if self.nearest:
            return self._values[distance.argmin(-1)]
        return (-distance.square()).softmax(-1) @ self._values


class ResidualPrototypes:
    """An estimate, mended by what it misses at prototypes nearby (ours): few labels say where an array misleads it.

    The residual at a prototype is its value less the mean estimate of its records; a query takes the mean residual of
    the prototypes, weighted by a Gaussian of their distance.

    Args:
        width: standard deviation of the Gaussian, in the unit of the values.
    """

    def __init__(self, width: float) -> None:
        self.width = width

    def fit(self, estimate: Float[Tensor, " record"], value: Float[Tensor, " record"]) -> Self:
        """Take the residual of each class."""
        means, values = class_means(estimate[:, None], value)
        self._places, self._residuals = means[:, 0], values - means[:, 0]
        return self

    def predict(self, estimate: Float[Tensor, " record"]) -> Float[Tensor, " record"]:
        """Return the mended estimates."""
        apart = (estimate[:, None] - self._places) / self.width
        return estimate + (-apart.square() / 2).softmax(-1) @ self._residuals
