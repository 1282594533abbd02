"""Segmentation: the class of each cell of a spectrogram."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from groundwave.contracts import Record
from groundwave.metrics import boundary_f1, class_ious, count_matrix
from groundwave.tasks.heads import dense_head
from groundwave.tasks.masks import checked_mask, cross_entropy, soft_dice


@dataclass(frozen=True)
class Segmentation:
    """Each cell is noise or of one class: a dense decoder, cross entropy over cells, mean IoU over the classes.

    Scores: `mIoU` (mean over the classes that occur or are answered), `IoU NAME` of each, `boundary F1` (mean over
    records and the classes they hold, see `groundwave.metrics.boundary_f1`) and `pixel accuracy`.

    Args:
        classes: names of the cells' classes; the first is noise.
        decoder: `linear`, `context`, `light` or `conv`, see `groundwave.nn.dense`.
        resize: whether masks of another size are brought to their spectrogram's by nearest neighbour.
        tolerance: of the boundary F1, in cells.
    """

    classes: tuple[str, ...]
    decoder: str = "light"
    resize: bool = False
    tolerance: int = 2
    chosen_by: str = "mIoU"

    def observed(self, record: Record) -> Record:
        """Return what the model may see: all of the record."""
        return record

    def target(self, record: Record) -> Tensor:
        """Return the class of each cell, int64 `[B, freq, time]`; raises `DataError` for a mask that does not fit."""
        return checked_mask(record, len(self.classes), resize=self.resize)

    def head(self, backbone: nn.Module) -> tuple[str, dict[str, Any]]:
        """Return the head's name in `HEADS` and its arguments."""
        return dense_head(backbone, self.decoder, len(self.classes))

    def loss(self, scores: Tensor, target: Tensor) -> Tensor:
        """Return the mean cross entropy over cells."""
        return cross_entropy(scores, target)

    def tally(self, probabilities: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return what the scores are made of; it adds up over batches."""
        answer = probabilities.argmax(dim=1)
        f1 = boundary_f1(answer, target, len(self.classes), self.tolerance)
        return {
            "counts": count_matrix(answer, target, len(self.classes)),
            "boundary": torch.stack([f1.nansum(), f1.isfinite().sum()]),
        }

    def scores(self, total: dict[str, Tensor]) -> dict[str, float]:
        """Return the scores of a tally."""
        counts, (f1, num) = total["counts"], total["boundary"]
        ious = class_ious(counts)
        named = {f"IoU {name}": float(iou) for name, iou in zip(self.classes, ious, strict=True) if iou.isfinite()}
        return {
            "mIoU": float(ious.nanmean()),
            **named,
            "boundary F1": float(f1 / num),
            "pixel accuracy": float(counts.trace() / counts.sum()),
        }


@dataclass(frozen=True)
class RareSegmentation(Segmentation):
    """Segmentation where some classes fill few cells, and still are to be told: the loss adds soft Dice.

    Scores tell beside the IoU of each class its two sides: `precision NAME`, the share of the cells so called that are
    of it, and `recall NAME`, the share of its cells so called.
    """

    def loss(self, scores: Tensor, target: Tensor) -> Tensor:
        """Return the mean cross entropy over cells, and what is missing of Dice's coefficient over classes."""
        return super().loss(scores, target) + soft_dice(scores, target)

    def scores(self, total: dict[str, Tensor]) -> dict[str, float]:
        """Return the scores of a tally; a class that nothing was called has no precision."""
        counts = total["counts"]
        sides = {"precision": counts.diagonal() / counts.sum(0), "recall": counts.diagonal() / counts.sum(1)}
        named = {
            f"{side} {name}": float(share)
            for side, shares in sides.items()
            for name, share in zip(self.classes, shares, strict=True)
            if share.isfinite()
        }
        return {**super().scores(total), **named}
