"""Heads: from features to class scores, to a direction, or to the space where a contrastive loss is taken."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class LinearHead(nn.Linear):
    """An affine map from features to class scores."""


class CosineHead(nn.Module):
    """Scaled cosine similarity to one prototype per class (Gidaris and Komodakis, 2018).

    Args:
        num_features: width of the features.
        num_classes: number of prototypes.
        scale: inverse temperature of the softmax that follows.
    """

    def __init__(self, num_features: int, num_classes: int, scale: float = 10.0) -> None:
        super().__init__()
        self.scale = scale
        self.centre = nn.Parameter(torch.zeros(num_features))
        self.prototypes = nn.Parameter(torch.empty(num_classes, num_features))
        nn.init.orthogonal_(self.prototypes)

    def forward(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch classes"]:
        """Return the scaled cosine between centred features and each prototype."""
        cosine = F.normalize(features - self.centre, dim=-1) @ F.normalize(self.prototypes, dim=-1).T
        return self.scale * cosine


class MLPHead(nn.Sequential):
    """LSM's few-shot head: linear, LeakyReLU 0.2, linear.

    The released code also bends the scores by a LeakyReLU; we do not.

    Args:
        num_features: width of the features.
        num_classes: number of classes.
        hidden: hidden width; half of the features when not given, as published.
    """

    def __init__(self, num_features: int, num_classes: int, hidden: int | None = None) -> None:
        hidden = hidden or num_features // 2
        super().__init__(nn.Linear(num_features, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, num_classes))


class DirectionHead(nn.Linear):
    """A direction as (azimuth, elevation) in radians: where the vector points that an affine map makes of the features.

    A vector has no edge where angles jump, and its length is free. Both angles are arctangents of one quotient: ONNX
    makes 14 operations of each `atan2`, which take as long as a small network. Exactly behind the array, where azimuth
    is both 180 and -180 degrees, it is 0.

    Args:
        num_features: width of the features.
    """

    output = "angles"
    meaning = "angles [batch, 2]: azimuth and elevation of one source in radians; no probabilities"
    times: Tensor

    def __init__(self, num_features: int) -> None:
        super().__init__(num_features, 3)
        nn.init.zeros_(self.bias)
        with torch.no_grad():
            self.bias[0] = 1.0  # straight ahead
        self.register_buffer("times", torch.tensor([2.0, 1.0]), persistent=False)

    def forward(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch 2"]:
        """Return azimuth, twice the angle whose tangent is y / (x + |xy|), and elevation, of z / |xy|."""
        vector = super().forward(features)
        x, level = vector[:, :1], (vector[:, :2].square().sum(dim=-1, keepdim=True) + 1e-12).sqrt()
        below = torch.cat((x + level, level), dim=-1).clamp_min(1e-20)
        return (vector[:, 1:] / below).atan() * self.times

    def answer(self, angle: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
        """Return the angles as they are."""
        return angle


def answer(head: nn.Module, scores: Tensor, dim: int = -1) -> Tensor:
    """Return what a head's outputs say: class probabilities along `dim`, or what the head itself makes of them."""
    said: Tensor = head.answer(scores) if hasattr(head, "answer") else scores.softmax(dim)  # type: ignore[operator]
    return said


class ProjectionHead(nn.Sequential):
    """SimCLR's projector: a hidden layer with batch norm, then the space of the loss; thrown away after pretraining."""

    def __init__(self, num_features: int, dim: int = 128) -> None:
        super().__init__(
            nn.Linear(num_features, num_features, bias=False),
            nn.BatchNorm1d(num_features),
            nn.ReLU(),
            nn.Linear(num_features, dim),
        )
