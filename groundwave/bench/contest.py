"""Contests: each contender pretrains on what a plan lets it see, then answers the same episodes as all others."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from torch import Tensor

from groundwave.bench.cells import Cell, Sheet
from groundwave.bench.encoders import Labelled, Pretraining, at_snr, pretrained
from groundwave.bench.fewshot import FAILURES, Episode, reason, score
from groundwave.bench.methods import Method
from groundwave.bench.plans import Plan, check_plan
from groundwave.bench.rows import hash_config
from groundwave.data.episodes import episodes
from groundwave.data.split import split_hash
from groundwave.model import Model
from groundwave.rng import generator

ACCURACY, SPREAD = "macro recall", "spread over episodes"

# Features of what may be labelled or asked at an SNR: the same for all ways of an encoder and all numbers of labels.
Memory = dict[tuple[Callable[[Tensor], Tensor], float | None], Tensor]


@dataclass(frozen=True)
class Way:
    """A way to answer with an encoder.

    Args:
        name: as it appears in tables.
        config: all its settings.
        method: makes it of the trained encoder; of None where nothing is pretrained.
        most_episodes: no more episodes than this, for what is slow.
    """

    name: str
    config: Mapping[str, Any]
    method: Callable[[Model | None], Method]
    most_episodes: int | None = None


@dataclass(frozen=True)
class Contender:
    """An encoder and the ways to answer with it; without pretraining, ways that need none.

    Args:
        pretraining: how the encoder is made.
        ways: how it answers.
    """

    pretraining: Pretraining | None
    ways: tuple[Way, ...]

    def config(self) -> dict[str, Any]:
        """Return how the encoder is made, as rows tell it."""
        return {"pretraining": self.pretraining.config() if self.pretraining else None}

    def shortened(self, epochs: int, batch_size: int | None = None) -> "Contender":
        """Return the same with a shorter pretraining."""
        if self.pretraining is None:
            return self
        return replace(self, pretraining=self.pretraining.shortened(epochs, batch_size))

    def joined(self) -> "Contender":
        """Return the same with one encoder for all SNRs, its ways renamed after that; or itself where it has one."""
        if self.pretraining is None or not self.pretraining.per_snr:
            return self
        ways = tuple(replace(way, name=f"{way.name}, one for all SNRs") for way in self.ways)
        return Contender(replace(self.pretraining, per_snr=False), ways)


@dataclass(frozen=True)
class Questions:
    """What is asked of each contender.

    Args:
        snrs_db: at which SNRs, each by itself.
        shots: labels per class.
        num_episodes: draws of the labels.
        num_queries: asked per class; None asks all there are.
    """

    snrs_db: tuple[float, ...]
    shots: tuple[int, ...]
    num_episodes: int = 1
    num_queries: int | None = None


@dataclass(frozen=True)
class Setting:
    """A data set with a plan, and where the results go.

    Args:
        data: name of the data.
        source: the records.
        snr_db: SNR of each record, `[N]`.
        plan: who may see what.
        seed: of weights and draws.
        sheet: the rows.
        runs: folder of pretraining runs.
        config: further settings to store with each row.
        progress: whether to draw progress bars.
    """

    data: str
    source: Labelled
    snr_db: Tensor
    plan: Plan
    seed: int
    sheet: Sheet
    runs: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    progress: bool = True

    def __post_init__(self) -> None:
        """Raise `SplitError` when the plan leaks."""
        check_plan(self.plan, self.source.groups)


def compete(contender: Contender, questions: Questions, setting: Setting) -> None:
    """Fill the cells of one contender that have no value yet; pretrains only where one of them is missing.

    Args:
        contender: who.
        questions: what it is asked.
        setting: on which data.
    """
    per_snr = contender.pretraining is not None and contender.pretraining.per_snr
    for snrs_db in [(snr,) for snr in questions.snrs_db] if per_snr else [questions.snrs_db]:
        part = replace(questions, snrs_db=snrs_db)
        missing = setting.sheet.missing(cell for _, cell in _cells(contender, part, setting))
        if not missing:
            continue
        plan = at_snr(setting.plan, setting.snr_db, snrs_db[0]) if per_snr else setting.plan
        try:
            model = encoder(contender, plan, setting, f"{snrs_db[0]:+g}dB" if per_snr else "all")
        except FAILURES as error:
            setting.sheet.fail(missing, f"pretraining: {reason(error)}")
            continue
        memory: Memory = {}
        for way in contender.ways:
            _answer(way, model, contender, part, setting, memory)


def encoder(contender: Contender, plan: Plan, setting: Setting, which: str) -> Model | None:
    """Return a contender's encoder for the SNRs `which`; other settings or other records make another folder of runs.

    Contenders of the same pretraining share it.
    """
    how = contender.pretraining
    if how is None:
        return None
    identity = hash_config({**contender.config(), **setting.config, "data": setting.data, "plan": plan.hash()})
    out = setting.runs / f"{how.objective}-{how.backbone}" / which / f"seed-{setting.seed}-{identity}"
    return pretrained(how, setting.source, plan, out=out, seed=setting.seed, progress=setting.progress)


def _cells(contender: Contender, questions: Questions, setting: Setting) -> Iterator[tuple[Way, Cell]]:
    """Yield the cells of all ways: the mean over episodes and, where there are several, their spread."""
    for way in contender.ways:
        num_episodes = _episodes_of(way, questions)
        config = {**setting.config, **contender.config(), **way.config, "episodes": num_episodes}
        for snr in questions.snrs_db:
            for shots in questions.shots:
                for metric in (ACCURACY, SPREAD)[: 1 + (num_episodes > 1)]:
                    place: dict[str, Any] = {"data": setting.data, "seed": setting.seed, "shots": shots, "snr_db": snr}
                    yield way, Cell(method=way.name, metric=metric, config=config, **place)


def _episodes_of(way: Way, questions: Questions) -> int:
    return min(questions.num_episodes, way.most_episodes or questions.num_episodes)


def _answer(
    way: Way, model: Model | None, contender: Contender, questions: Questions, setting: Setting, memory: Memory
) -> None:
    """Ask one way at each SNR and number of shots; what fails in one cell does not stop the others."""
    method = way.method(model)
    for snr in questions.snrs_db:
        for shots in questions.shots:
            one = replace(questions, snrs_db=(snr,), shots=(shots,))
            alone = replace(contender, ways=(way,))
            missing = setting.sheet.missing(cell for _, cell in _cells(alone, one, setting))
            if missing:
                try:
                    _ask(method, missing, _episodes_of(way, questions), questions.num_queries, setting, memory)
                except FAILURES as error:
                    setting.sheet.fail(missing, reason(error))


def _ask(
    method: Method,
    cells: Sequence[Cell],
    num_episodes: int,
    num_queries: int | None,
    setting: Setting,
    memory: Memory,
) -> None:
    """Score a method in the episodes of one SNR and number of shots, and fill its cells."""
    start = time.perf_counter()
    rows, drawn = draw(setting, cells[0], num_episodes, num_queries)
    record = {**setting.source[rows], "label": setting.source.labels[rows]}
    if method.embed is not None:
        place = (method.embed, cells[0].snr_db)
        if place not in memory:
            memory[place] = method.embed(record["iq"])
        record, method = {**record, "features": memory[place]}, replace(method, embed=None)
    scores = list(score(record, drawn, [method]))
    recalls = [s.macro_recall for s in scores]
    asked = {f"{side} {e}": rows[part] for e, ep in drawn.items() for side, part in zip("sq", ep, strict=True)}
    for cell in cells:
        setting.sheet.fill(
            cell,
            fmean(recalls) if cell.metric == ACCURACY else stdev(recalls),
            n=sum(s.num_queries for s in scores),
            split=setting.plan.split,
            split_hash=split_hash({**setting.plan.parts(), **asked}),
            seconds=time.perf_counter() - start,
        )


def draw(setting: Setting, cell: Cell, num_episodes: int, num_queries: int | None) -> tuple[Tensor, dict[int, Episode]]:
    """Return the rows that may be labelled or asked at the cell's SNR, and episodes as positions among them."""
    plan, labels = setting.plan, setting.source.labels
    assert cell.snr_db is not None
    assert cell.shots is not None
    here = at_snr(plan, setting.snr_db, cell.snr_db)
    rows = torch.cat([here.support, here.query])
    pools = torch.arange(len(rows)).split([len(here.support), len(here.query)])
    fewest = min(int((labels[here.query] == c).sum()) for c in plan.classes)
    found = episodes(
        labels[rows],
        None,  # the plan keeps the groups of the two pools apart
        num_shots=cell.shots,
        num_episodes=num_episodes,
        num_queries=None if num_queries is None else min(num_queries, fewest),
        generator=generator(setting.seed, "episodes", cell.data, cell.shots, f"{cell.snr_db:g}"),
        classes=plan.classes,
        support_pool=pools[0],
        query_pool=pools[1],
    )
    return rows, dict(enumerate(found))
