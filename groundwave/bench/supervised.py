"""Training a whole network with labels until its validation loss stops falling, as sources of baselines do."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from groundwave.adapt.support import check_support
from groundwave.atomic import write_atomically
from groundwave.contracts import Record
from groundwave.data.typed import COUNT
from groundwave.errors import GroundwaveError
from groundwave.nn.heads import LinearHead
from groundwave.rng import generator
from groundwave.train import read_checkpoint

BATCH_OF_QUERIES = 1024


@dataclass(frozen=True)
class Patience:
    """Adam until nothing improves.

    Args:
        epochs: at most so many.
        batch_size: records per step.
        lr: learning rate.
        stop_after: epochs without a lower validation loss before training ends; the best epoch is kept.
        halve_after: epochs without one before the learning rate is multiplied by `factor`; None keeps it.
        factor: see `halve_after`.
        steps: train for as many epochs as come closest to this number of steps, at least one, instead of `epochs`.

    Raises:
        GroundwaveError: no epochs.
    """

    epochs: int = 100
    batch_size: int = 1024
    lr: float = 1e-3
    stop_after: int = 5
    halve_after: int | None = None
    factor: float = 0.5
    steps: int | None = None

    def __post_init__(self) -> None:
        if not COUNT.fits(self.epochs):
            raise GroundwaveError(f"epochs {self.epochs}", COUNT.words, "change epochs")

    def epochs_of(self, num_records: int) -> int:
        """Return how many epochs to train at most on so many records."""
        if self.steps is None:
            return self.epochs
        return max(1, round(self.steps / ceil(num_records / self.batch_size)))


class WholeNetwork:
    """A learner: backbone and linear head trained together on a support of any size, in bfloat16 where that computes.

    Without validation records it trains for all epochs and keeps the last state.

    Args:
        backbone: returns the network to start from.
        prepare: from complex `iq` `[B, time]` to channels `[B, 2, time]`.
        how: how long and how fast.
        validation: records with `iq` and `label` that decide when to stop.
        seed: of head, order and dropout.
        checkpoint: file from which an interrupted training goes on; removed when it ends.
        device: where to train.
    """

    def __init__(
        self,
        backbone: Callable[[], nn.Module],
        prepare: Callable[[Tensor], Tensor],
        how: Patience,
        validation: Record | None = None,
        seed: int = 0,
        checkpoint: Path | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.build, self.prepare, self.how, self.validation = backbone, prepare, how, validation
        self.seed, self.checkpoint, self.device = seed, checkpoint, torch.device(device)

    def fit(self, support: Record) -> Self:
        """Train on complex `iq` `[B, time]` and `label` `[B]`."""
        iq, label, num_classes = check_support(support, "iq")
        with torch.random.fork_rng():
            torch.manual_seed(generator(self.seed, "whole network").initial_seed())
            backbone = self.build()
            head = LinearHead(int(backbone.num_features), num_classes)  # type: ignore[arg-type]
            self.network = nn.Sequential(backbone, head).to(self.device)
            self._train(iq, label)
        self.network.eval()
        return self

    @torch.no_grad()
    def predict(self, query: Record) -> Tensor:
        """Return class probabilities `[B, C]` for complex `iq` `[B, time]`."""
        self.network.eval()
        return torch.cat([self._scores(iq).softmax(dim=-1).cpu() for iq in query["iq"].split(BATCH_OF_QUERIES)])

    def _scores(self, iq: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16):
            scores: Tensor = self.network(self.prepare(iq).to(self.device))
        return scores.float()

    def _train(self, iq: Tensor, label: Tensor) -> None:
        optimizer = torch.optim.Adam(self.network.parameters(), lr=self.how.lr)
        state = _State(self.network, optimizer, self.how)
        if self.checkpoint is not None and self.checkpoint.exists():
            state.load(self.checkpoint)
        while state.epoch < self.how.epochs_of(len(iq)) and not state.ended:
            torch.manual_seed(generator(self.seed, "dropout", state.epoch).initial_seed())
            self.network.train()
            order = torch.randperm(len(iq), generator=generator(self.seed, "order", state.epoch))
            for rows in order.split(self.how.batch_size):
                loss = F.cross_entropy(self._scores(iq[rows]), label[rows].to(self.device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            state.advance(self._validate())
            if self.checkpoint is not None:
                state.save(self.checkpoint)
        state.finish()
        if self.checkpoint is not None:
            self.checkpoint.unlink(missing_ok=True)

    @torch.no_grad()
    def _validate(self) -> float | None:
        """Return the loss on the validation records."""
        if self.validation is None:
            return None
        self.network.eval()
        total = 0.0
        for rows in torch.arange(len(self.validation["label"])).split(BATCH_OF_QUERIES):
            target = self.validation["label"][rows].to(self.device)
            total += float(F.cross_entropy(self._scores(self.validation["iq"][rows]), target, reduction="sum"))
        return total / len(self.validation["label"])


class _State:
    """What a training has to remember from one epoch to the next."""

    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer, how: Patience) -> None:
        self.network, self.optimizer, self.how = network, optimizer, how
        self.epoch, self.best_epoch, self.best_loss = 0, 0, float("inf")
        self.best: dict[str, Tensor] = {}

    @property
    def ended(self) -> bool:
        """Whether nothing has improved for too long."""
        return bool(self.best) and self.epoch - self.best_epoch >= self.how.stop_after

    def advance(self, loss: float | None) -> None:
        """End an epoch: keep the network when it is the best so far, lower the rate when there was none for long."""
        self.epoch += 1
        if loss is None:
            return
        if loss < self.best_loss:
            self.best_epoch, self.best_loss = self.epoch, loss
            self.best = {name: values.detach().clone() for name, values in self.network.state_dict().items()}
        elif self.how.halve_after and (self.epoch - self.best_epoch) % self.how.halve_after == 0:
            for group in self.optimizer.param_groups:
                group["lr"] *= self.how.factor

    def finish(self) -> None:
        """Go back to the best epoch, where one was measured."""
        if self.best:
            self.network.load_state_dict(self.best)

    def save(self, path: Path) -> None:
        """Write all of it, whole or not at all."""
        told: dict[str, Any] = {name: getattr(self, name) for name in ("epoch", "best_epoch", "best_loss", "best")}
        path.parent.mkdir(parents=True, exist_ok=True)
        content = BytesIO()
        torch.save({**told, "network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}, content)
        write_atomically(path, content.getvalue())

    def load(self, path: Path) -> None:
        """Go on from what was written; raises `GroundwaveError` where it is damaged."""
        told = read_checkpoint(path)
        self.network.load_state_dict(told.pop("network"))
        self.optimizer.load_state_dict(told.pop("optimizer"))
        for name, value in told.items():
            setattr(self, name, value)
