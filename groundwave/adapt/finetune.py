"""Training the whole network on a few labels: from pretrained weights, or from scratch as the baseline to beat."""

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from groundwave.adapt.descent import descend
from groundwave.adapt.support import check_support
from groundwave.contracts import Record, View
from groundwave.model import InputContract
from groundwave.nn.complex import to_channels
from groundwave.nn.heads import LinearHead
from groundwave.rng import generator
from groundwave.views import Compose


class FineTune:
    """A network learner: backbone and linear head trained together on the support.

    Args:
        backbone: returns the network to start from, called once per fit.
        contract: what the network takes.
        views: perturbations of the support, drawn anew each step.
        steps: gradient steps, each on the whole support.
        lr: peak learning rate.
        seed: of the head and the views.
    """

    def __init__(
        self,
        backbone: Callable[[], nn.Module],
        contract: InputContract,
        views: Sequence[View] = (),
        steps: int = 100,
        lr: float = 2e-3,
        seed: int = 0,
    ) -> None:
        self.build, self.contract, self.view = backbone, contract, Compose(views)
        self.steps, self.lr, self.seed = steps, lr, seed

    def fit(self, support: Record) -> Self:
        """Train on complex `iq` `[B, time]` and `label` `[B]`."""
        iq, label, num_classes = check_support(support, key="iq")
        record = {"iq": self.contract.prepare(iq)}
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.set_state(generator(self.seed, "finetune").get_state())
            self.backbone = self.build().train()
            self.head = LinearHead(int(self.backbone.num_features), num_classes)  # type: ignore[arg-type]

        def loss(step: int) -> Tensor:
            seen = self.view(record, generator(self.seed, "view", step))["iq"]
            with torch.autocast("cpu", torch.bfloat16):
                scores = self.head(self.backbone(to_channels(seen)))
            return F.cross_entropy(scores.float(), label, label_smoothing=0.1)

        parameters = [*self.backbone.parameters(), *self.head.parameters()]
        descend(parameters, loss, steps=self.steps, lr=self.lr, weight_decay=0.05)
        return self

    @torch.no_grad()
    def predict(self, query: Record) -> Tensor:
        """Return class probabilities `[B, C]` for complex `iq` `[B, time]`."""
        self.backbone.eval()
        parts = []
        for batch in self.contract.prepare(query["iq"]).split(512):
            with torch.autocast("cpu", torch.bfloat16):
                parts.append(self.head(self.backbone(to_channels(batch))).float().softmax(dim=-1))
        return torch.cat(parts)
