"""Masked modelling of several modalities at once, on one trunk."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor, nn

from groundwave.contract import Contract
from groundwave.contracts import Record, View
from groundwave.errors import GroundwaveError
from groundwave.nn.multimodal import MultiModalViT
from groundwave.pretrain.msm import MaskedSpectrogramModeling

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTHING: Mapping[str, Mapping[str, Any]] = {}


class MultiModalMSM(nn.Module):
    """The mean of the masked modelling losses of all modalities, so that every step teaches the trunk all of them.

    A record holds a batch of each modality under its key; they need not belong together (`SideBySide`).

    Args:
        backbone: what is pretrained.
        views: perturbations of a record before parts of it are hidden.
        contracts: of each modality, what makes network channels of a record.
        settings: by modality, the arguments of its `MaskedSpectrogramModeling` (mask, ratio, decoder, ...).
        answer: the downstream answer, when known: views that destroy it are refused.
    """

    def __init__(
        self,
        backbone: MultiModalViT,
        views: Sequence[View],
        contracts: Mapping[str, Contract],
        settings: Mapping[str, Mapping[str, Any]] = NOTHING,
        answer: str | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(backbone, MultiModalViT):
            raise GroundwaveError(
                got=f"objective multimodal_msm on a {type(backbone).__name__}",
                expected="a backbone with a stem for each modality",
                do="pretrain --backbone multimodal_vit",
            )
        self.tasks = nn.ModuleDict()
        for name, contract in contracts.items():
            network, _ = backbone.for_modality(name)
            args = settings.get(name, {})
            self.tasks[name] = MaskedSpectrogramModeling(network, views, contract, answer=answer, **args)

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the mean loss, and how much is explained of the hidden part of each modality."""
        scalars = {name: task(record, generator) for name, task in self.tasks.items()}
        loss = torch.stack([found["loss"] for found in scalars.values()]).mean()
        return {"loss": loss, **{f"{name} explained": found["explained"] for name, found in scalars.items()}}

    def picture(self, record: Record, generator: Generator) -> "Figure":
        """Draw what is made of the first modality."""
        first: Any = next(iter(self.tasks.values()))
        return first.picture(record, generator)  # type: ignore[no-any-return]
