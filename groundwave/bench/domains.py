"""New domains: learn in some rooms (users, sessions), answer in another, with none of its labels or a few."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from groundwave.adapt.alignment import aligned
from groundwave.bench.cells import Cell, Sheet
from groundwave.bench.fewshot import FAILURES, reason
from groundwave.bench.plans import Plan, check_plan
from groundwave.contracts import Learner, Record
from groundwave.errors import SplitError
from groundwave.rng import generator

ACCURACY = "accuracy"
RECALL, CONFUSED = "recall of ", " as "  # `recall of sitting`; `sitting as lying`: the share of a class so answered
LENT_COUNTS = 3  # times that a label of the new domain counts


@dataclass(frozen=True)
class Approach:
    """A way to tell classes apart in a domain that is new.

    Args:
        name: as it appears in tables.
        look: maps CSI complex64 `[B, antenna, subcarrier, packet]` to features `[B, D]`.
        learner: returns a new learner for a seed.
        align: whether each domain's features are counted from its own mean and spread, which needs its unlabelled
            records.
        config: all settings.
        confusions: whether rows tell what each class is taken for, where no label of the new domain was seen.
    """

    name: str
    look: Callable[[Tensor], Tensor]
    learner: Callable[[int], Learner]
    align: bool
    config: Mapping[str, Any]
    confusions: bool = False


@dataclass(frozen=True)
class Domains:
    """Records and what they share.

    Args:
        data: name of the data.
        record: all records, with `csi` and `label`.
        classes: names of the labels.
        group: what splits must keep whole, int64 `[N]`.
        domain: within which statistics are alike, int64 `[N]`.
    """

    data: str
    record: Record
    classes: Sequence[str]
    group: Tensor
    domain: Tensor


@dataclass(frozen=True)
class Fold:
    """One domain, or several, to learn in, and one that is new.

    Args:
        held_out: what is new, in words.
        known: rows to learn from.
        new: rows of the new domain.
    """

    held_out: str
    known: Tensor
    new: Tensor


def leave_out(column: Tensor, what: str, only: int | None = None) -> Iterator[Fold]:
    """Yield a fold for each value of a column: it is new, and all others are known, or `only` one of them is.

    Raises:
        SplitError: the column has one value.
    """
    values = column.unique().tolist()
    if len(values) < 2 or (only is not None and only not in values):
        raise SplitError(
            got=f"{what} {', '.join(map(str, values))}",
            expected="at least two" if only is None else f"{only} among others",
            do=f"give records of several, with a column `{what}`",
        )
    for value in values:
        if value == only:
            continue
        known = column != value if only is None else column == only
        yield Fold(f"{what} {value}", known.nonzero()[:, 0], (column == value).nonzero()[:, 0])


def lend(fold: Fold, domains: Domains, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return up to `count` rows per class of half of the new domain's groups, and all rows of the other half.

    Raises:
        SplitError: the new domain has one group, or no half of them has a record of each class that is asked.
    """
    label, draw = domains.record["label"], generator(seed, "lend", fold.held_out)
    groups = domains.group[fold.new].unique()
    for _ in range(200 if len(groups) > 1 else 0):
        lending = groups[torch.randperm(len(groups), generator=draw)][: len(groups) // 2]
        lends = torch.isin(domains.group[fold.new], lending)
        pool, asked = fold.new[lends], fold.new[~lends]
        pool = pool[torch.randperm(len(pool), generator=draw)]
        lent = torch.cat([pool[label[pool] == c][:count] for c in label[pool].unique()])
        if torch.isin(label[asked], label[lent]).all():
            return lent.sort().values, asked
    raise SplitError(
        got=f"{len(groups)} groups in {fold.held_out}",
        expected="half of them with a record of every class that the other half is asked about",
        do="leave --shots at 0, or give more recordings of that domain",
    )


def contest(
    approaches: Sequence[Approach],
    folds: Sequence[Fold],
    domains: Domains,
    *,
    sheet: Sheet,
    shots: Sequence[int],
    seeds: Sequence[int],
    config: Mapping[str, Any],
) -> None:
    """Fill the missing cells of all approaches; what fails in one does not stop the others.

    Without labels of the new domain nothing is drawn, so that there is one seed.
    """
    for approach in approaches:
        places = [(fold, count, seed) for fold in folds for count in shots for seed in (seeds if count else seeds[:1])]
        missing = [p for p in places if sheet.missing([_cell(approach, *p, domains, config)])]
        if not missing:
            continue
        try:
            features = _features(approach, domains)
        except FAILURES as error:
            sheet.fail([_cell(approach, *place, domains, config) for place in missing], reason(error))
            continue
        for place in missing:
            cell = _cell(approach, *place, domains, config)
            try:
                _answer(approach, features, *place, domains, cell, sheet)
            except FAILURES as error:
                sheet.fail([cell], reason(error))


def _cell(approach: Approach, fold: Fold, count: int, seed: int, domains: Domains, config: Mapping[str, Any]) -> Cell:
    told = {**config, **approach.config, "held_out": fold.held_out}
    return Cell(method=approach.name, data=domains.data, seed=seed, shots=count, metric=ACCURACY, config=told)


def _features(approach: Approach, domains: Domains) -> Tensor:
    features = torch.cat([approach.look(some) for some in domains.record["csi"].split(256)])
    return aligned(features, domains.domain) if approach.align else features


def _answer(
    approach: Approach,
    features: Tensor,
    fold: Fold,
    count: int,
    seed: int,
    domains: Domains,
    cell: Cell,
    sheet: Sheet,
) -> None:
    """Learn, answer, and write the recall of each class, what it is taken for and, last, the accuracy."""
    start = time.perf_counter()
    lent, asked = lend(fold, domains, count, seed) if count else (fold.new[:0], fold.new)
    plan = planned(fold, lent, asked, domains)
    label = domains.record["label"]
    support = torch.cat([fold.known, *[lent] * LENT_COUNTS])
    known = {"features": features[support], "label": label[support], "index": support}
    learner = approach.learner(seed).fit(known)
    answer = learner.predict({"features": features[asked], "index": asked}).argmax(dim=-1)
    proof: dict[str, Any] = {"split": plan.split, "split_hash": plan.hash(), "seconds": time.perf_counter() - start}
    place = {k: getattr(cell, k) for k in ("method", "data", "seed", "shots", "config")}
    for c in label[asked].unique().tolist():
        answers = answer[label[asked] == c]
        for metric, share in _shares(answers, c, domains.classes, approach.confusions and not count):
            sheet.fill(Cell(metric=metric, **place), share, n=len(answers), **proof)
    sheet.fill(cell, float((answer == label[asked]).float().mean()), n=len(asked), **proof)


def _shares(answers: Tensor, label: int, classes: Sequence[str], confusions: bool) -> Iterator[tuple[str, float]]:
    """Yield the share of right answers to a class and, where it is asked for, that of each wrong one that there is."""
    yield f"{RECALL}{classes[label]}", float((answers == label).float().mean())
    for other in answers[answers != label].unique().tolist() if confusions else ():
        yield f"{classes[label]}{CONFUSED}{classes[other]}", float((answers == other).float().mean())


def planned(fold: Fold, lent: Tensor, asked: Tensor, domains: Domains) -> Plan:
    """Return who sees what in a fold; raises `SplitError` where a group of what is asked lends labels."""
    plan = Plan(
        split=f"{fold.held_out} left out",
        pretraining=fold.known[:0],
        support=torch.cat([fold.known, lent]),
        query=asked,
        validation=asked[:0],
        classes=tuple(range(len(domains.classes))),
        known=(),
    )
    return check_plan(plan, domains.group)
