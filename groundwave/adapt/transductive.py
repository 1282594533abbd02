"""Learners that look at all queries together before they answer any.

Their answers depend on the other queries of the batch, so that their scores are comparable with those of other
transductive methods only. The head that they share with `Prototype` is that of the support alone.
"""

from copy import deepcopy

import torch
from torch import Tensor
from torch.nn import functional as F

from groundwave.adapt.linear import Prototype
from groundwave.contracts import Record
from groundwave.nn.heads import CosineHead


class SoftKMeans(Prototype):
    """Cosine prototypes refined by soft k-means on the queries (Ren et al., 2018, section 3.1.1).

    Each round, every query lends its features to each prototype in the share in which it is assigned to it; support
    records count in full.

    Args:
        rounds: refinements; 0 gives `Prototype`.
    """

    transductive = True

    def __init__(self, rounds: int = 5) -> None:
        self.rounds = rounds

    def fit(self, support: Record) -> "SoftKMeans":
        """Take class means of the support, and keep how many records are behind each."""
        super().fit(support)
        self.counts = torch.bincount(support["label"]).to(support["features"])
        return self

    def predict(self, query: Record) -> Tensor:
        """Return class probabilities `[B, C]` from prototypes refined on this batch."""
        features = query["features"]
        return self.refined(features)(features).detach().softmax(dim=-1)  # type: ignore[no-any-return]

    @torch.no_grad()
    def refined(self, features: Tensor) -> CosineHead:
        """Return the head after all rounds on queries `[B, D]`."""
        head = deepcopy(self.head)
        unit = F.normalize(features - head.centre, dim=-1)
        total = self.counts[:, None] * self.head.prototypes
        for _ in range(self.rounds):
            share = head(features).softmax(dim=-1)
            means = (total + share.T @ unit) / (self.counts + share.sum(dim=0))[:, None]
            head.prototypes.copy_(means)
        return head


class LabelPropagation(Prototype):
    """Labels that spread from the support over a graph of near neighbours (Zhou et al., 2004).

    Features are standardised over support and queries together and put on the sphere. An edge between neighbours at a
    squared distance d weighs exp(-d / (s t)), s and t the distances of the two to their last neighbour (Zelnik-Manor
    and Perona, 2004). Scores are F = (1 - alpha S)^-1 Y, S the symmetrically normalised weights. A query that no label
    reaches is left to the prototypes. Memory grows with the square of the number of queries.

    Args:
        num_neighbours: of each record.
        alpha: how far labels spread, between 0 and 1.
    """

    transductive = True

    def __init__(self, num_neighbours: int = 10, alpha: float = 0.9) -> None:
        self.num_neighbours, self.alpha = num_neighbours, alpha

    def fit(self, support: Record) -> "LabelPropagation":
        """Take class means of the support, and keep it."""
        super().fit(support)
        self.features, self.label = support["features"], support["label"]
        return self

    def predict(self, query: Record) -> Tensor:
        """Return class probabilities `[B, C]`, spread over this batch."""
        known = F.one_hot(self.label).to(self.features)
        x = torch.cat([self.features, query["features"]])
        unit = F.normalize((x - x.mean(dim=0)) / x.std(dim=0, correction=0).clamp_min(1e-6), dim=-1)
        start = torch.cat([known / known.sum(dim=0), known.new_zeros(len(query["features"]), known.shape[1])])
        weight = neighbour_graph(unit, min(self.num_neighbours, len(x) - 1))
        spread = torch.linalg.solve(torch.eye(len(x)) - self.alpha * weight, start)[len(known) :].clamp_min(0)
        reached: Tensor = spread + 1e-6 * super().predict(query)
        return reached / reached.sum(dim=1, keepdim=True)


def neighbour_graph(x: Tensor, num_neighbours: int) -> Tensor:
    """Return the symmetrically normalised weights `[N, N]` between rows `[N, D]` and their nearest neighbours."""
    distance = torch.cdist(x, x).square().fill_diagonal_(torch.inf)
    near, place = distance.topk(num_neighbours, largest=False)
    scale = near[:, -1].sqrt().clamp_min(1e-6)
    weight = torch.zeros_like(distance).scatter_(1, place, (-near / (scale[:, None] * scale[place])).exp())
    weight = torch.maximum(weight, weight.T)
    degree = weight.sum(dim=1).clamp_min(1e-12).rsqrt()
    return degree[:, None] * weight * degree
