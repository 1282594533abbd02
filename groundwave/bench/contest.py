"""Contests: each contender pretrains on what a plan lets it see, then answers the same episodes as all others."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Self

import torch
from torch import Tensor

from groundwave.bench.cells import Cell, Sheet
from groundwave.bench.encoders import Labelled, Pretraining, at_snr, pretrained
from groundwave.bench.fewshot import FAILURES, Episode, reason, score
from groundwave.bench.methods import Method
from groundwave.bench.plans import Plan, check_plan
from groundwave.bench.rows import hash_config
from groundwave.contracts import Learner, Record
from groundwave.data.episodes import episodes
from groundwave.data.split import split_hash
from groundwave.model import Model
from groundwave.pretrain.whitening import whitened
from groundwave.rng import generator

ACCURACY, SPREAD = "macro recall", "spread over episodes"
JOINED = ", one for all SNRs"  # how the names of methods end whose sources have a network for each
MOST_UNLABELLED = 10_000  # records that a learner gets without labels

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
        unlabelled: whether its learner also gets, without labels, what was there to pretrain on; asked only where that
            holds the classes in question.
        white: whether it sees the encoder's features whitened by the views of its pretraining.
    """

    name: str
    config: Mapping[str, Any]
    method: Callable[[Model | None], Method]
    most_episodes: int | None = None
    unlabelled: bool = False
    white: bool = False


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
        ways = tuple(replace(way, name=f"{way.name}{JOINED}") for way in self.ways)
        return Contender(replace(self.pretraining, per_snr=False), ways)


@dataclass(frozen=True)
class Questions:
    """What is asked of each contender.

    Who has one encoder for all SNRs is asked at each SNR by itself and, where there are several, about all of them
    together: support and queries of an episode are then of any of them, and nobody says of which.

    Args:
        snrs_db: at which SNRs; where there are none, they play no part.
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

    def labelled(self, count: int | None) -> Tensor:
        """Return the records that lend labels, ascending; those of a smaller count are among those of a larger one."""
        support = self.plan.support
        order = torch.randperm(len(support), generator=generator(self.seed, "labelled"))
        return support[order[:count]].sort().values


def compete(contender: Contender, questions: Questions, setting: Setting) -> None:
    """Fill the cells of one contender that have no value yet; pretrains only where one of them is missing.

    Args:
        contender: who.
        questions: what it is asked.
        setting: on which data.
    """
    per_snr = contender.pretraining is not None and contender.pretraining.per_snr
    if setting.plan.known != setting.plan.classes:
        contender = replace(contender, ways=tuple(way for way in contender.ways if not way.unlabelled))
    for snrs_db in [(snr,) for snr in questions.snrs_db] if per_snr else [questions.snrs_db]:
        part = replace(questions, snrs_db=snrs_db)
        missing = setting.sheet.missing(cells(contender, part, setting))
        if not missing:
            continue
        plan = at_snr(setting.plan, setting.snr_db, snrs_db[0]) if per_snr else setting.plan
        try:
            model = encoder(contender, plan, setting, f"{snrs_db[0]:+g}dB" if per_snr else "all")
            models = {False: model, True: whiten(model, contender, plan, setting)}
        except FAILURES as error:
            setting.sheet.fail(missing, f"pretraining: {reason(error)}")
            continue
        ask(contender, models, part, setting)


def ask(contender: Contender, models: Mapping[bool, Model | None], questions: Questions, setting: Setting) -> None:
    """Let all ways of a contender answer with its trained encoder, of which `models[True]` has white features."""
    memory: Memory = {}
    for way in contender.ways:
        try:
            _answer(way, models[way.white], contender, questions, setting, memory)
        except FAILURES as error:
            alone = replace(contender, ways=(way,))
            setting.sheet.fail(setting.sheet.missing(cells(alone, questions, setting)), reason(error))


def encoder(contender: Contender, plan: Plan, setting: Setting, which: str) -> Model | None:
    """Return a contender's encoder for the SNRs `which`; other settings or other records make another folder of runs.

    Contenders of the same pretraining share it.
    """
    how = contender.pretraining
    if how is None:
        return None
    out = run_of(how, plan, setting, which)
    return pretrained(how, setting.source, plan, out=out, seed=setting.seed, progress=setting.progress)


def run_of(how: Pretraining, plan: Plan, setting: Setting, which: str = "all") -> Path:
    """Return the folder of the run in which an encoder is pretrained; its model is in `model`."""
    told = {"pretraining": how.config(), **setting.config, "data": setting.data, "plan": plan.hash()}
    return setting.runs / f"{how.objective}-{how.backbone}" / which / f"seed-{setting.seed}-{hash_config(told)}"


def whiten(model: Model | None, contender: Contender, plan: Plan, setting: Setting) -> Model | None:
    """Return an encoder with white features, by what the plan allowed it to see, where a way asks for them."""
    how = contender.pretraining
    if model is None or how is None or not any(way.white for way in contender.ways):
        return model
    return whitened(model, setting.source, plan.pretraining, how.views, seed=setting.seed)


def cells(contender: Contender, questions: Questions, setting: Setting) -> Iterator[Cell]:
    """Yield the cells of all ways at all places."""
    for way in contender.ways:
        for snrs_db in _places(questions):
            for shots in questions.shots:
                yield from _cells_at(way, snrs_db, shots, contender, questions, setting)


def _places(questions: Questions) -> list[tuple[float, ...]]:
    """Return the SNRs that are asked about together: each by itself, then all."""
    each: list[tuple[float, ...]] = [(snr,) for snr in questions.snrs_db]
    return each if len(each) == 1 else [*each, questions.snrs_db]


def _cells_at(
    way: Way, snrs_db: tuple[float, ...], shots: int, contender: Contender, questions: Questions, setting: Setting
) -> list[Cell]:
    """Return the cells of one place: the mean over episodes and, where there are several, their spread."""
    num_episodes = _episodes_of(way, questions)
    config = {**setting.config, **contender.config(), **way.config, "episodes": num_episodes}
    place: dict[str, Any] = {"data": setting.data, "seed": setting.seed, "shots": shots}
    place |= {"snr_db": snrs_db[0] if len(snrs_db) == 1 else None}
    place |= {"config": {**config, "mixed_db": snrs_db} if len(snrs_db) > 1 else config}
    return [Cell(method=way.name, metric=m, **place) for m in (ACCURACY, SPREAD)[: 1 + (num_episodes > 1)]]


def _episodes_of(way: Way, questions: Questions) -> int:
    return min(questions.num_episodes, way.most_episodes or questions.num_episodes)


def _answer(
    way: Way, model: Model | None, contender: Contender, questions: Questions, setting: Setting, memory: Memory
) -> None:
    """Ask one way at each place and number of shots; what fails in one cell does not stop the others."""
    method = way.method(model)
    for snrs_db in _places(questions):
        for shots in questions.shots:
            cells = _cells_at(way, snrs_db, shots, contender, questions, setting)
            missing = setting.sheet.missing(cells)
            if missing:
                try:
                    one = replace(questions, snrs_db=snrs_db, shots=(shots,), num_episodes=_episodes_of(way, questions))
                    informed = inform(method, one, setting) if way.unlabelled else method
                    _ask(informed, missing, one, setting, memory)
                except FAILURES as error:
                    setting.sheet.fail(missing, reason(error))


def _ask(method: Method, cells: Sequence[Cell], questions: Questions, setting: Setting, memory: Memory) -> None:
    """Score a method in the episodes of one place and number of shots, and fill its cells."""
    start = time.perf_counter()
    snrs_db = questions.snrs_db or (None,)
    plans = [setting.plan if snr is None else at_snr(setting.plan, setting.snr_db, snr) for snr in snrs_db]
    pools = [torch.cat([plan.support, plan.query]) for plan in plans]
    lends = torch.cat([torch.arange(len(rows)) < len(plan.support) for rows, plan in zip(pools, plans, strict=True)])
    rows = torch.cat(pools)
    record = {**setting.source[rows], "label": setting.source.labels[rows]}
    if method.embed is not None:
        for snr, iq in zip(snrs_db, record["iq"].split([len(pool) for pool in pools]), strict=True):
            if (method.embed, snr) not in memory:
                memory[method.embed, snr] = method.embed(iq)
        record["features"] = torch.cat([memory[method.embed, snr] for snr in snrs_db])
        method = replace(method, embed=None)
    drawn = draw(record["label"], lends, questions, setting)
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


class Informed:
    """A learner that gets unlabelled features beside its support."""

    def __init__(self, learner: Learner, unlabelled: Tensor) -> None:
        self.learner, self.unlabelled = learner, unlabelled

    def fit(self, support: Record) -> Self:
        """Learn from the support and what has no label."""
        self.learner = self.learner.fit({**support, "unlabelled": self.unlabelled})
        return self

    def predict(self, query: Record) -> Tensor:
        """Return what the learner answers."""
        return self.learner.predict(query)


def inform(method: Method, questions: Questions, setting: Setting) -> Method:
    """Return a method whose learners get what was there to pretrain on at the SNRs in question, without labels."""
    assert method.embed is not None
    plan, learner = setting.plan, method.learner
    rows = plan.pretraining[torch.isin(setting.snr_db[plan.pretraining], torch.tensor(questions.snrs_db))]
    order = torch.randperm(len(rows), generator=generator(setting.seed, "unlabelled"))
    features = method.embed(setting.source[rows[order[:MOST_UNLABELLED]]]["iq"])
    return replace(method, learner=lambda episode: Informed(learner(episode), features))


def draw(label: Tensor, lends: Tensor, questions: Questions, setting: Setting) -> dict[int, Episode]:
    """Return the episodes of one place and number of shots, as positions.

    Args:
        label: of the records that may be labelled or asked, `[N]`.
        lends: which of them may be labelled, bool `[N]`; the plan keeps their groups apart from those of the others.
        questions: the place, the number of shots, and how many episodes and queries.
        setting: the plan and the seed.
    """
    (shots,), classes = questions.shots, setting.plan.classes
    fewest = min(int((label[~lends] == c).sum()) for c in classes)
    found = episodes(
        label,
        None,
        num_shots=shots,
        num_episodes=questions.num_episodes,
        num_queries=None if questions.num_queries is None else min(questions.num_queries, fewest),
        generator=generator(setting.seed, "episodes", setting.data, shots, *(f"{snr:g}" for snr in questions.snrs_db)),
        classes=classes,
        support_pool=lends.nonzero()[:, 0],
        query_pool=(~lends).nonzero()[:, 0],
    )
    return dict(enumerate(found))
