"""Encoders that take part in a protocol: how each is pretrained, and on what it was told it may."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from groundwave.bench.plans import Plan
from groundwave.contract import Contract, identity
from groundwave.contracts import Record, Source, View
from groundwave.data.split import Grouped
from groundwave.model import Model
from groundwave.pretrain.run import pretrain
from groundwave.train import Schedule


@dataclass(frozen=True)
class Pretraining:
    """How an encoder is made: network, objective, views, schedule.

    Args:
        backbone: name in `BACKBONES`.
        objective: name in `OBJECTIVES`.
        views: perturbations.
        schedule: how long and how fast.
        batch_size: records per step, at most all there are.
        contract: what the model takes.
        backbone_args: of the network.
        objective_args: of the objective.
        labelled: whether it is told the labels of what it is pretrained on.
        per_snr: whether there is a model for each SNR, as published, or one for all.
        others: contracts of further modalities, which the records hold beside the contract's.
    """

    backbone: str
    objective: str
    views: tuple[View, ...]
    schedule: Schedule
    batch_size: int
    contract: Contract
    backbone_args: Mapping[str, Any] = field(default_factory=dict)
    objective_args: Mapping[str, Any] = field(default_factory=dict)
    labelled: bool = False
    per_snr: bool = False
    others: Mapping[str, Contract] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        """Return all settings, as rows tell them."""
        plain = {key: getattr(self, key) for key in ("backbone", "objective", "batch_size", "labelled", "per_snr")}
        args = {"backbone_args": dict(self.backbone_args), "objective_args": dict(self.objective_args)}
        others = {"others": {name: identity(contract) for name, contract in self.others.items()}} if self.others else {}
        return {**plain, **args, **others, "views": repr(self.views), "schedule": asdict(self.schedule)}

    def shortened(self, epochs: int, batch_size: int | None = None) -> "Pretraining":
        """Return the same for fewer epochs, and for a smaller batch."""
        size = min(batch_size or self.batch_size, self.batch_size)
        return replace(self, schedule=replace(self.schedule, epochs=epochs), batch_size=size)


class Labelled(Grouped, Source, Protocol):
    """A source that tells classes and groups without reading any IQ."""


class Hidden:
    """The records of a source with the labels in `known`, numbered in their order, and -1 for all others.

    Masks and boxes are hidden all.
    """

    def __init__(self, source: Labelled, known: Sequence[int]) -> None:
        self._source = source
        self._number = torch.full((len(source.classes) + 1,), -1)  # the last one is for -1
        self._number[list(known)] = torch.arange(len(known))
        self.classes = [source.classes[c] for c in known]

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the records at `indices` (int64 `[B]`)."""
        record = {name: x for name, x in self._source[indices].items() if not name.startswith(("mask", "box"))}
        return {**record, "label": self._number[record["label"]]}


def pretrained(how: Pretraining, source: Labelled, plan: Plan, *, out: Path, seed: int, progress: bool = True) -> Model:
    """Return the encoder that `how` makes of what the plan lets it see; a finished run in `out` is loaded.

    Labels that it is not to be told are hidden: all of them unless `how.labelled`, those of new classes always. A
    network without weights is returned as it is.
    """
    with torch.random.fork_rng(devices=[]):
        network = Model.build(how.backbone, how.contract, dict(how.backbone_args))
    if not list(network.backbone.parameters()):
        return network
    shown = Hidden(source, plan.known if how.labelled else ())
    model = pretrained_on(shown, how, plan.pretraining, out=out, seed=seed, progress=progress)
    model.backbone.to(best_device())
    return model


def pretrained_on(
    source: Source, how: Pretraining, indices: Tensor, *, out: Path, seed: int, progress: bool = True
) -> Model:
    """Return the encoder that `how` makes of records of a source, all of which it sees as they are."""
    return pretrain(
        source,
        indices=indices,
        out=out,
        contract=how.contract,
        views=how.views,
        schedule=how.schedule,
        backbone=how.backbone,
        backbone_args=how.backbone_args,
        objective=how.objective,
        objective_args=how.objective_args,
        batch_size=min(how.batch_size, len(indices)),
        others=how.others,
        seed=seed,
        progress=progress,
    )


def at_snr(plan: Plan, snr_db: Tensor, snr: float) -> Plan:
    """Return what is left of a plan at one SNR."""
    parts: dict[str, Any] = {name: rows[snr_db[rows] == snr] for name, rows in plan.parts().items()}
    return replace(plan, **parts)


def best_device() -> torch.device:
    """Return the accelerator, where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
