"""SimCLR: two views of a record attract, those of other records repel."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from groundwave.contracts import Record, View
from groundwave.nn.heads import ProjectionHead
from groundwave.pretrain.contrastive import nt_xent
from groundwave.pretrain.objective import ViewObjective, kin


class SimCLR(ViewObjective):
    """NT-Xent between two views behind a projector (Chen et al., 2020), for any backbone.

    Args:
        backbone: what is pretrained.
        views: perturbations drawn independently for the two views of a record.
        temperature: of NT-Xent; 0.5 in LSM's framework and in SimCLR's small-image setting.
        projection: width of the contrastive space; 128 as published.
        answer: the downstream answer, when known: views that destroy it are refused.
    """

    def __init__(
        self,
        backbone: nn.Module,
        views: Sequence[View],
        temperature: float = 0.5,
        projection: int = 128,
        answer: str | None = None,
    ) -> None:
        super().__init__(backbone, views, answer)
        self.temperature = temperature
        self.project = ProjectionHead(self.num_features, projection)

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss; both views go through the network as one batch, as published."""
        a, b = self.project(self.backbone(torch.cat(self.look_twice(record, generator)))).chunk(2)
        return {"loss": nt_xent(a, b, self.temperature, kin(record))}
