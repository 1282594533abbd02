"""Label efficiency: one answer for all SNRs, learned from few labels, more, or all of them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from groundwave.bench.cells import Cell
from groundwave.bench.contest import ACCURACY, Contender, Setting, Way, encoder, whiten
from groundwave.bench.fewshot import FAILURES, reason
from groundwave.bench.methods import Method
from groundwave.bench.plans import draw_from_cells
from groundwave.contracts import Record
from groundwave.data.split import split_hash
from groundwave.metrics import macro_recall
from groundwave.model import Model

READ_AT_ONCE = 8192


@dataclass(frozen=True)
class Labels:
    """How many labels there are, and where the answers are looked at.

    Args:
        counts: labels per class and SNR; None gives all labels of the support.
        snrs_db: SNRs that get a value of their own, beside the value over all records that are asked.
    """

    counts: tuple[int | None, ...]
    snrs_db: tuple[float, ...]


def efficiency(contender: Contender, labels: Labels, setting: Setting) -> None:
    """Fill the cells of one contender that have no value yet; pretrains only where one of them is missing.

    Args:
        contender: who; its encoder is one for all SNRs.
        labels: how many labels it gets.
        setting: on which data.
    """
    missing = setting.sheet.missing(cell for way in contender.ways for cell in _cells(way, contender, labels, setting))
    if not missing:
        return
    try:
        model = encoder(contender, setting.plan, setting, "all")
        models = {False: model, True: whiten(model, contender, setting.plan, setting)}
    except FAILURES as error:
        setting.sheet.fail(missing, f"pretraining: {reason(error)}")
        return
    for way in contender.ways:
        missing = setting.sheet.missing(_cells(way, contender, labels, setting))
        if missing:
            try:
                _climb(way, models[way.white], contender, labels, setting)
            except FAILURES as error:
                setting.sheet.fail(missing, reason(error))


def _cells(way: Way, contender: Contender, labels: Labels, setting: Setting) -> Iterator[Cell]:
    config = {**setting.config, **contender.config(), **way.config}
    for count in labels.counts:
        for snr in (None, *labels.snrs_db):
            place: Mapping[str, Any] = {"data": setting.data, "seed": setting.seed, "shots": count, "snr_db": snr}
            yield Cell(method=way.name, metric=ACCURACY, config=config, **place)


def _climb(way: Way, model: Model | None, contender: Contender, labels: Labels, setting: Setting) -> None:
    """Answer with more and more labels; what fails with one number of them does not stop the others."""
    method = way.method(model)
    query = read(setting.source.__getitem__, setting.plan.query, method)
    for count in labels.counts:
        one = replace(labels, counts=(count,))
        missing = setting.sheet.missing(_cells(way, contender, one, setting))
        if missing:
            try:
                _answer(method, count, missing, query, setting)
            except FAILURES as error:
                setting.sheet.fail(missing, reason(error))


def _answer(method: Method, count: int | None, cells: Sequence[Cell], query: Record, setting: Setting) -> None:
    """Learn from `count` labels per class and SNR, answer all queries once, and look at the answers SNR by SNR."""
    start = time.perf_counter()
    plan, source = setting.plan, setting.source
    support = plan.support
    if count is not None:
        support = draw_from_cells(support, source.labels, setting.snr_db, count, seed=setting.seed)
    learner = method.learner(setting.seed).fit(read(source.__getitem__, support, method))
    prediction = learner.predict(query).argmax(dim=-1)
    proof = split_hash({**plan.parts(), "labelled": support})
    seconds = time.perf_counter() - start
    for cell in cells:
        here = torch.ones(len(prediction), dtype=torch.bool)
        if cell.snr_db is not None:
            here = setting.snr_db[plan.query] == cell.snr_db
        value = macro_recall(prediction[here], query["label"][here])
        setting.sheet.fill(cell, value, n=int(here.sum()), split=plan.split, split_hash=proof, seconds=seconds)


def read(source: Callable[[Tensor], Record], rows: Tensor, method: Method) -> Record:
    """Return what a learner may see of records: `label` with `iq`, or with `features` where it reads those."""
    pieces = [source(some) for some in rows.split(READ_AT_ONCE)]
    known = {"label": torch.cat([piece["label"] for piece in pieces]), "index": rows}
    if method.embed is None:
        return {**known, "iq": torch.cat([piece["iq"] for piece in pieces])}
    return {**known, "features": torch.cat([method.embed(piece["iq"]) for piece in pieces])}
