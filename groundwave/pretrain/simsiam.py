"""SimSiam: predict one view from the other, without negatives."""

import math
from collections.abc import Sequence

from torch import Generator, Tensor, nn
from torch.nn import functional as F

from groundwave.contracts import Record, View
from groundwave.pretrain.objective import ViewObjective


class SimSiam(ViewObjective):
    """Negative cosine between a prediction from one view and the other view held still (Chen and He, 2021).

    The projector has three layers, the predictor two with a bottleneck. The two views go through the network one after
    the other, so that batch norms see one view at a time.

    Args:
        backbone: what is pretrained.
        views: perturbations drawn independently for the two views of a record.
        projection: width of the projections; 2048 as published.
        bottleneck: hidden width of the predictor; a quarter of `projection` when not given, as published.
        answer: the downstream answer, when known: views that destroy it are refused.
    """

    def __init__(
        self,
        backbone: nn.Module,
        views: Sequence[View],
        projection: int = 2048,
        bottleneck: int | None = None,
        answer: str | None = None,
    ) -> None:
        super().__init__(backbone, views, answer)
        width, hidden = self.num_features, bottleneck or projection // 4
        self.project = nn.Sequential(
            nn.Linear(width, width, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, width, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, projection, bias=False),
            nn.BatchNorm1d(projection, affine=False),
        )
        self.predict = nn.Sequential(
            nn.Linear(projection, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, projection),
        )

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss (equation 4; -1 at best), and the spread of projections, whose fall to 0 is a collapse."""
        projected = [self.project(self.backbone(seen)) for seen in self.look_twice(record, generator)]
        predicted = [self.predict(z) for z in projected]
        loss = simsiam_loss(*predicted, *projected)
        return {"loss": loss, "spread": spread(projected[0].detach())}


def simsiam_loss(p1: Tensor, p2: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
    """Return half of D(p1, z2) + D(p2, z1), D the mean negative cosine; no gradient flows through the projections.

    Args:
        p1: predictions from view 1, `[B, D]`.
        p2: predictions from view 2.
        z1: projections of view 1.
        z2: projections of view 2.
    """
    first = F.cosine_similarity(p1.float(), z2.detach().float(), dim=-1)
    second = F.cosine_similarity(p2.float(), z1.detach().float(), dim=-1)
    return -(first + second).mean() / 2


def spread(z: Tensor) -> Tensor:
    """Return the standard deviation of normalised projections over a batch, times the root of their width.

    It is 1 when they are spread evenly over the sphere, 0 when all are the same.
    """
    return F.normalize(z.float(), dim=-1).std(dim=0, correction=0).mean() * math.sqrt(z.shape[-1])
