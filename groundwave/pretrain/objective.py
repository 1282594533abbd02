"""What objectives on any backbone share: views that keep the answer, looks at a record, and labels."""

from collections.abc import Sequence

from torch import Generator, Tensor, nn

from groundwave.contracts import Record, Source, View
from groundwave.errors import DataError
from groundwave.model import Model
from groundwave.nn.complex import to_channels
from groundwave.views import Compose, check_views


class ViewObjective(nn.Module):
    """An objective that sees records through random views.

    A record that carries a `partner_iq` (another window of the same recording) lends it as the second of two views;
    records of the same `group` are then no negatives of each other.

    Args:
        backbone: what is trained.
        views: perturbations drawn anew for each look at a record.
        answer: the downstream answer, when known: views that destroy it are refused.
    """

    def __init__(self, backbone: nn.Module, views: Sequence[View], answer: str | None = None) -> None:
        super().__init__()
        if answer is not None:
            check_views(views, answer)
        self.backbone = backbone
        self.view = Compose(views)

    @property
    def num_features(self) -> int:
        """Width of the backbone's features."""
        return int(self.backbone.num_features)  # type: ignore[arg-type]

    def look(self, record: Record, generator: Generator) -> Tensor:
        """Return one view of each record as channels float32 `[B, channels, time]`."""
        return to_channels(self.view(record, generator)["iq"])

    def look_twice(self, record: Record, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return two independent views of each record, the second of its partner where it has one."""
        second = {**record, "iq": record.get("partner_iq", record["iq"])}
        return self.look(record, generator), self.look(second, generator)


def kin(record: Record) -> Tensor | None:
    """Return the groups `[B]` within which records are no negatives; None where each record stands for itself."""
    return record["group"] if "partner_iq" in record else None


class LabelledObjective(ViewObjective):
    """An objective that learns from `label` as well: the baselines with supervision."""

    def begin(self, source: Source, indices: Tensor) -> None:
        """Take from the records, before the first step, what takes no training; here nothing.

        Args:
            source: records.
            indices: those that are trained on, int64.
        """

    def finished(self, model: Model, record: Record, classes: Sequence[str]) -> Model:
        """Return what is worth saving of a trained model: here the backbone alone.

        Args:
            model: the model whose backbone was trained.
            record: a labelled batch of what it was trained on.
            classes: names of the labels.
        """
        return model


def labels_of(record: Record) -> Tensor:
    """Return the labels `[B]` of a record; raises `DataError` when one is missing."""
    label = record.get("label")
    if label is None or bool((label < 0).any()):
        raise DataError(
            got="records without labels",
            expected="a label for each record, which this objective learns from",
            do="ingest with --label KEY, leave unlabelled records out, or choose an objective without labels",
        )
    return label
