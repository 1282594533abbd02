"""Learning from a larger network what labels alone do not say."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from groundwave.contracts import Record
from groundwave.errors import GroundwaveError
from groundwave.signal.array import unit_vector


class Distillation(nn.Module):
    """Cross-entropy with the label, and with a teacher's softened answer (Hinton et al., 2015).

    Args:
        student: what learns: from inputs to class scores.
        look: from a record to inputs.
        teacher: from the same inputs to class scores; it stays as it is.
        weight: of the teacher's answer against the label, 0 to 1.
        temperature: by which both softmaxes are softened.
    """

    def __init__(
        self,
        student: nn.Module,
        look: Callable[[Record], Tensor],
        teacher: nn.Module,
        weight: float = 0.5,
        temperature: float = 2.0,
    ) -> None:
        super().__init__()
        if not 0 <= weight <= 1 or not temperature > 0:
            raise GroundwaveError(f"weight {weight}, temperature {temperature}", "0 to 1, and above 0", "change them")
        self.student, self.look, self.weight, self.temperature = student, look, weight, temperature
        self._teacher = [teacher.requires_grad_(False)]  # in a list: no part of what is trained and saved

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss and its two terms."""
        x, soft = self.look(record), self.temperature
        said = self.student(x).float()
        with torch.no_grad():
            wanted = (self._teacher[0].eval()(x).float() / soft).softmax(dim=-1)
        label = F.cross_entropy(said, record["label"])
        # Gradients of softened answers are smaller by the square of the temperature (Hinton et al., section 2).
        taught = soft**2 * F.kl_div((said / soft).log_softmax(dim=-1), wanted, reduction="batchmean")
        loss = (1 - self.weight) * label + self.weight * taught
        return {"loss": loss, "label": label.detach(), "teacher": taught.detach()}


class Labels(nn.Module):
    """Cross-entropy with the label: a network learning by itself.

    Args:
        student: what learns: from inputs to class scores.
        look: from a record to inputs.
    """

    def __init__(self, student: nn.Module, look: Callable[[Record], Tensor]) -> None:
        super().__init__()
        self.student, self.look = student, look

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss."""
        return {"loss": F.cross_entropy(self.student(self.look(record)).float(), record["label"])}


class Directions(nn.Module):
    """The mean distance between unit vectors: of an answer and the truth, and of an answer and a teacher's.

    Args:
        student: what learns: from inputs to azimuth and elevation in radians.
        look: from a record to inputs.
        teacher: of the same kind; it stays as it is. None: the truth alone.
        weight: of the teacher's answer against the truth, 0 to 1.
    """

    def __init__(
        self,
        student: nn.Module,
        look: Callable[[Record], Tensor],
        teacher: nn.Module | None = None,
        weight: float = 0.5,
    ) -> None:
        super().__init__()
        self.student, self.look, self.weight = student, look, weight if teacher else 0.0
        self._teacher = [] if teacher is None else [teacher.requires_grad_(False)]

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss, with `angle` `[B, 2]` of the record as the truth."""
        x = self.look(record)
        said = unit_vector(self.student(x).float())
        loss = (1 - self.weight) * _chord(said, unit_vector(record["angle"]))
        for teacher in self._teacher:
            with torch.no_grad():
                wanted = unit_vector(teacher.eval()(x).float())
            loss = loss + self.weight * _chord(said, wanted)
        return {"loss": loss}


def _chord(a: Tensor, b: Tensor) -> Tensor:
    return ((a - b).square().sum(dim=-1) + 1e-8).sqrt().mean()


class Scored(nn.Module):
    """A backbone and its head as one network, from inputs to class scores; both are shared, not copied.

    Args:
        backbone: from inputs to features.
        head: from features to class scores.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, x: Tensor) -> Tensor:
        """Return class scores `[B, C]`."""
        return self.head(self.backbone(x))  # type: ignore[no-any-return]
