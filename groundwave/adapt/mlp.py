"""LSM's few-shot head: a small perceptron on frozen features."""

from typing import Any, Self

import torch
from torch.nn import functional as F

from groundwave.adapt.descent import descend
from groundwave.adapt.linear import FeatureLearner
from groundwave.adapt.support import check_support
from groundwave.contracts import Record
from groundwave.nn.heads import MLPHead
from groundwave.rng import generator


class MLP(FeatureLearner):
    """Full-batch training of `MLPHead` on the support.

    Args:
        steps: gradient steps; LSM takes about 2000.
        lr: learning rate; LSM takes 1e-4.
        seed: of the initial weights.
    """

    head_name = "mlp"
    head: MLPHead

    def __init__(self, steps: int = 500, lr: float = 1e-3, seed: int = 0) -> None:
        self.steps, self.lr, self.seed = steps, lr, seed

    def fit(self, support: Record) -> Self:
        """Train a new head."""
        features, label, num_classes = check_support(support)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.set_state(generator(self.seed, "mlp").get_state())
            self.head = MLPHead(features.shape[1], num_classes)
        descend(
            self.head.parameters(), lambda _: F.cross_entropy(self.head(features), label), steps=self.steps, lr=self.lr
        )
        return self

    def head_args(self) -> dict[str, Any]:
        """Return the arguments that rebuild the head."""
        first, last = self.head[0], self.head[2]
        return {"num_features": first.in_features, "num_classes": last.out_features, "hidden": first.out_features}
