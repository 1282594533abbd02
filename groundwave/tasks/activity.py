"""Activity: the class of a whole record, such as what a person does while the channel is measured."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from groundwave.contracts import Record
from groundwave.errors import DataError
from groundwave.metrics import count_matrix
from groundwave.tasks.masks import cross_entropy


@dataclass(frozen=True)
class Activity:
    """One class for each record: a linear head on the mean token, cross entropy, macro recall.

    Scores: `macro recall` (mean over the classes that occur) and `accuracy`.

    Args:
        classes: their names.
    """

    classes: tuple[str, ...]
    chosen_by: str = "macro recall"

    def observed(self, record: Record) -> Record:
        """Return what the model may see: all of the record."""
        return record

    def target(self, record: Record) -> Tensor:
        """Return the class of each record, int64 `[B]`; raises `DataError` for one without."""
        label = record.get("label")
        if label is None or bool(((label < 0) | (label >= len(self.classes))).any()):
            raise DataError(
                got="records without labels" if label is None else f"labels {int(label.min())} to {int(label.max())}",
                expected=f"a label from 0 to {len(self.classes) - 1} for each record",
                do="leave unlabelled records out, and name all classes",
            )
        return label.long()

    def head(self, backbone: nn.Module) -> tuple[str, dict[str, Any]]:
        """Return the head's name in `HEADS` and its arguments."""
        return "linear", {"in_features": backbone.num_features, "out_features": len(self.classes)}

    def loss(self, scores: Tensor, target: Tensor) -> Tensor:
        """Return the mean cross entropy."""
        return cross_entropy(scores, target)

    def tally(self, probabilities: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Return what the scores are made of; it adds up over batches."""
        return {"counts": count_matrix(probabilities.argmax(dim=1), target, len(self.classes))}

    def scores(self, total: dict[str, Tensor]) -> dict[str, float]:
        """Return the scores of a tally."""
        counts = total["counts"].double()
        recalls = counts.diagonal() / counts.sum(dim=1)
        return {"macro recall": float(recalls.nanmean()), "accuracy": float(counts.trace() / counts.sum())}
