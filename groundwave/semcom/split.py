"""Training across the air: features up, gradients down, one round trip a step; the same code for any engine.

`fit` trains what is in one place. Here an encoder sits behind a radio and may be lost, so steps are taken one message
at a time; networks, order and noise are addressed by seed and step all the same.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from groundwave.errors import DataError, GroundwaveError
from groundwave.rng import generator
from groundwave.semcom.edge import Fusion, Pace, Pupil
from groundwave.semcom.engines import LATE, LOST, Engine, Fault, checked
from groundwave.semcom.ledger import DOWN, UP, Ledger
from groundwave.semcom.link import LEAST_POWER, Link

AfterRound = Callable[[int], None]
PATIENCE = 3  # steps in a row without any device, after which something else is wrong


@dataclass(frozen=True)
class Air:
    """What lies between devices and server.

    Args:
        up: carries features.
        down: carries gradients; None brings them unharmed, by a digital link of the ledger's precision.
    """

    up: Link
    down: Link | None = None


class SplitTraining:
    """A server, its devices, the air between them, and the ledger of what passed.

    Args:
        engine: the devices.
        server: fuses and answers.
        air: the links.
        ledger: where every message is noted.
        pace: how fast the server learns.
        seed: addresses order and noise.

    Raises:
        DataError: devices that did not see the same records.
    """

    def __init__(self, engine: Engine, server: Fusion, air: Air, ledger: Ledger, pace: Pace, seed: int = 0) -> None:
        self.engine, self.server, self.air, self.ledger, self.seed = engine, server, air, ledger, seed
        self.pace, self.pupil = pace, Pupil(server, pace)
        self._silent, self._last_fault = 0, ""
        counts = engine.ask("num_records", dict.fromkeys(engine.names, ()))
        if len(set(counts.values())) > 1:
            counted = ", ".join(f"{name}: {count}" for name, count in counts.items())
            raise DataError(
                got=f"devices with different numbers of records ({counted})",
                expected="record i of every device to be of the same scene",
                do="pair the records first, and leave out those that one sensor lacks",
            )

    def begin(
        self, rows: Tensor, label: Tensor, batch_size: int, passes: int, pace: Pace, phase: str = "head start"
    ) -> None:
        """Give the server a head start: labelled records go up, it learns its own layers from what arrives.

        No gradient comes down, so that this takes no round trip; encoders stay as they are. Of use where they know
        something already.

        Args:
            rows: records with labels, int64 `[M]`.
            label: of every record of the data, int64 `[N]`.
            batch_size: records per step of the server.
            passes: how often all records go up, through other views and other noise.
            pace: of the server's steps.
            phase: of the ledger.
        """
        arrived = []
        for draw in range(passes):
            sent = self._heard("encode", (rows, draw), rows, phase)
            found = {name: self.air.up(symbols, self._noise(phase, draw, name)) for name, symbols in sent.items()}
            arrived += [found] if found else []
        pupil, places = Pupil(self.server, pace), torch.arange(len(rows))
        self.server.train()
        for step in range(pace.rounds if arrived else 0):
            some = batch_of(places, batch_size, step, self.seed)
            one = arrived[step % len(arrived)]
            F.cross_entropy(self.server({name: x[some] for name, x in one.items()}), label[rows[some]]).backward()
            pupil.step()

    def train(
        self,
        rows: Tensor,
        label: Tensor,
        batch_size: int,
        after_round: AfterRound = lambda _: None,
        phase: str = "training",
    ) -> list[float]:
        """Take all steps of the pace; return the loss of each.

        Args:
            rows: records with labels, int64 `[M]`.
            label: of every record of the data, int64 `[N]`.
            batch_size: records per step.
            after_round: called with the number of steps so far, before the first and after each.
            phase: of the ledger.

        Raises:
            GroundwaveError: no device answers any more, or the loss is not finite.
        """
        losses = []
        after_round(0)
        for step in range(self.pace.rounds):
            some = batch_of(rows, batch_size, step, self.seed)
            losses.append(self.round(step, some, label[some], phase))
            after_round(step + 1)
            if self._silent >= PATIENCE:
                raise GroundwaveError(
                    got=f"no answer from any device, {self._last_fault}",
                    expected="at least one device that takes part",
                    do="look after the devices, or wait longer for them",
                )
        return losses

    def round(self, step: int, rows: Tensor, label: Tensor, phase: str = "training") -> float:
        """Take one step with whichever devices answer; return the loss, NaN where none does."""
        sent = self._heard("send", (step, rows), rows, phase)
        self._silent = 0 if sent else self._silent + 1
        if not sent:
            return float("nan")
        leaves = {name: symbols.clone().requires_grad_() for name, symbols in sent.items()}
        self.server.train()
        received = {name: self.air.up(leaf, self._noise("up", step, name)) for name, leaf in leaves.items()}
        loss = F.cross_entropy(self.server(received), label)
        if not torch.isfinite(loss):
            raise GroundwaveError(
                f"a loss of {float(loss.detach())} at step {step}", "a finite loss", "lower the learning rate"
            )
        loss.backward()
        self.pupil.step()
        returned = {name: (step, self._returned(name, leaf, step, phase)) for name, leaf in leaves.items()}
        for name, answer in self.engine.ask("learn", returned).items():
            if isinstance(answer, Fault):
                self._note(name, answer)
            elif answer is False:
                self._note(name, Fault(LATE, "the gradient came for symbols that it had forgotten"))
        self.ledger.round_trip(phase)
        return float(loss.detach())

    @torch.no_grad()
    def receive(self, rows: Tensor, link: Link, present: Sequence[str] = (), draw: int = 0) -> dict[str, Tensor]:
        """Return what arrives of records at test time, by device.

        Args:
            rows: int64 `[M]`.
            link: that carries them, such as the one of training at another SNR.
            present: which devices; all by default.
            draw: another number is other noise.

        Raises:
            GroundwaveError: one of them does not answer, so that no answer without it passes for one with it.
        """
        names = present or self.engine.names
        answers = self.engine.ask("encode", {name: (rows,) for name in names})
        heard = {name: checked(answer, len(rows), link.num_reals) for name, answer in answers.items()}
        found = {}
        for name, symbols in heard.items():
            if isinstance(symbols, Fault):
                self._note(name, symbols)
                raise GroundwaveError(
                    got=f"no answer at test time, {self._last_fault}",
                    expected="symbols from every device that is asked",
                    do="look after the device, or ask the others alone (present)",
                )
            self._carried("inference", UP, symbols, link)
            found[name] = link(symbols, self._noise("test", draw, name))
        return found

    @torch.no_grad()
    def fused(self, received: Mapping[str, Tensor]) -> Tensor:
        """Return the server's features of what was received."""
        return self.server.eval().fuse(received)

    @torch.no_grad()
    def answer(self, received: Mapping[str, Tensor]) -> Tensor:
        """Return class probabilities `[B, classes]` for what was received."""
        probabilities: Tensor = self.server.eval()(received).softmax(dim=-1)
        return probabilities

    def _heard(self, method: str, given: tuple[Any, ...], rows: Tensor, phase: str) -> dict[str, Tensor]:
        """Return the symbols of the devices that answered as they should; what was sent in vain was sent, too."""
        link = self.air.up
        answers = self.engine.ask(method, dict.fromkeys(self.engine.names, given))
        good = {}
        for name, answer in answers.items():
            symbols = checked(answer, len(rows), link.num_reals)
            if isinstance(symbols, Fault):
                self._note(name, symbols)
                if symbols.kind != LOST:
                    self._carried(phase, UP, torch.empty(len(rows), link.num_reals), link)
                continue
            self._carried(phase, UP, symbols, link)
            good[name] = symbols
        return good

    def _returned(self, name: str, leaf: Tensor, step: int, phase: str) -> Tensor:
        """Return the gradient by a device's symbols as it arrives there: scaled to unit power, sent, scaled back."""
        assert leaf.grad is not None
        down = self.air.down
        self._carried(phase, DOWN, leaf.grad, down or self.air.up, side=1)
        if down is None:
            return leaf.grad
        scale = (2 * leaf.grad.square().mean()).clamp(min=LEAST_POWER).sqrt()
        arrived: Tensor = scale * down(leaf.grad / scale, self._noise("down", step, name))
        return arrived

    def _carried(self, phase: str, direction: str, values: Tensor, link: Link, side: int = 0) -> None:
        pilots = link.num_pilots * len(values)
        self.ledger.analogue(phase, direction, values=values.numel(), pilots=pilots, side=side)

    def _note(self, name: str, fault: Fault) -> None:
        self._last_fault = f"{name} being {fault.kind}: {fault.reason}"
        self.ledger.fault(name, fault.kind)

    def _noise(self, way: str, step: int, name: str) -> torch.Generator:
        return generator(self.seed, "air", way, step, name)


def batch_of(rows: Tensor, batch_size: int, step: int, seed: int) -> Tensor:
    """Return the records of a step: whole batches of one random order after another; of few records all."""
    size = min(batch_size, len(rows))
    per_epoch = len(rows) // size
    epoch, place = divmod(step, per_epoch)
    order = torch.randperm(len(rows), generator=generator(seed, "order", epoch))
    return rows[order[place * size : (place + 1) * size]]
