"""ProtoBeam: ProtoNet for beams, whose prototypes have unit length."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from groundwave.contracts import Record, View
from groundwave.model import Model
from groundwave.nn.heads import CosineHead, LinearHead
from groundwave.pretrain.episode import EpisodicObjective, draw_episode
from groundwave.pretrain.objective import labels_of
from groundwave.pretrain.protonet import squared_distances


class ProtoBeam(EpisodicObjective):
    """Cross entropy of a softmax over negative squared distances to prototypes (Mashaal et al., 2024, Algorithm 1).

    As published, prototypes are normalised and queries are not; with both, distances are those of cosines. The
    predictor on new classes is the learner `protobeam`, or `prototypes` with both. Trained, it leaves a model that
    answers by the prototypes of a batch of what it was trained on, where that holds all classes. An episode holds one
    record of a `group` at most: blocks of one frame would let a query find itself in the support.

    Args:
        backbone: what is trained.
        views: perturbations of support and query; amplitude and rotation as published.
        num_ways: beams per episode.
        num_shots: support records per beam.
        num_queries: query records per beam.
        normalise_prototypes: to unit length, after the mean.
        normalise_queries: to unit length, and the support before its mean.
        scale: multiplies distances; without lengths to learn, a softmax over cosines needs one above 1.
        answer: the downstream answer, when known: views that destroy it are refused.
    """

    def __init__(
        self,
        backbone: nn.Module,
        views: Sequence[View],
        num_ways: int = 8,
        num_shots: int = 4,
        num_queries: int = 4,
        normalise_prototypes: bool = True,
        normalise_queries: bool = False,
        scale: float = 1.0,
        answer: str | None = None,
    ) -> None:
        super().__init__(backbone, views, num_ways, num_shots, num_queries, answer)
        self.normalise_prototypes, self.normalise_queries, self.scale = normalise_prototypes, normalise_queries, scale

    def rows(self, record: Record, generator: Generator) -> Tensor:
        """Return the rows of an episode, no two of one group (-1 is no group)."""
        label = labels_of(record)
        group = record.get("group", torch.full_like(label, -1))
        order = torch.randperm(len(label), generator=generator, device=generator.device).to(label.device)
        kept = order[first_of_each(group[order])]
        ways = self.num_ways, self.num_shots, self.num_queries
        return kept[draw_episode(label[kept], *ways, generator=generator).to(label.device)]

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss and accuracy of one episode."""
        seen, target = self.draw(record, generator)
        embedded = self.backbone(seen).float()
        support, query = self.part(F.normalize(embedded, dim=-1) if self.normalise_queries else embedded)
        prototypes = support.mean(dim=1)
        if self.normalise_prototypes:
            prototypes = F.normalize(prototypes, dim=-1)
        scores = -self.scale * squared_distances(query, prototypes)
        return {
            "loss": F.cross_entropy(scores, target),
            "accuracy": (scores.argmax(dim=-1) == target).float().mean(),
        }

    @torch.no_grad()
    def finished(self, model: Model, record: Record, classes: Sequence[str]) -> Model:
        """Return the model with the prototypes of a batch as its head, if the batch holds each class."""
        label = labels_of(record)
        if len(label.unique()) < len(classes):
            return model
        features = model.embed(record)
        if self.normalise_queries:
            features = F.normalize(features, dim=-1)
        prototypes = torch.stack([features[label == c].mean(dim=0) for c in range(len(classes))])
        if self.normalise_prototypes:
            prototypes = F.normalize(prototypes, dim=-1)
        if self.normalise_queries:
            told: dict[str, Any] = {"num_features": self.num_features, "num_classes": len(classes)}
            told["scale"] = 2 * self.scale  # of unit length both, |x - p|^2 = 2 - 2 x p
            cosine = CosineHead(**told)
            cosine.load_state_dict({"centre": torch.zeros(self.num_features), "prototypes": prototypes})
            return model.with_head("cosine", cosine, told, tuple(classes))
        told = {"in_features": self.num_features, "out_features": len(classes)}
        head = LinearHead(**told)
        # -|x - p|^2 = 2 x p - |p|^2 - |x|^2, and the last is the same for all classes.
        bias = -prototypes.square().sum(dim=1)
        head.load_state_dict({"weight": 2 * self.scale * prototypes, "bias": self.scale * bias})
        return model.with_head("linear", head, told, tuple(classes))


def first_of_each(group: Tensor) -> Tensor:
    """Return the places `[K]`, ascending, of the first record of each group, and of all records without one."""
    place = torch.arange(len(group), device=group.device)
    name = torch.where(group < 0, -1 - place, group)  # a name of its own for each record without a group
    _, inverse = name.unique(return_inverse=True)
    first = torch.full((len(group),), len(group), device=group.device).scatter_reduce(0, inverse, place, "amin")
    return first[inverse].eq(place).nonzero().flatten()
