"""Curriculum labelling: learn from the surest guesses about what has no label, then from more of them."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from groundwave.adapt.discriminant import LDA
from groundwave.contracts import Record

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)


class CurriculumLabeling(LDA):
    """Linear discriminants learned from labels and, round by round, from the surest guesses about unlabelled records.

    Each round takes in a larger share (Cascante-Bonilla et al., 2021) of each guessed class (Zou et al., 2018, sec.
    3.3), and starts anew. Unlabelled records are the support's `unlabelled`; without them it is `LDA`.

    Args:
        shares: of the unlabelled records, one for each round; those of a class are this share of an equal part.
    """

    def __init__(self, shares: Sequence[float] = SHARES) -> None:
        self.shares = tuple(shares)

    def fit(self, support: Record) -> Self:
        """Learn from `features` `[B, D]` and `label` `[B]`, and from `unlabelled` `[U, D]` where given."""
        super().fit(support)
        unlabelled = support.get("unlabelled")
        if unlabelled is None:
            return self
        for share in self.shares:
            sure, guess = self._guess(unlabelled, share)
            features = torch.cat([support["features"], unlabelled[sure]])
            super().fit({"features": features, "label": torch.cat([support["label"], guess])})
        return self

    def _guess(self, unlabelled: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """Return which records are the surest of each class, and the guesses about them."""
        confidence, guess = super().predict({"features": unlabelled}).max(dim=1)
        most = max(1, round(share * len(unlabelled) / self.head.out_features))
        rows = [(guess == c).nonzero()[:, 0] for c in range(self.head.out_features)]
        sure = torch.cat([some[confidence[some].argsort(descending=True)[:most]] for some in rows])
        return sure, guess[sure]


class WhiteCurriculum(CurriculumLabeling):
    """The same for features that are white already (see `White`): their scales are left as they are."""

    standardise = False


class QueryCurriculum(CurriculumLabeling):
    """Curriculum labelling, its unlabelled records being the queries of a batch: transductive."""

    transductive = True
    inductive: type[CurriculumLabeling] = CurriculumLabeling

    def fit(self, support: Record) -> Self:
        """Learn from the support alone, and keep it."""
        self.support = {key: support[key] for key in ("features", "label")}
        return super().fit(self.support)

    def predict(self, query: Record) -> Tensor:
        """Return class probabilities `[B, C]`, learned from this batch as well."""
        learner = self.inductive(self.shares).fit({**self.support, "unlabelled": query["features"]})
        return learner.predict(query)


class WhiteQueryCurriculum(QueryCurriculum):
    """The same for features that are white already."""

    inductive = WhiteCurriculum
    standardise = False
