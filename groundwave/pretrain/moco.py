"""MoCo: a queue of negatives, encoded by a slow copy of the network."""

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from groundwave.contracts import Record, View
from groundwave.errors import GroundwaveError
from groundwave.nn.heads import ProjectionHead
from groundwave.pretrain.objective import ViewObjective, kin


class MoCo(ViewObjective):
    """Momentum contrast, version 2 (He et al., 2020, Algorithm 1; Chen et al., 2020b): InfoNCE against a queue.

    A training step moves the key encoder towards the query encoder, then replaces the oldest keys of the queue. In
    evaluation nothing moves.

    Args:
        backbone: what is pretrained; the key encoder is a copy of it.
        views: perturbations drawn independently for query and key.
        temperature: of InfoNCE; 0.2 as published.
        projection: width of the contrastive space; 128 as published.
        momentum: share of the key encoder that a step keeps; 0.999 as published.
        queue_size: keys kept as negatives; 65536 as published for a million pictures.
        answer: the downstream answer, when known: views that destroy it are refused.
    """

    queue: Tensor
    queue_group: Tensor
    oldest: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        views: Sequence[View],
        temperature: float = 0.2,
        projection: int = 128,
        momentum: float = 0.999,
        queue_size: int = 4096,
        answer: str | None = None,
    ) -> None:
        super().__init__(backbone, views, answer)
        if not 0 <= momentum < 1:
            raise GroundwaveError(f"momentum {momentum}", "0 up to, but not, 1", "change momentum")
        self.temperature, self.momentum = temperature, momentum
        self.project = ProjectionHead(self.num_features, projection)
        self.key_encoder = deepcopy(nn.Sequential(backbone, self.project)).requires_grad_(False)
        self.register_buffer("queue", F.normalize(nn.init.normal_(torch.empty(queue_size, projection)), dim=-1))
        self.register_buffer("queue_group", torch.full((queue_size,), -1))
        self.register_buffer("oldest", torch.tensor(0))

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss of a batch, and move key encoder and queue when training."""
        first, second = self.look_twice(record, generator)
        query = F.normalize(self.project(self.backbone(first)).float(), dim=-1)
        with torch.no_grad():
            if self.training:
                self.follow()
            key = F.normalize(self.key_encoder(second).float(), dim=-1)
        group = kin(record)
        loss = info_nce(query, key, self.queue, self.temperature, self._no_negatives(group))
        if self.training:
            self.enqueue(key, group)
        return {"loss": loss}

    @torch.no_grad()
    def follow(self) -> None:
        """Move the key encoder towards the query encoder (equation 2)."""
        followed = [*self.backbone.parameters(), *self.project.parameters()]
        for slow, fast in zip(self.key_encoder.parameters(), followed, strict=True):
            slow.lerp_(fast, 1 - self.momentum)

    @torch.no_grad()
    def enqueue(self, key: Tensor, group: Tensor | None) -> None:
        """Replace the oldest keys of the queue by `key` `[B, D]`; of a larger batch the last ones stay."""
        size = len(self.queue)
        place = ((self.oldest + torch.arange(len(key), device=key.device)) % size)[-size:]
        fresh = torch.full_like(place, -1) if group is None else group[-size:]
        # Not in place: the gradient of this step still needs the queue as it was.
        self.queue = self.queue.index_copy(0, place, key[-size:])
        self.queue_group = self.queue_group.index_copy(0, place, fresh)
        self.oldest = (self.oldest + len(key)) % size

    def _no_negatives(self, group: Tensor | None) -> Tensor | None:
        """Return which keys of the queue are of a query's own recording, `[B, K]`."""
        return None if group is None else (group[:, None] == self.queue_group) & (group >= 0)[:, None]


def info_nce(query: Tensor, key: Tensor, queue: Tensor, temperature: float, left_out: Tensor | None = None) -> Tensor:
    """Return the cross entropy of picking a query's own key out of its key and the queue (He et al., 2020, eq. 1).

    Args:
        query: unit vectors `[B, D]`.
        key: their keys, unit vectors `[B, D]`.
        queue: negatives, unit vectors `[K, D]`.
        temperature: of the softmax.
        left_out: bool `[B, K]`: pairs that are no negatives.
    """
    positive = (query * key).sum(dim=-1, keepdim=True)
    negative = (query @ queue.T).float()
    if left_out is not None:
        negative = negative.masked_fill(left_out, -torch.inf)
    scores = torch.cat([positive, negative], dim=-1) / temperature
    return F.cross_entropy(scores, torch.zeros(len(query), dtype=torch.int64, device=query.device))
