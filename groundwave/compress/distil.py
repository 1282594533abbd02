"""Learning from a larger network what labels alone do not say."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

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
        mixed: whether the teacher is also asked about mixtures of two records each, of which there is no end: a student
            then agrees with it in more places than the records (Beyer et al., 2022, arXiv 2106.05237).
    """

    def __init__(
        self,
        student: nn.Module,
        look: Callable[[Record], Tensor],
        teacher: nn.Module,
        weight: float = 0.5,
        temperature: float = 2.0,
        mixed: bool = False,
    ) -> None:
        super().__init__()
        if not 0 <= weight <= 1 or not temperature > 0:
            raise GroundwaveError(f"weight {weight}, temperature {temperature}", "0 to 1, and above 0", "change them")
        self.student, self.look, self.weight, self.temperature = student, look, weight, temperature
        self.mixed = mixed
        self._teacher = [teacher.requires_grad_(False)]  # in a list: no part of what is trained and saved

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss and its two terms."""
        x, soft = self.look(record), self.temperature
        said = self.student(x).float()
        label = F.cross_entropy(said, record["label"])
        if self.mixed:
            mixtures = _mixtures(x, generator)
            with _norms_kept(self.student):
                said = torch.cat([said, self.student(mixtures).float()])
            x = torch.cat([x, mixtures])
        with torch.no_grad():
            wanted = (self._teacher[0].eval()(x).float() / soft).softmax(dim=-1)
        # Gradients of softened answers are smaller by the square of the temperature (Hinton et al., section 2).
        taught = soft**2 * F.kl_div((said / soft).log_softmax(dim=-1), wanted, reduction="batchmean")
        loss = (1 - self.weight) * label + self.weight * taught
        return {"loss": loss, "label": label.detach(), "teacher": taught.detach()}


def _mixtures(x: Tensor, generator: Generator) -> Tensor:
    """Return each record mixed with the one before it, in a share that is drawn."""
    share = torch.rand(len(x), *(1,) * (x.ndim - 1), generator=generator, device=generator.device).to(x)
    return share * x + (1 - share) * x.roll(1, dims=0)


@contextmanager
def _norms_kept(network: nn.Module) -> Iterator[None]:
    """Let batch norms remember nothing of what passes: what they will meet are records."""
    norms = {one: one.momentum for one in network.modules() if isinstance(one, _BatchNorm)}
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in norms.items():
            norm.momentum = momentum


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
