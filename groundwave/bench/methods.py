"""Methods: ways from a few labelled records to predictions, ours and the simpler ones they must beat."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import torch
from torch import Tensor

from groundwave.adapt import LEARNERS
from groundwave.adapt.finetune import FineTune
from groundwave.adapt.linear import Logistic
from groundwave.adapt.support import check_support
from groundwave.contracts import Learner, Record
from groundwave.errors import lookup
from groundwave.model import Model
from groundwave.nn import BACKBONES
from groundwave.rng import generator
from groundwave.signal.statistics import cumulants, expert_features
from groundwave.views import Crop, Rotate


@dataclass(frozen=True)
class Method:
    """A named way to learn.

    Args:
        name: as it appears in tables.
        learner: returns a new learner for the episode of a given number.
        embed: maps complex `iq` `[B, time]` to features `[B, D]`; None when the learner reads `iq` itself.
        ours: whether the method is a claim of ours (as opposed to a baseline).
    """

    name: str
    learner: Callable[[int], Learner]
    embed: Callable[[Tensor], Tensor] | None = None
    ours: bool = False


class Forest:
    """Random forest of 200 trees (scikit-learn's).

    Args:
        seed: of the trees.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, support: Record) -> Self:
        """Grow the trees on `features` and `label`."""
        from sklearn.ensemble import RandomForestClassifier

        features, label, _ = check_support(support)
        self.forest = RandomForestClassifier(200, random_state=self.seed).fit(features.numpy(), label.numpy())
        return self

    def predict(self, query: Record) -> Tensor:
        """Return the share of trees that vote for each class, `[B, C]`."""
        return torch.as_tensor(self.forest.predict_proba(query["features"].numpy()))


class Chance:
    """Guess uniformly among the classes of the support.

    Args:
        seed: of the guesses.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, support: Record) -> Self:
        """Count the classes."""
        self.num_classes = check_support(support, "iq")[2]
        return self

    def predict(self, query: Record) -> Tensor:
        """Return random probabilities `[B, C]`."""
        stream = generator(self.seed, "chance")
        return torch.rand(len(query["iq"]), self.num_classes, generator=stream).softmax(dim=-1)


def probe(name: str, model: Model, learner: str = "logistic", ours: bool = True) -> Method:
    """Return the method that trains a learner of the table on a model's frozen features."""
    return Method(name, lambda _: lookup(LEARNERS, learner, "learner")(), model.embed, ours)


def attributed(method: Method, attributes: Callable[[Tensor], Tensor]) -> Method:
    """Return a feature method that sees expert attributes beside what its encoder has learned (LSM, section V)."""
    encode = method.embed
    assert encode is not None

    def embed(iq: Tensor) -> Tensor:
        return torch.cat([encode(iq), attributes(iq)], dim=-1)

    return replace(method, embed=embed)


def from_scratch(model: Model, crop: int, steps: int = 50) -> Method:
    """Return the method that trains the model's own architecture, from random weights, on the same few labels."""
    spec = model.spec["backbone"]
    build = partial(BACKBONES[spec["name"]], **spec["args"])
    views = (Crop(crop), Rotate())
    return Method("from scratch", lambda seed: FineTune(build, model.contract, views, steps=steps, seed=seed))


CLASSICAL: tuple[Method, ...] = (
    Method("cumulants + logistic", lambda _: Logistic(), cumulants),
    Method("features + logistic", lambda _: Logistic(), expert_features),
    Method("features + forest", lambda seed: Forest(seed), expert_features),
    Method("chance", lambda seed: Chance(seed)),
)
