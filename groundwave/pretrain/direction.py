"""Directions of arrival, learned from records whose source is known: one direction a record."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from groundwave.contract import Contract
from groundwave.contracts import Record, View
from groundwave.errors import DataError
from groundwave.model import Model
from groundwave.nn.heads import DirectionHead
from groundwave.pretrain.objective import LabelledObjective, ViewObjective
from groundwave.signal.array import separation_rad, unit_vector

AXES = ("azimuth", "elevation")  # what a model with a `DirectionHead` calls its outputs, in radians


class Direction(LabelledObjective):
    """The mean distance between unit vectors, of a `DirectionHead`'s answer and of the source's direction.

    Trained, it leaves a model that answers with that head: azimuth and elevation in radians. The distance, and not its
    square: few records far off below the threshold of SNR would else outweigh all others.

    Args:
        backbone: what is trained, from random weights.
        views: perturbations of the records.
        contract: of the records.
        answer: the downstream answer, when known: views that destroy it are refused.
    """

    def __init__(
        self, backbone: nn.Module, views: Sequence[View], contract: Contract, answer: str | None = None
    ) -> None:
        super().__init__(backbone, views, answer)
        self.contract = contract
        self.head = DirectionHead(self.num_features)

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss and the mean error in degrees."""
        wanted = only_direction(record)
        found = self.head(self.backbone(looked(self, record, generator))).float()
        chord = (unit_vector(found) - unit_vector(wanted)).square().sum(-1)
        error = separation_rad(found.detach(), wanted).mean().rad2deg()
        return {"loss": (chord + 1e-8).sqrt().mean(), "error_deg": error}

    def finished(self, model: Model, record: Record, classes: Sequence[str]) -> Model:
        """Return the model with its head."""
        return model.with_head("direction", self.head, {"num_features": self.num_features}, AXES)


def looked(objective: ViewObjective, record: Record, generator: Generator) -> Tensor:
    """Return one view of each record, whatever the modality of the objective's contract, as a network's channels."""
    contract: Any = objective.contract
    seen = objective.view({**record, "iq": record[contract.modality]}, generator)["iq"]
    channels: Tensor = contract.channels(contract.prepare(seen))
    return channels


def only_direction(record: Record) -> Tensor:
    """Return azimuth and elevation `[B, 2]`; raises `DataError` for records without one, or with several."""
    angle = record.get("angle", torch.empty(0))
    known = angle.isfinite().all(-1)
    if angle.dim() != 3 or bool((known.sum(1) != 1).any()):
        raise DataError(
            got="records without directions" if angle.dim() != 3 else "records of no source, or of several",
            expected="one direction for each record",
            do="generate angles with one source: --scene.num-sources 1 1",
        )
    return angle[known]
