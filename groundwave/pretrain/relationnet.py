"""RelationNet: a learned comparison of feature maps, by episodes."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from groundwave.contracts import Record, View
from groundwave.model import Model
from groundwave.nn.complex import to_channels
from groundwave.nn.relation import RelationHead
from groundwave.nn.token_map import TokenMap, token_map, token_width
from groundwave.pretrain.episode import EpisodicObjective


class RelationNet(EpisodicObjective):
    """Mean squared error of relations to one-hot answers (Sung et al., 2018, eq. 2), convolutions along time.

    The feature maps are the backbone's tokens. Trained, it leaves a model with a `RelationHead` that remembers the
    classes of one batch; the learner `Relation` gives that head other classes from their support.

    Args:
        backbone: what is trained; four convolutional blocks as published.
        views: perturbations of support and query.
        num_tokens: length of the feature maps; tokens are averaged to so many.
        hidden: width between the last two layers of the relation module; 8 as published.
        num_channels: input channels of the backbone.
        num_ways: classes per episode.
        num_shots: support records per class.
        num_queries: query records per class.
        answer: the downstream answer, when known: views that destroy it are refused.
    """

    def __init__(
        self,
        backbone: nn.Module,
        views: Sequence[View],
        num_tokens: int = 16,
        hidden: int = 8,
        num_channels: int = 2,
        num_ways: int = 5,
        num_shots: int = 5,
        num_queries: int = 10,
        answer: str | None = None,
    ) -> None:
        super().__init__(backbone, views, num_ways, num_shots, num_queries, answer)
        self.num_tokens, self.num_channels = num_tokens, num_channels
        width = token_width(backbone, num_channels)
        self.head = RelationHead(width, num_tokens, num_ways, num_shots, hidden)

    def maps(self, x: Tensor) -> Tensor:
        """Return feature maps `[B, num_tokens, D]` of channels `[B, channels, time]`."""
        return token_map(self.backbone.tokens(x), self.num_tokens)  # type: ignore[operator]

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss and accuracy of one episode."""
        seen, target = self.draw(record, generator)
        support, query = self.part(self.maps(seen))
        relations = self.head.relate(query, support.sum(dim=1)).sigmoid().float()
        return {
            "loss": F.mse_loss(relations, F.one_hot(target, self.num_ways).float()),
            "accuracy": (relations.argmax(dim=-1) == target).float().mean(),
        }

    @torch.no_grad()
    def finished(self, model: Model, record: Record, classes: Sequence[str]) -> Model:
        """Return the model with token maps for features, and the relation module as head over the batch's classes."""
        self.eval()
        present, label = record["label"].unique(return_inverse=True)
        inner = model.spec["backbone"]
        args = {"kind": inner["name"], "args": inner["args"], "num_tokens": self.num_tokens}
        spec = {**model.spec, "backbone": {"name": "token_map", "args": {"num_channels": self.num_channels, **args}}}
        backbone = TokenMap.around(self.backbone, self.num_channels, self.num_tokens)
        features = backbone(to_channels(model.contract.prepare(record["iq"])))
        head = self.head.remembering(features, label)
        names = tuple(classes[c] for c in present.tolist())
        return replace(model, backbone=backbone, spec=spec).with_head("relation", head, head.args(), names)
