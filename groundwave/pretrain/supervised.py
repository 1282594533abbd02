"""Supervised training: what a network learns when it is told the answers."""

from collections.abc import Sequence

from torch import Generator, Tensor, nn
from torch.nn import functional as F

from groundwave.contracts import Record, View
from groundwave.model import Model
from groundwave.nn.heads import LinearHead
from groundwave.pretrain.objective import LabelledObjective, labels_of


class Supervised(LabelledObjective):
    """Cross entropy of a linear head on the backbone's features.

    Trained, it leaves a model that answers with that head.

    Args:
        backbone: what is trained, from random weights.
        views: perturbations of the records.
        num_classes: outputs of the head.
        answer: the downstream answer, when known: views that destroy it are refused.
    """

    def __init__(self, backbone: nn.Module, views: Sequence[View], num_classes: int, answer: str | None = None) -> None:
        super().__init__(backbone, views, answer)
        self.head = LinearHead(self.num_features, num_classes)

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss and accuracy of a batch."""
        label = labels_of(record)
        scores = self.head(self.backbone(self.look(record, generator))).float()
        return {"loss": F.cross_entropy(scores, label), "accuracy": (scores.argmax(dim=-1) == label).float().mean()}

    def finished(self, model: Model, record: Record, classes: Sequence[str]) -> Model:
        """Return the model with its head."""
        args = {"in_features": self.head.in_features, "out_features": self.head.out_features}
        return model.with_head("linear", self.head, args, tuple(classes))
