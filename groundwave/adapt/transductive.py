"""Learners that look at all queries together before they answer any."""

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
    records count in full. It is transductive: an answer depends on the other queries of the batch, so that a score is
    comparable with those of other transductive methods only. `head` is that of the support alone.

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
