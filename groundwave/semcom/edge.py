"""Devices at the edge, each with a sensor and an encoder, and a server that fuses what it receives and answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from groundwave.data.typed import COUNT
from groundwave.errors import DataError, GroundwaveError
from groundwave.rng import generator
from groundwave.semcom.link import normalise
from groundwave.train import warm_cosine

Prepare = Callable[[Tensor, Generator | None], Tensor]


@dataclass(frozen=True)
class Pace:
    """How fast a device or a server learns: AdamW, a linear warm-up, half a cosine down to zero.

    Args:
        lr: peak learning rate.
        rounds: training steps in all.
        warmup: share of them spent warming up.
        weight_decay: of AdamW.

    Raises:
        GroundwaveError: no rounds.
    """

    lr: float = 2e-3
    rounds: int = 200
    warmup: float = 0.05
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        if not COUNT.fits(self.rounds):
            raise GroundwaveError(f"rounds {self.rounds}", COUNT.words, "change rounds")


class Pupil:
    """An optimiser with its schedule for one network, whose state can be taken along."""

    def __init__(self, network: nn.Module, pace: Pace) -> None:
        self.network = network
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=pace.lr, weight_decay=pace.weight_decay)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, warm_cosine(pace.rounds, pace.warmup))

    def step(self) -> None:
        """Take a step along the gradients that there are, and forget them."""
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad()

    def state(self) -> dict[str, Any]:
        """Return everything that learning has changed."""
        parts: dict[str, Any] = {"network": self.network, "optimizer": self.optimizer, "scheduler": self.scheduler}
        return {name: part.state_dict() for name, part in parts.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])


class SymbolEncoder(nn.Module):
    """A backbone and a dense layer to the reals that a link takes; its features are what is sent.

    Each feature is brought to zero mean and unit spread over records: what all records share would take power on the
    air and tell nothing.

    Args:
        backbone: with `num_features`.
        num_reals: of the link.
    """

    def __init__(self, backbone: nn.Module, num_reals: int) -> None:
        super().__init__()
        self.backbone, self.num_features = backbone, num_reals
        self.to_symbols = nn.Linear(int(backbone.num_features), num_reals, bias=False)  # type: ignore[arg-type]
        self.standardise = nn.BatchNorm1d(num_reals, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return features `[B, num_reals]`."""
        features: Tensor = self.standardise(self.to_symbols(self.backbone(x)))
        return features


class Device:
    """One sensor and its encoder: sends symbols of its own records, learns from gradients that come back.

    Records never leave the device. It keeps the graph of the last batch that it sent; a gradient for another one is
    ignored, because it belongs to weights that are no more.

    Args:
        inputs: what the sensor saw of every record `[N, ...]`.
        encoder: maps what `prepare` makes of inputs to reals `[B, 2 * symbols]`.
        prepare: maps inputs to the network's channels; with a generator, through random views.
        pace: how fast it learns.
        seed: addresses the views.
    """

    def __init__(self, inputs: Tensor, encoder: nn.Module, prepare: Prepare, pace: Pace, seed: int = 0) -> None:
        self.inputs, self.encoder, self.prepare, self.seed = inputs, encoder, prepare, seed
        self.pupil = Pupil(encoder, pace)
        self._sent: tuple[int, Tensor] | None = None

    def num_records(self) -> int:
        """Return how many records its sensor saw."""
        return len(self.inputs)

    @torch.no_grad()
    def encode(self, rows: Tensor, draw: int | None = None) -> Tensor:
        """Return the symbols of records, as reals of unit power, without learning; with a number, of random views."""
        self.encoder.eval()
        views = None if draw is None else generator(self.seed, "lent views", draw)
        parts = [normalise(self.encoder(self.prepare(self.inputs[some], views))) for some in rows.split(512)]
        return torch.cat(parts)

    def send(self, step: int, rows: Tensor) -> Tensor:
        """Return the symbols of a training batch `[B, 2 * symbols]`, and remember how they came about."""
        self.encoder.train()
        draw = generator(self.seed, "views", step)
        symbols = normalise(self.encoder(self.prepare(self.inputs[rows], draw)))
        self._sent = step, symbols
        return symbols.detach()

    def learn(self, step: int, gradient: Tensor) -> bool:
        """Learn from the gradient of the loss by the symbols of a step; return whether it was the last one sent."""
        if self._sent is None or self._sent[0] != step:
            return False
        self._sent[1].backward(gradient)
        self._sent = None
        self.pupil.step()
        return True

    def state(self) -> dict[str, Any]:
        """Return what learning has changed."""
        return self.pupil.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state."""
        self.pupil.restore(state)


class Fusion(nn.Module):
    """The server's network: one inlet per device, the mean over the devices that were heard, a head.

    The mean keeps its scale when a device is missing, so that the head can answer from what there is.

    Args:
        names: of the devices.
        num_reals: of a record from each.
        num_classes: of the answers.
        hidden: width of the fused features.
    """

    def __init__(self, names: tuple[str, ...], num_reals: int, num_classes: int, hidden: int = 128) -> None:
        super().__init__()
        self.inlets = nn.ModuleDict({name: nn.Linear(num_reals, hidden) for name in names})
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(hidden, num_classes))

    def fuse(self, received: Mapping[str, Tensor]) -> Tensor:
        """Return fused features `[B, hidden]` of what was received from some devices, at least one."""
        if not received:
            raise DataError("nothing from any device", "symbols of at least one", "keep a device at test time")
        return torch.stack([self.inlets[name](values) for name, values in received.items()]).mean(dim=0)

    def forward(self, received: Mapping[str, Tensor]) -> Tensor:
        """Return class scores `[B, classes]`."""
        scores: Tensor = self.head(self.fuse(received))
        return scores
