"""Tasks in contest: all tuners learn from the same labels, choose their epoch on the same records, answer the same."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from groundwave.adapt.tuning import Tuned, tune
from groundwave.bench.cells import Cell
from groundwave.bench.contest import Contender, Setting, encoder
from groundwave.bench.encoders import Pretraining, best_device
from groundwave.bench.fewshot import FAILURES, reason
from groundwave.bench.methods import weights_sha256
from groundwave.bench.rows import Row, append, hash_config
from groundwave.contracts import Record, Task
from groundwave.data.split import split_hash
from groundwave.model import Model
from groundwave.train import Schedule

AT_ONCE = 32  # records that are asked together

Answer = Callable[[Record], Tensor]
Tally = dict[str, Tensor]


@dataclass(frozen=True)
class Tuner:
    """A way to do a task.

    Args:
        title: as it appears in tables.
        network: how the network is made; it is pretrained unless it learns from scratch.
        how: name in `WAYS`.
        schedule: how long and how fast it is tuned.
        batch_size: examples per step.
        min_steps: steps of an epoch, at least.
        start: a folder or name of a model to tune instead of pretraining one.
        modality: which part of a model of several modalities is tuned.
        decoder: in place of the task's.
    """

    title: str
    network: Pretraining
    how: str
    schedule: Schedule
    batch_size: int = 32
    min_steps: int = 1
    start: str = ""
    modality: str = ""
    decoder: str = ""

    def config(self) -> dict[str, Any]:
        """Return all settings, as rows tell them."""
        plain = {key: getattr(self, key) for key in ("how", "batch_size", "min_steps")}
        start = {"start_sha256": weights_sha256(Model.load(self.start))[:12]} if self.start else {}
        part = {"modality": self.modality} if self.modality else {}
        part |= {"decoder": self.decoder} if self.decoder else {}
        return {**plain, **start, **part, "schedule": asdict(self.schedule), "network": self.network.config()}

    def sized(self, epochs: int | None, pretraining_epochs: int | None) -> "Tuner":
        """Return the same for other numbers of epochs, where they are given."""
        schedule = self.schedule if epochs is None else replace(self.schedule, epochs=epochs)
        network = self.network if pretraining_epochs is None else self.network.shortened(pretraining_epochs)
        return replace(self, schedule=schedule, network=network)

    def starting_at(self, model: str) -> "Tuner":
        """Return the same from a given model, unless that is empty or what learns starts from random weights."""
        return self if self.how == "scratch" else replace(self, start=model)

    def shrunk(self, backbone_args: Mapping[str, Any]) -> "Tuner":
        """Return a rehearsal: a tiny backbone, one epoch of everything, a few records at once."""
        small = replace(self.network.shortened(1, 4), backbone_args=backbone_args)
        return replace(self.sized(1, None), network=small, batch_size=4, min_steps=1)


@dataclass(frozen=True)
class Questions:
    """What is asked of each tuner.

    Args:
        task: the task.
        counts: labelled records to learn from; None gives all that may lend labels.
        settled: what the task becomes once its tally on validation is known, such as one with a threshold.
        config: further settings to store with each row.
        shown: called with what answers a cell once that is scored, to draw it.
    """

    task: Task
    counts: tuple[int | None, ...]
    settled: Callable[[Task, Tally], Task] = field(default=lambda task, _: task)
    config: Mapping[str, Any] = field(default_factory=dict)
    shown: Callable[[Cell, Answer, Setting], None] = field(default=lambda *_: None)


def tuned_in_turn(tuners: Sequence[Tuner], questions: Questions, setting: Setting) -> None:
    """Fill the cells of all tuners that have no value yet; what fails in one does not stop the others."""
    for tuner in tuners:
        missing = setting.sheet.missing(cell_of(tuner, count, questions, setting) for count in questions.counts)
        if not missing:
            continue
        try:
            model = _start(tuner, setting)
        except FAILURES as error:
            setting.sheet.fail(missing, f"pretraining: {reason(error)}")
            continue
        for cell in missing:
            try:
                _measure(tuner, model, cell, questions, setting)
            except FAILURES as error:
                setting.sheet.fail([cell], reason(error))


def answered(title: str, answer: Answer, questions: Questions, setting: Setting, count: int | None = None) -> None:
    """Fill the cells of a baseline without a network; its threshold, where there is one, is chosen on validation.

    `count` tells from how many labels it has learned, if it has.
    """
    cell = baseline_cell(title, count, questions, setting)
    if setting.sheet.missing([cell]):
        try:
            _fill(cell, answer, None, questions, setting, setting.labelled(count or 0))
        except FAILURES as error:
            setting.sheet.fail([cell], reason(error))


def tally(answer: Answer, task: Task, setting: Setting, rows: Tensor) -> Tally:
    """Return the summed tally of answers `record -> probabilities [B, classes, ...]` to records of the source."""
    total: Tally = {}
    for some in rows.split(AT_ONCE):
        record = setting.source[some]
        part = task.tally(answer(task.observed(record)), task.target(record))
        total = {name: total[name] + value if total else value for name, value in part.items()}
    return total


def _place(count: int | None, config: Mapping[str, Any], questions: Questions, setting: Setting) -> dict[str, Any]:
    """Return what the cells of one tuner and number of labels share, and the score that chooses as their metric."""
    told = {**setting.config, **questions.config, "task": repr(questions.task), **config}
    metric = questions.task.chosen_by
    return {"data": setting.data, "seed": setting.seed, "shots": count, "metric": metric, "config": told}


def cell_of(tuner: Tuner, count: int | None, questions: Questions, setting: Setting) -> Cell:
    """Return the place of what a tuner makes of a number of labels."""
    return Cell(method=tuner.title, **_place(count, tuner.config(), questions, setting))


def baseline_cell(title: str, count: int | None, questions: Questions, setting: Setting) -> Cell:
    """Return the place of what a baseline without a network answers."""
    return Cell(method=title, **_place(count, {"baseline": title}, questions, setting))


def _start(tuner: Tuner, setting: Setting) -> Model:
    """Return the model to tune: a new one, a given one, or one that is pretrained on what the plan allows."""
    network = tuner.network
    if tuner.how == "scratch":
        return Model.build(network.backbone, network.contract, dict(network.backbone_args))
    if tuner.start:
        return Model.load(tuner.start)
    model = encoder(Contender(network, ()), setting.plan, setting, "all")
    assert model is not None
    model.backbone.cpu()
    return model.for_modality(tuner.modality) if tuner.modality else model


def _measure(tuner: Tuner, model: Model, cell: Cell, questions: Questions, setting: Setting) -> None:
    """Tune with the labels of a cell, and fill it."""
    if tuner.decoder:
        questions = replace(questions, task=replace(questions.task, decoder=tuner.decoder))  # type: ignore[type-var]
    rows = setting.labelled(cell.shots)
    result = tune(
        model,
        questions.task,
        setting.source,
        rows,
        validation=setting.plan.validation,
        out=_folder(tuner, cell, setting),
        how=tuner.how,
        schedule=tuner.schedule,
        batch_size=tuner.batch_size,
        min_steps=tuner.min_steps,
        seed=setting.seed,
        progress=setting.progress,
    )
    result.model.modules().to(best_device())
    _fill(cell, result.model.predict, result, questions, setting, rows)


def _folder(tuner: Tuner, cell: Cell, setting: Setting) -> Path:
    identity = hash_config({"cell": cell.key(), "plan": setting.plan.hash()})
    return setting.runs / "tuned" / tuner.how / f"seed-{setting.seed}-{identity}"


def _fill(
    cell: Cell, answer: Answer, result: Tuned | None, questions: Questions, setting: Setting, rows: Tensor
) -> None:
    """Append the rows of a cell: the curve on validation, every score on the test records, the chosen one last.

    Their seconds are those of training; of a baseline those of answering.
    """
    started, plan, sheet = time.perf_counter(), setting.plan, setting.sheet
    task = questions.settled(questions.task, tally(answer, questions.task, setting, plan.validation))
    scores = task.scores(tally(answer, task, setting, plan.query))
    questions.shown(cell, answer, setting)
    proof = {"split": plan.split, "split_hash": split_hash({**plan.parts(), "labelled": rows})}
    for point in result.curve if result else ():
        append(sheet.path, _point(cell, point.epoch, point.scores.get(cell.metric, 0.0), point.seconds, setting, proof))
    seconds = result.curve[-1].seconds if result else time.perf_counter() - started
    for one in _each(cell, scores):
        sheet.fill(one, scores[one.metric], n=len(plan.query), seconds=seconds, **proof)


def _each(cell: Cell, scores: Mapping[str, float]) -> Iterator[Cell]:
    """Yield a cell for each score; that of the score that chooses comes last and says that all are there."""
    place = {name: getattr(cell, name) for name in ("method", "data", "seed", "shots", "config")}
    for metric in [name for name in scores if name != cell.metric]:
        yield Cell(metric=metric, **place)
    yield cell


def _point(cell: Cell, epoch: int, value: float, seconds: float, setting: Setting, proof: Mapping[str, str]) -> Row:
    """Return the row of a point of the curve: `episode` is its epoch, `seconds` the training so far."""
    place: dict[str, Any] = {name: getattr(cell, name) for name in ("method", "data", "seed", "shots", "config")}
    metric, n = f"validation {cell.metric}", len(setting.plan.validation)
    told: dict[str, Any] = {"metric": metric, "value": value, "n": n, "episode": epoch, "seconds": seconds, **proof}
    return Row(protocol=setting.sheet.protocol, **place, **told)
