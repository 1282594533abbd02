"""CLIP across modalities: the embedding of one sensor picks its own record out of the other's batch."""

from itertools import combinations

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from groundwave.contracts import Record
from groundwave.pretrain.decur import DeCUR

TEMPERATURE = 0.1  # Chen et al., 2020, table 5, for small batches; CLIP learns its own


class CLIP(DeCUR):
    """Symmetric cross entropy between modalities (Radford et al., 2021, figure 3), for two or more of them.

    Encoders, projectors and views are those of `DeCUR`, its losses are not.
    """

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss, averaged over pairs of modalities."""
        self._check_record(record)
        embedded = self._embedded(self.shared(record, generator), generator)
        losses = [matching(embedded[one], embedded[other]) for one, other in combinations(embedded, 2)]
        return {"loss": torch.stack(losses).mean()}


def matching(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean cross entropy of telling which row of `b` belongs to a row of `a`, and the other way round."""
    with torch.autocast(a.device.type, enabled=False):
        scores = F.normalize(a.float(), dim=-1) @ F.normalize(b.float(), dim=-1).T / TEMPERATURE
        own = torch.arange(len(a), device=a.device)
        return (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2
