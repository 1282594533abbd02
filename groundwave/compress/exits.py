"""Training a network with exits; the four published architectures."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from groundwave.contracts import Record
from groundwave.errors import lookup
from groundwave.nn.amc_cnn import AMCCNN
from groundwave.nn.exits import MultiExit, exit_settings, multi_exit
from groundwave.nn.heads import LinearHead

# After how many blocks of `AMCCNN` each architecture of Mohammed et al. (2023) exits.
PUBLISHED: Mapping[str, int] = {"V0": 1, "V1": 2, "V2": 3, "V3": 5}


def published(version: str, num_classes: int = 10, num_samples: int = 128) -> MultiExit:
    """Return an architecture of Mohammed et al. (GLOBECOM 2023) with new weights.

    Raises:
        UnknownNameError: a version other than V0 to V3.
    """
    after = (lookup(PUBLISHED, version, "architecture"),)
    backbone = AMCCNN(num_samples=num_samples)
    settings = exit_settings(backbone, torch.zeros(1, 2, num_samples), after, num_classes, "flat")
    return multi_exit(backbone, LinearHead(backbone.num_features, num_classes), after, settings, "flat")


def added(scores: Sequence[Tensor], label: Tensor) -> list[Tensor]:
    """Return the cross-entropy of each exit and of the end."""
    return [F.cross_entropy(said.float(), label) for said in scores]


def taught(scores: Sequence[Tensor], label: Tensor) -> list[Tensor]:
    """Return the same, half of each exit's being how far it is from what the end says (Phuong and Lampert, 2019)."""
    *early, last = added(scores, label)
    teacher = scores[-1].detach().float().softmax(dim=-1)
    return [0.5 * (own + F.cross_entropy(said.float(), teacher)) for own, said in zip(early, scores, strict=False)] + [
        last
    ]


class Way(NamedTuple):
    """How exits and the end learn.

    Attributes:
        losses: from all scores and labels.
        apart: whether what lies behind an exit leaves alone what lies before it.
        frozen: whether all but the exits stays as it is.
    """

    losses: Callable[[Sequence[Tensor], Tensor], list[Tensor]]
    apart: bool = False
    frozen: bool = False


TRAININGS: Mapping[str, Way] = {
    "alternating": Way(added, apart=True),
    "exits": Way(added, apart=True, frozen=True),
    "joint": Way(added),
    "self-distillation": Way(taught),
    "taught exits": Way(taught, apart=True, frozen=True),
}


class ExitTraining(nn.Module):
    """What a network with exits minimises: the sum of the losses of all exits and of the end.

    `alternating` is Algorithm 1 of Mohammed et al. (2023): an update by the first loss of everything up to the exit,
    then one by the second loss of what lies behind, the common layers left alone. Both losses are taken before either
    update, and no weight is in both; so one step of their sum is the same for any optimiser that treats each number by
    itself, as Adam does (clip no gradients: their common norm would tie them together). With more exits, each loss
    trains what lies behind the exit before. `joint` is BranchyNet's sum, `self-distillation` lets the exits learn from
    the end as well; `exits` and `taught exits` train the exits alone, on a network that stays as it is.

    Args:
        network: what learns.
        look: from a record to the network's input, such as a contract's.
        how: name in `TRAININGS`.
    """

    def __init__(
        self,
        network: MultiExit,
        look: Callable[[Record], Tensor],
        how: Literal["alternating", "exits", "joint", "self-distillation", "taught exits"] = "joint",
    ) -> None:
        super().__init__()
        self.network, self.look = network, look
        self.way = lookup(TRAININGS, how, "training of exits")
        if self.way.frozen:
            network.requires_grad_(False)
            network.exits.requires_grad_(True)

    def train(self, mode: bool = True) -> "ExitTraining":
        """Learn or not; what stays as it is also keeps the statistics of its batch norms."""
        super().train(mode)
        if self.way.frozen:
            self.network.backbone.eval()
            self.network.head.eval()
        return self

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss, and that of each exit and of the end."""
        losses = self.way.losses(self.network(self.look(record), apart=self.way.apart), record["label"])
        learned = losses[:-1] if self.way.frozen else losses
        return {"loss": torch.stack(learned).sum(), **{f"loss_{i}": loss.detach() for i, loss in enumerate(losses, 1)}}
