"""Who may see what: records to pretrain on, to label and to ask; checked before anything is learned or asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from groundwave.data.split import Grouped, split, split_hash
from groundwave.errors import SplitError
from groundwave.rng import generator


@dataclass(frozen=True)
class Plan:
    """Rows of a data set by what they are for; no group of a row that is asked may be seen or labelled.

    Args:
        split: how the rows were parted, in words.
        pretraining: what may be pretrained on.
        support: what may lend labels.
        query: what is asked in the end.
        validation: what may be asked to choose a setting.
        classes: the labels in play when asking.
        known: the labels of what is pretrained on, which methods with labels learn.
        support_seen: whether pretraining may see (without its label) what lends labels later.
    """

    split: str
    pretraining: Tensor
    support: Tensor
    query: Tensor
    validation: Tensor
    classes: tuple[int, ...]
    known: tuple[int, ...]
    support_seen: bool = False

    def parts(self) -> dict[str, Tensor]:
        """Return the rows by name."""
        return {name: getattr(self, name) for name in ("pretraining", "support", "query", "validation")}

    def hash(self) -> str:
        """Return what proves which row was on which side."""
        return split_hash(self.parts())


def check_plan(plan: Plan, groups: Tensor) -> Plan:
    """Return the plan; raises `SplitError` unless it keeps what is asked from what is seen, group by group."""
    for seen in ("pretraining", "support"):
        for asked in ("query", "validation"):
            check_unseen(seen, plan.parts()[seen], asked, plan.parts()[asked], groups)
    if not plan.support_seen:
        everything = torch.arange(len(groups))
        check_unseen("pretraining", plan.pretraining, "support", plan.support, everything)
    return plan


def check_unseen(seen: str, seen_rows: Tensor, asked: str, asked_rows: Tensor, groups: Tensor) -> None:
    """Raise `SplitError` when a group of the rows that are asked is among those that are seen."""
    shared = torch.isin(groups[asked_rows], groups[seen_rows])
    if bool(shared.any()):
        raise SplitError(
            got=f"{int(shared.sum())} of {len(asked_rows)} {asked} records of groups that {seen} holds, too",
            expected=f"{asked} that {seen} has not seen",
            do="split by group",
        )


def split_cells(
    source: Grouped, fractions: Mapping[str, float], *, seed: int, snr_db: Tensor, classes: Sequence[int]
) -> dict[str, Tensor]:
    """Deal the groups of each class at each SNR to named parts; `snr_db` `[N]` tells the SNR of each record."""
    dealt: dict[str, list[Tensor]] = {name: [] for name in fractions}
    for snr in snr_db.unique().tolist():
        for label in classes:
            cell = ((snr_db == snr) & (source.labels == label)).nonzero()[:, 0]
            for name, rows in split(source, fractions, seed=seed, indices=cell).items():
                dealt[name].append(rows)
    return {name: torch.cat(rows).sort().values for name, rows in dealt.items()}


def draw_from_cells(
    rows: Tensor, labels: Tensor, snr_db: Tensor, count: int, *, seed: int, what: str = "labels"
) -> Tensor:
    """Return `count` of `rows` for each class at each SNR; what a smaller count returns is among them.

    Raises:
        SplitError: a class has fewer at some SNR.
    """
    chosen = []
    for snr in snr_db[rows].unique().tolist():
        for label in labels[rows].unique().tolist():
            cell = rows[(labels[rows] == label) & (snr_db[rows] == snr)]
            if len(cell) < count:
                raise SplitError(
                    got=f"{len(cell)} records of class {label} at {snr:g} dB for {count} {what}",
                    expected="as many at least",
                    do="ask for fewer, or give more records",
                )
            order = torch.randperm(len(cell), generator=generator(seed, what, label, f"{snr:g}"))
            chosen.append(cell[order[:count]])
    return torch.cat(chosen).sort().values


def part_classes(num_classes: int, num_known: int, seed: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return classes to pretrain on and classes that are new afterwards, a random split of them for each seed."""
    order = torch.randperm(num_classes, generator=generator(seed, "class split")).tolist()
    return tuple(sorted(order[:num_known])), tuple(sorted(order[num_known:]))


ALIKE = (frozenset({"QAM16", "QAM64"}), frozenset({"WBFM", "AM-DSB"}))  # what even full supervision confuses


def alike(names: Sequence[str]) -> list[str]:
    """Return the pairs of `names` that are hard to tell apart in RadioML 2016, as `QAM16-QAM64`."""
    return ["-".join(pair) for pair in combinations(names, 2) if frozenset(pair) in ALIKE]
