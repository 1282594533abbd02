"""Forecasting: which cells of the next time slices will be occupied, from the slices so far."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn

from groundwave.contracts import Record
from groundwave.errors import DataError
from groundwave.tasks.heads import future_head
from groundwave.tasks.levels import curve, histogram, rates_at
from groundwave.tasks.masks import cells_of, checked_mask, cross_entropy, occupied
from groundwave.tasks.occupancy import MOST_CLASSES

FALSE_ALARM = 0.05  # at which detection is told whatever the threshold


@dataclass(frozen=True)
class Forecasting:
    """Predict the occupancy of the last slices of a record from what came before.

    The model never sees the slices in question, not even through a record's noise floor. Scores are told for each
    horizon h = 1, 2, ... slices ahead: `detection h` is the talk's probability of correct occupied predictions (its
    Fig. 6): of the cells truly occupied, the share predicted so. Alone it would reward who always says occupied, so
    `false alarm h` and `F1 h` stand beside it, and `detection at 5 % h`: the share where 5 % of the free cells are
    false alarms, whatever the threshold. `F1` and `area` (under the ROC) are means over horizons.

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
    chosen_by: str = "area"

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
        rates = {name: rate.tolist() for name, rate in rates_at(total["levels"], self.threshold).items()}
        curves = [curve(table) for table in total["levels"]]
        rates["detection at 5 %"] = [one.detection_at(FALSE_ALARM) for one in curves]
        named = {f"{name} {h}": value for name, row in rates.items() for h, value in enumerate(row, start=1)}
        means = {"F1": _mean(rates["F1"]), "area": _mean([one.area for one in curves])}
        return {name: value for name, value in {**means, **named}.items() if math.isfinite(value)}


def _mean(values: Sequence[float]) -> float:
    """Return the mean of those that are finite; NaN without any."""
    finite = [value for value in values if math.isfinite(value)]
    return fmean(finite) if finite else math.nan
