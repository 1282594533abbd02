"""Forecasting: which cells of the next time slices will be occupied, from the slices so far."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from groundwave.contracts import Record
from groundwave.errors import DataError
from groundwave.tasks.heads import future_head
from groundwave.tasks.levels import histogram, rates_at
from groundwave.tasks.masks import cells_of, checked_mask, cross_entropy, occupied
from groundwave.tasks.occupancy import MOST_CLASSES


@dataclass(frozen=True)
class Forecasting:
    """Predict the occupancy of the last slices of a record from what came before.

    The model never sees the slices in question, not even through a record's noise floor. Scores are told for each
    horizon h = 1, 2, ... slices ahead: `detection h` is the talk's probability of correct occupied predictions (its
    Fig. 6): of the cells truly occupied, the share predicted so. Alone it would reward who always says occupied, so
    `false alarm h` and `F1 h` stand beside it; `F1` is the mean over horizons.

    Args:
        num_slices: how many slices to predict.
        slice: frames of a slice.
        context: last frames of the past that the head looks at (the backbone has seen all).
        threshold: probability from which a cell is predicted to be occupied.
    """

    num_slices: int = 4
    slice: int = 8
    context: int = 16
    threshold: float = 0.5
    classes: tuple[str, ...] = ("free", "occupied")
    chosen_by: str = "F1"

    @property
    def num_frames(self) -> int:
        """How many frames are predicted."""
        return self.num_slices * self.slice

    def observed(self, record: Record) -> Record:
        """Return the record without its last slices; raises `DataError` when no slice would be left."""
        spec = record["spec"]
        if spec.shape[-1] < self.num_frames + self.slice:
            raise DataError(
                got=f"records of {spec.shape[-1]} frames",
                expected=f"one slice of {self.slice} frames and the {self.num_slices} that follow, at least",
                do="give longer records, or predict less",
            )
        return {**record, "spec": spec[..., : -self.num_frames]}

    def target(self, record: Record) -> Tensor:
        """Return which cells of the future are occupied, int64 `[B, freq, num_frames]`."""
        return cells_of(checked_mask(record, MOST_CLASSES)[..., -self.num_frames :])

    def head(self, backbone: nn.Module) -> tuple[str, dict[str, Any]]:
        """Return the head's name in `HEADS` and its arguments."""
        return future_head(backbone, len(self.classes), self.num_frames, self.context)

    def loss(self, scores: Tensor, target: Tensor) -> Tensor:
        """Return the mean cross entropy over cells."""
        return cross_entropy(scores, target)

    def tally(self, probabilities: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return a histogram for each horizon, `[num_slices, 2, levels]`; it adds up over batches."""
        told = occupied(probabilities).split(self.slice, dim=-1)
        true = target.split(self.slice, dim=-1)
        return {"levels": torch.stack([histogram(p, t) for p, t in zip(told, true, strict=True)])}

    def scores(self, total: dict[str, Tensor]) -> dict[str, float]:
        """Return the scores of a tally."""
        rates = rates_at(total["levels"], self.threshold)
        named = {f"{name} {h + 1}": float(rates[name][h]) for name in rates for h in range(self.num_slices)}
        return {"F1": float(rates["F1"].nanmean()), **{k: v for k, v in named.items() if v == v}}
