"""Antennas: learn on one front-end, answer on it and on another one with a few of its labels."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from groundwave.bench.cells import Cell
from groundwave.bench.contest import ACCURACY, Contender, Questions, Setting, ask, cells, encoder, whiten
from groundwave.bench.fewshot import FAILURES, reason
from groundwave.bench.plans import Plan, check_plan
from groundwave.contract import InputContract
from groundwave.contract.given import Given
from groundwave.data.split import Grouped, split
from groundwave.metrics import macro_recall
from groundwave.model import Model

SHARES = {"train": 0.8, "support": 0.1, "query": 0.1}  # of the frames of each beam on each antenna


@dataclass(frozen=True)
class AsRecorded(InputContract):
    """A contract that leaves samples at the level at which they were recorded, as published networks of beams see them.

    It is not for models that are saved: there is one normalisation.
    """

    def prepare(self, iq: Given, oversampling: float | None = None, index: Tensor | None = None) -> Tensor:
        """Return the samples of an array or a record as they are."""
        return iq["iq"] if isinstance(iq, dict) else torch.as_tensor(iq)


def as_recorded(model: Model) -> Model:
    """Return the model with its networks shared, which takes samples at their own level."""
    contract: Any = model.contract
    return replace(model, contract=AsRecorded(contract.num_samples, contract.min_samples, contract.max_samples))


def crossing(source: Grouped, front_end: Tensor, learned: Sequence[int], asked: int, *, seed: int) -> Plan:
    """Return who sees what when front-ends `learned` lend what is learned and `asked` lends labels and is asked.

    Frames are dealt whole, beam by beam, to what is learned, what may lend labels and what is asked; where an antenna
    is in both, no frame is.

    Args:
        source: records of all front-ends.
        front_end: the one of each record, int64 `[N]`.
        learned: front-ends to learn on.
        asked: the front-end that is asked.
        seed: of the deal.
    """
    parts = {
        number: split(source, SHARES, seed=seed, stratify=True, indices=(front_end == number).nonzero()[:, 0])
        for number in sorted({*learned, asked})
    }
    everything = tuple(range(len(source.classes)))
    plan = Plan(
        split=f"learned on front-end {', '.join(map(str, learned))}, asked on {asked}, frames whole",
        pretraining=torch.cat([parts[number]["train"] for number in learned]).sort().values,
        support=parts[asked]["support"],
        query=parts[asked]["query"],
        validation=torch.empty(0, dtype=torch.int64),
        classes=everything,
        known=everything,
    )
    return check_plan(plan, source.groups)


def cross(contender: Contender, questions: Questions, settings: Sequence[Setting], unadapted: str = "") -> None:
    """Fill the missing cells of a contender in settings that differ in what is asked, after learning once.

    Args:
        contender: who; what it learns on is the same in all settings.
        questions: what it is asked in each, all SNRs together.
        settings: at home and away.
        unadapted: name under which the model answers with its own head and without any label, at the level of the
            recording; by default it does not.
    """
    missing = {
        place: setting.sheet.missing([*cells(contender, questions, setting), *_own(unadapted, contender, setting)])
        for place, setting in enumerate(settings)
    }
    if not any(missing.values()):
        return
    try:
        model = encoder(contender, settings[0].plan, settings[0], "all")
    except FAILURES as error:
        for place, setting in enumerate(settings):
            setting.sheet.fail(missing[place], f"pretraining: {reason(error)}")
        return
    for setting in settings:
        for cell in setting.sheet.missing(_own(unadapted, contender, setting)):
            assert model is not None
            try:
                _answer_unadapted(model, cell, setting)
            except FAILURES as error:
                setting.sheet.fail([cell], reason(error))
        try:
            models = {False: model, True: whiten(model, contender, setting.plan, setting)}
        except FAILURES as error:
            setting.sheet.fail(setting.sheet.missing(cells(contender, questions, setting)), reason(error))
            continue
        ask(contender, models, questions, setting)


def _own(name: str, contender: Contender, setting: Setting) -> list[Cell]:
    """Return the cell of a model that answers without labels."""
    config = {**setting.config, **contender.config(), "head": "its own"}
    place: dict[str, Any] = {"data": setting.data, "seed": setting.seed, "shots": 0}
    return [Cell(method=name, metric=ACCURACY, config=config, **place)] if name else []


def _answer_unadapted(model: Model, cell: Cell, setting: Setting) -> None:
    start = time.perf_counter()
    query = setting.plan.query
    answer = as_recorded(model).predict(setting.source[query]["iq"]).argmax(dim=-1)
    value = macro_recall(answer, setting.source.labels[query])
    proof = {"split": setting.plan.split, "split_hash": setting.plan.hash()}
    setting.sheet.fill(cell, value, n=len(query), seconds=time.perf_counter() - start, **proof)
