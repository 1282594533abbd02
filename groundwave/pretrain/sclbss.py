"""SCLBSS: contrast a signal with itself turned by quarters (the pretraining of SemiAMC)."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from groundwave.contracts import Record, View
from groundwave.pretrain.contrastive import nt_xent
from groundwave.pretrain.objective import ViewObjective, kin
from groundwave.views.oscillator import quarter_turn


class SCLBSS(ViewObjective):
    """NT-Xent between two different quarter turns of each record, drawn once for the batch (Liu et al., 2021).

    The published method has no other view; those given here are applied after the turn.

    Args:
        backbone: what is pretrained; SemiAMC's as published.
        views: further perturbations.
        temperature: of NT-Xent; 0.1 as published.
        answer: the downstream answer, when known: views that destroy it are refused.
    """

    def __init__(
        self, backbone: nn.Module, views: Sequence[View], temperature: float = 0.1, answer: str | None = None
    ) -> None:
        super().__init__(backbone, views, answer)
        self.temperature = temperature
        self.project = nn.Sequential(
            nn.Linear(self.num_features, 128),
            nn.BatchNorm1d(128),
            nn.ReLU(),
            nn.Linear(128, 64),
            nn.BatchNorm1d(64),
        )

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss over both directions."""
        first, second = torch.randperm(4, generator=generator, device=generator.device)[:2]
        iq, partner = record["iq"], record.get("partner_iq", record["iq"])
        turned = {**record, "iq": quarter_turn(iq, first), "partner_iq": quarter_turn(partner, second)}
        a, b = (self.project(self.backbone(seen)) for seen in self.look_twice(turned, generator))
        return {"loss": nt_xent(a, b, self.temperature, kin(record))}
