"""Beam prediction: the strongest of all beams from a few that were measured, or from where the receiver is."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from groundwave.adapt.shares import SharesForest, SharesMLP, SitesMLP, power_shares
from groundwave.bench.methods import Forest
from groundwave.contracts import Learner, Record

NEIGHBOURS = 15
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the network beside the trees, chosen on validation sequences


@dataclass(frozen=True)
class Guesser:
    """A way to predict beams: its name, a learner for a seed, and its settings."""

    name: str
    learner: Callable[[int], Learner]
    config: Mapping[str, Any]


def measured_features(power_db: Tensor, beams: Tensor, scale: tuple[Tensor, Tensor]) -> Tensor:
    """Return what a receiver knows of measured beams `[B, 2 k]`: in a site's scale, and below the strongest of them."""
    seen = power_db[:, beams]
    mean, spread = scale
    return torch.cat([(seen - mean) / spread, (seen - seen.max(dim=1, keepdim=True).values) / 5], dim=1)


def noise_of(power: Tensor) -> tuple[Tensor, Tensor]:
    """Return a site's noise in each measured beam `[k]`, and how much it varies, from powers `[N, k]` without labels.

    Most beams hear nothing most of the time: the noise is the power that one in twenty records stays below.
    """
    low, high = power.quantile(torch.tensor([0.05, 0.25]), dim=0)
    return low, (high - low).median().clamp_min(1e-9)


def above_noise(power: Tensor, noise: tuple[Tensor, Tensor]) -> Tensor:
    """Return what a network sees of measured powers `[B, k]`: `[B, 2 k]`.

    Powers add, and noise adds to all of them: without it, ratios between beams are the same at every site. They are
    told in a scale that is logarithmic well above the noise and linear in it (asinh), and as shares of the strongest.
    """
    level, spread = noise
    above = (power - level) / spread
    return torch.cat([above.asinh() / 2, above / above.max(dim=1, keepdim=True).values.clamp_min(1)], dim=1)


def scale_of(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and spread of columns; they need no label."""
    return values.mean(dim=0), values.std(dim=0) + 1e-3


def combs(num_beams: int, num_measured: int) -> list[Tensor]:
    """Return the sets of beams that are evenly spaced over a codebook."""
    step = num_beams // num_measured
    return [torch.arange(num_measured) * step + first for first in range(step)]


def hits(scores: Tensor, label: Tensor, top: int) -> float:
    """Return how often the label is among the `top` highest scores."""
    return float((scores.topk(top, dim=1).indices == label[:, None]).any(dim=1).double().mean())


def scored(guesser: Guesser, seed: int, known: Record, asked: Record) -> Tensor:
    """Return the scores `[B, C]` of a guesser that learns from `known`."""
    return guesser.learner(seed).fit(known).predict(asked)


class BestMeasured:
    """Answer with the strongest of the measured beams; nothing is learned.

    Args:
        beams: which were measured.
    """

    def __init__(self, beams: Tensor) -> None:
        self.beams = beams

    def fit(self, support: Record) -> Self:
        """Note how many beams there are."""
        self.num_beams = support["target"].shape[1]
        return self

    def predict(self, query: Record) -> Tensor:
        """Return the measured powers below the strongest one; beams that were not measured are last."""
        scores = torch.full((len(query["features"]), self.num_beams), -torch.inf)
        scores[:, self.beams] = query["features"][:, len(self.beams) :]
        return scores


class Neighbours:
    """Nearest neighbours, weighed by their distance, that vote for their own best beam."""

    def fit(self, support: Record) -> Self:
        """Keep the support of the site that is asked about."""
        self.support = at_home(support)
        return self

    def predict(self, query: Record) -> Tensor:
        """Return the votes `[B, C]`."""
        near, place = torch.cdist(query["features"], self.support["features"]).topk(
            min(NEIGHBOURS, len(self.support["label"])), largest=False
        )
        votes = torch.zeros(len(near), self.support["target"].shape[1])
        return votes.scatter_add_(1, self.support["label"][place], 1 / (near + 1e-3))


class HomeForest:
    """The random forest of the recordings' own table: 200 trees on the labels of the site that is asked about.

    Args:
        seed: of the trees.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, support: Record) -> Self:
        """Grow the trees."""
        home = at_home(support)
        self.num_beams = home["target"].shape[1]
        self.beams, label = home["label"].unique(return_inverse=True)
        with warnings.catch_warnings():  # of few labels, many are of a beam of their own
            warnings.filterwarnings("ignore", message="The number of unique classes")
            self.forest = Forest(self.seed).fit({"features": home["features"], "label": label})
        return self

    def predict(self, query: Record) -> Tensor:
        """Return the share of trees that vote for each beam."""
        scores = torch.zeros(len(query["features"]), self.num_beams)
        scores[:, self.beams] = self.forest.predict(query).float()
        return scores


class SitesNetwork:
    """Ours, from measured beams: a network that has learned from all sites, with a code for each.

    Args:
        seed: of the network.
        steps: of its training.
    """

    def __init__(self, seed: int = 0, steps: int = 2000) -> None:
        self.network = SitesMLP(steps, seed=seed)

    def fit(self, support: Record) -> Self:
        """Learn from powers above the noise; with few labels at home, only its code."""
        self.network.fit(_heard(support))
        return self

    def predict(self, query: Record) -> Tensor:
        """Return shares `[B, C]`."""
        return self.network.predict(_heard(query))


def _heard(record: Record) -> Record:
    return {**record, "features": record["heard"]}


class Committee:
    """Ours, from position, which tells nothing about other sites: a network and trees, both of them at home.

    Both learn how good each beam would have been, not only which was best. The share of the network is chosen on
    validation sequences of the site; without any, the network is alone.

    Args:
        seed: of both.
        steps: of the network.
        trees: how many.
    """

    def __init__(self, seed: int = 0, steps: int = 800, trees: int = 100) -> None:
        self.seed, self.steps, self.trees = seed, steps, trees

    def fit(self, support: Record) -> Self:
        """Learn from home, and weigh both by the rows with `validates`."""
        home, checks = (at_home(select(support, rows)) for rows in (~support["validates"], support["validates"]))
        self.network = SharesMLP(self.steps, seed=self.seed).fit(home)
        self.forest = SharesForest(self.trees, self.seed).fit(home)
        self.weight = 1.0
        if len(checks["label"]):
            parts = self._parts(checks)
            self.weight = max(WEIGHTS, key=lambda w: (hits(mixed(parts, w), checks["label"], 1), w))
        return self

    def predict(self, query: Record) -> Tensor:
        """Return shares `[B, C]`."""
        return mixed(self._parts(query), self.weight)

    def _parts(self, query: Record) -> tuple[Tensor, Tensor]:
        return self.network.predict(query), self.forest.predict(query)


def mixed(parts: tuple[Tensor, Tensor], weight: float) -> Tensor:
    """Return the weighted mean of what network and trees say."""
    return weight * parts[0] + (1 - weight) * parts[1]


def select(record: Record, rows: Tensor) -> Record:
    """Return some rows of a record."""
    return {name: values[rows] for name, values in record.items()}


def at_home(support: Record) -> Record:
    """Return the rows of the site that is asked about."""
    return select(support, support["home"])


def known_of(power_db: Tensor, index: Tensor, home: Tensor, validates: Tensor) -> Record:
    """Return what a guesser may learn from; what it sees stands beside it (`features`, `heard`).

    Args:
        power_db: of all beams `[N, C]`.
        index: of the records.
        home: whether a record is of the site that is asked about.
        validates: whether it is of a validation sequence, by which settings are chosen.
    """
    told = {"label": power_db.argmax(dim=1), "target": power_shares(power_db)}
    return {**told, "index": index, "home": home, "validates": validates}


def best_comb(candidates: Sequence[Tensor], value: Callable[[Tensor], float]) -> Tensor:
    """Return the set of beams of the highest value."""
    return max(candidates, key=value)
