"""ProtoNet: the nearest class mean, learned by episodes."""

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from groundwave.contracts import Record
from groundwave.pretrain.episode import EpisodicObjective


class ProtoNet(EpisodicObjective):
    """Cross entropy of a softmax over negative squared distances to class means (Snell et al., 2017, eq. 2).

    Its predictor on new classes is the learner `euclidean` on the features.
    """

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss and accuracy of one episode."""
        seen, target = self.draw(record, generator)
        support, query = self.part(self.backbone(seen).float())
        scores = -squared_distances(query, support.mean(dim=1))
        return {
            "loss": F.cross_entropy(scores, target),
            "accuracy": (scores.argmax(dim=-1) == target).float().mean(),
        }


def squared_distances(query: Tensor, prototypes: Tensor) -> Tensor:
    """Return the squared Euclidean distance `[Q, C]` of queries `[Q, D]` to prototypes `[C, D]`."""
    return torch.stack([(query - prototype).square().sum(dim=-1) for prototype in prototypes], dim=-1)
