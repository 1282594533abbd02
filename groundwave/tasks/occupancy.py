"""Occupancy: whether each cell of a spectrogram holds a signal."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from groundwave.contracts import Record
from groundwave.tasks.heads import dense_head
from groundwave.tasks.levels import curve, histogram, rates_at
from groundwave.tasks.masks import cells_of, checked_mask, cross_entropy, occupied

MOST_CLASSES = 256  # of a mask: any number above 0 is a signal


@dataclass(frozen=True)
class Occupancy:
    """Each cell is free or occupied: a dense decoder, cross entropy, the area under the ROC.

    Scores: `area` under the curve, and `detection`, `false alarm` and `F1` at the threshold. The baseline is
    `groundwave.tasks.baselines.energy_detector`.

    Args:
        decoder: `linear`, `light` or `conv`, see `groundwave.nn.dense`.
        threshold: probability from which a cell is called occupied.
    """

    decoder: str = "light"
    threshold: float = 0.5
    classes: tuple[str, ...] = ("free", "occupied")
    chosen_by: str = "area"

    def observed(self, record: Record) -> Record:
        """Return what the model may see: all of the record."""
        return record

    def target(self, record: Record) -> Tensor:
        """Return which cells are occupied, int64 `[B, freq, time]`; raises `DataError` for a mask that does not fit."""
        return cells_of(checked_mask(record, MOST_CLASSES))

    def head(self, backbone: nn.Module) -> tuple[str, dict[str, Any]]:
        """Return the head's name in `HEADS` and its arguments."""
        return dense_head(backbone, self.decoder, len(self.classes))

    def loss(self, scores: Tensor, target: Tensor) -> Tensor:
        """Return the mean cross entropy over cells."""
        return cross_entropy(scores, target)

    def tally(self, probabilities: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return the histogram that the scores are made of; it adds up over batches."""
        return {"levels": histogram(occupied(probabilities), target)}

    def scores(self, total: dict[str, Tensor]) -> dict[str, float]:
        """Return the scores of a tally."""
        rates = rates_at(total["levels"], self.threshold)
        return {"area": curve(total["levels"]).area, **{name: float(rate) for name, rate in rates.items()}}
