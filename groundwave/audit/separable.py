"""Pairs of classes that a nuisance alone tells apart, and pairs that nothing tells apart."""

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from groundwave.audit.classify import Array, area, by_all, by_one, folds
from groundwave.audit.finding import Finding, Outcome, names
from groundwave.audit.nuisance import NUISANCES, features, normalised_features, nuisances
from groundwave.audit.sample import Sample
from groundwave.page import Table, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PER_CLASS = 1000
LEAST, LEAST_TO_DENY = 24, 300  # records of a class to compare it, and to say that nothing separates it
SEPARATES, NOTHING, LOOK_CLOSER = 0.9, 0.57, 0.7
MOST_CLOSER = 40  # pairs that a forest looks at, those that linear discriminants find hardest
ALONE = ("level", "length")  # others are properties of many modulations


@dataclass(frozen=True)
class Pairs:
    """Balanced accuracy of each pair of classes by each nuisance, by all features and by those without nuisances."""

    classes: list[str]
    counts: list[int]
    alone: dict[str, Array]
    everything: Array
    rest: Array

    def all(self) -> list[tuple[int, int]]:
        """Return the pairs of class numbers."""
        return list(combinations(range(len(self.classes)), 2))

    def name(self, pair: tuple[int, int]) -> str:
        """Return a pair in words."""
        return f"{self.classes[pair[0]]} / {self.classes[pair[1]]}"


def check_pairs(sample: Sample) -> Outcome:
    """Try to tell each pair of classes apart, by groups that were not seen, at the highest SNRs."""
    rows = {n: found[:PER_CLASS] for n, found in sample.members(sample.strong(), LEAST).items() if n in sample.classes}
    alone = [name for name, found in rows.items() if not _several(sample.group[found])]
    rows = {name: found for name, found in rows.items() if name not in alone}
    notes = [f"All records of {names(alone)} are of one group; nothing can be said about them."] if alone else []
    if len(rows) < 2:
        return Outcome(notes=[*notes, "Fewer than two classes with enough records to compare."])
    chosen = torch.cat(list(rows.values()))
    label = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor([len(found) for found in rows.values()]))
    iq, group = sample.iq[chosen], sample.group[chosen]
    fold = folds(label, group)
    values = _by_batch(nuisances, iq)
    features_, rest = _by_batch(features, iq), _by_batch(normalised_features, iq)
    pairs = Pairs(
        list(rows),
        [len(found) for found in rows.values()],
        {name: by_one(values[:, i], label, fold) for i, name in enumerate(NUISANCES)},
        by_all(features_, label, fold),
        by_all(rest, label, fold),
    )
    same = _inseparable(pairs, features_, label, fold)
    only = _only_nuisance(pairs, rest, label, fold)
    findings = [*_level_findings(pairs), *_only_findings(pairs, only), *_same_findings(pairs, same)]
    caption = "Balanced accuracy of each pair by all features (below the diagonal) and by the level alone (above)."
    return Outcome(findings, notes, [_table(pairs, same)], {caption: _picture(pairs)})


def _several(group: Tensor) -> bool:
    return len(group.unique()) > 1 or bool((group < 0).all())


def _by_batch(function: "object", iq: Tensor) -> Tensor:
    return torch.cat([function(part) for part in iq.split(512)])  # type: ignore[operator]


def _inseparable(pairs: Pairs, x: Tensor, label: Tensor, fold: Tensor) -> dict[tuple[int, int], float]:
    """Return the pairs that neither a nuisance nor any feature tells apart, with the area under the ROC curve."""
    best = {pair: max(values[pair] for values in (pairs.everything, *pairs.alone.values())) for pair in pairs.all()}
    hard = sorted((p for p in best if best[p] < LOOK_CLOSER and _enough(pairs, p)), key=lambda p: best[p])
    found = {}
    for pair in hard[:MOST_CLOSER]:
        value, error = _closer(pair, x, label, fold)
        if value + 2 * error < NOTHING:
            found[pair] = value
    return found


def _only_nuisance(pairs: Pairs, x: Tensor, label: Tensor, fold: Tensor) -> dict[tuple[int, int], str]:
    """Return the pairs that centre or bandwidth tell apart, and nothing else does."""
    found = {}
    for pair in pairs.all():
        by = max(("centre", "bandwidth"), key=lambda name: pairs.alone[name][pair])
        if pairs.alone[by][pair] >= SEPARATES and pairs.rest[pair] < LOOK_CLOSER and _enough(pairs, pair):
            value, error = _closer(pair, x, label, fold)
            if value + 2 * error < NOTHING:
                found[pair] = by
    return found


def _enough(pairs: Pairs, pair: tuple[int, int]) -> bool:
    return min(pairs.counts[c] for c in pair) >= LEAST_TO_DENY


def _closer(pair: tuple[int, int], x: Tensor, label: Tensor, fold: Tensor) -> tuple[float, float]:
    here = (label == pair[0]) | (label == pair[1])
    return area(x[here], label[here] == pair[1], fold[here])


def _level_findings(pairs: Pairs) -> list[Finding]:
    findings = []
    for nuisance in ALONE:
        values = pairs.alone[nuisance]
        found = sorted((p for p in pairs.all() if values[p] >= SEPARATES), key=lambda p: -values[p])
        if found:
            findings.append(
                Finding(
                    what=f"The {nuisance} alone tells {_count(len(found), 'pair')} of classes apart.",
                    evidence=(
                        f"balanced accuracy {values[found[0]]:.2f} for {pairs.name(found[0])}, of groups not seen; "
                        f"{len(found)} of {len(pairs.all())} pairs reach {SEPARATES}"
                    ),
                    value=float(values[found[0]]),
                    limit=SEPARATES,
                    why=f"A model can read the label off the {nuisance}, which another receiver or place will change.",
                    do=f"Bring all records to one {nuisance} before training and testing.",
                    about=[pairs.name(pair) for pair in found],
                )
            )
    return findings


def _only_findings(pairs: Pairs, only: dict[tuple[int, int], str]) -> list[Finding]:
    if not only:
        return []
    found = list(only)
    first = found[0]
    return [
        Finding(
            what=f"Nothing but centre or bandwidth tells {_count(len(only), 'pair')} of classes apart.",
            evidence=f"{pairs.name(first)}: {only[first]} alone gives a balanced accuracy of "
            f"{pairs.alone[only[first]][first]:.2f}, features without it about chance",
            value=float(pairs.alone[only[first]][first]),
            limit=SEPARATES,
            why="The classes are one signal at two tunings or rates; another receiver swaps the labels.",
            do="Vary tuning and sample rate, or merge the classes if that is all that differs.",
            about=[pairs.name(pair) for pair in found],
        )
    ]


def _same_findings(pairs: Pairs, same: dict[tuple[int, int], float]) -> list[Finding]:
    if not same:
        return []
    found = sorted(same, key=lambda pair: same[pair])
    return [
        Finding(
            what=f"Nothing tells {_count(len(same), 'pair')} of classes apart.",
            evidence=f"area under the ROC curve {same[found[0]]:.2f} for {pairs.name(found[0])} at the highest SNRs, "
            f"from {len(NUISANCES)} nuisances, expert features and a forest; chance is 0.5",
            value=same[found[0]],
            limit=NOTHING,
            why="Either the classes are the same, or the label is in what records this short do not show.",
            do="Look at spectra and constellations of both; merge them, or make the records longer.",
            about=[pairs.name(pair) for pair in found],
        )
    ]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s'[: number != 1]}"


def _picture(pairs: Pairs) -> "Figure":
    num = len(pairs.classes)
    size = 2.0 + 0.28 * num
    figure, axes = new_figure(size + 1.0, size)
    matrix = np.where(np.tri(num, k=-1, dtype=bool), pairs.everything, pairs.alone["level"])
    np.fill_diagonal(matrix, np.nan)
    image = axes.imshow(matrix, cmap="cividis", vmin=0.5, vmax=1.0)
    axes.set_xticks(range(num), pairs.classes, rotation=90)
    axes.set_yticks(range(num), pairs.classes)
    axes.tick_params(labelsize=7, length=0)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02)
    bar.set_label("balanced accuracy", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def _table(pairs: Pairs, same: dict[tuple[int, int], float]) -> Table:
    """Return the accuracy of the pairs that are told apart worst, and of those that a nuisance tells apart best."""
    body = []
    hardest = sorted(pairs.all(), key=lambda pair: pairs.everything[pair])[:8]
    easiest = sorted(pairs.all(), key=lambda pair: -max(pairs.alone[n][pair] for n in NUISANCES))[:8]
    for pair in dict.fromkeys([*same, *hardest, *easiest]):
        alone = [f"{pairs.alone[name][pair]:.2f}" for name in NUISANCES]
        body.append([pairs.name(pair), *alone, f"{pairs.rest[pair]:.2f}", f"{pairs.everything[pair]:.2f}"])
    caption = (
        "balanced accuracy on groups that were not seen (0.5 is chance): from one number, from features without "
        "level, centre and bandwidth, and from all; the hardest pairs, then those that a nuisance tells apart best"
    )
    return Table(["classes", *NUISANCES, "the rest", "all features"], body, caption)
