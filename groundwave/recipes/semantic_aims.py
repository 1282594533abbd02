"""What was aimed at in semantic communication, and how near rows have come: docs/results/semantic.md's first table."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from groundwave.bench.comparisons import MET, MISSED, VERDICT_CAPTION, difference, points, verdict
from groundwave.bench.information import AS_MANY, BETWEEN_FEATURES, WITH_LABELS
from groundwave.bench.rows import Cell, Row, aggregate
from groundwave.bench.semantic import ACCURACY
from groundwave.metrics import Interval, interval
from groundwave.page import Table
from groundwave.recipes.accelerated_cells import spread
from groundwave.recipes.semantic_communication import METHODS, PRETRAINING
from groundwave.recipes.semantic_rounds import OURS, REACHED, SUPERVISED, rounds_to, share_of

Line = tuple[str, str, str, str]  # what, the aim, what was reached, whether that is enough

LOST = "lost"
# By the share of all labels: the most rounds, as a share of the supervised method's, and the least gain in the end.
ROUNDS = {1.0: 1 / 4, 0.1: 1 / 6}
HEAD_START = METHODS["ours-head-start"].title
FEW = 0.5  # share of the labels
ABLATIONS = tuple(METHODS[word].title for word in ("intra", "clip", "all-common"))
MOST_MINUTES = 30
GAIN = {1.0: 0.0, 0.5: 0.03, 0.1: 0.10}
WITHOUT = "accuracy without "


def aims(rows: Sequence[Row]) -> Table | None:
    """Return a line for each aim that has rows of one data set; None if none has."""
    counts = sorted({row.shots for row in rows if row.shots and row.metric == ACCURACY}, reverse=True)
    made = [make(rows, counts) for make in (rounds_aims, accuracy_aims, ablation_aims, missing_aims)]
    body = [list(line) for lines in (*made, telling_aims(rows), pretraining_aim(rows)) for line in lines]
    caption = f"*{OURS}* beside *{SUPERVISED}*, seed by seed. {VERDICT_CAPTION}, where the aim does not ask for all of "
    caption += f"it. Rounds are those at which accuracies were asked, see below.{_without_rows(rows)}"
    return Table(["", "aim", "reached", ""], body, caption) if body else None


def rounds_aims(rows: Sequence[Row], counts: Sequence[int]) -> Iterator[Line]:
    """Yield in what share of the rounds ours is where supervised training nearly ends, with a head start, too."""
    for method, count in product((OURS, HEAD_START), counts):
        most, reached = ROUNDS.get(count / max(counts)), rounds_to(rows, method, count)
        if most is None or not reached.told:
            continue
        share = interval(reached.shares) if reached.shares else None
        told = share_of(reached) if share else "never"
        told += f"; never in {reached.missed} of {reached.told}" * bool(share and reached.missed)
        met = verdict(share, most, at_most=True) if share and not reached.missed else MISSED
        what = f"rounds to {100 * REACHED:.0f} % of the final accuracy of *{SUPERVISED}*, {count} labels"
        yield what + ", head start" * (method == HEAD_START), f"{100 * most:.0f} %", told, met


def accuracy_aims(rows: Sequence[Row], counts: Sequence[int]) -> Iterator[Line]:
    """Yield by how much ours is ahead in the end."""
    finals = [row for row in rows if row.metric == ACCURACY and row.snr_db is None]
    for count in counts:
        least = GAIN.get(count / max(counts))
        gap = difference([row for row in finals if row.shots == count], ACCURACY, OURS, SUPERVISED)
        if least is not None and gap:
            aim = f"+{100 * least:.0f} points or more"
            yield f"final accuracy, {count} labels", aim, f"{points(gap)} points", verdict(gap, least)


def ablation_aims(rows: Sequence[Row], counts: Sequence[int]) -> Iterator[Line]:
    """Yield whether ours is ahead of what lacks a part of it, intervals apart, where labels are few."""
    finals = [row for row in rows if row.metric == ACCURACY and row.snr_db is None]
    for count in (count for count in counts if count <= FEW * max(counts)):
        cells = aggregate([row for row in finals if row.shots == count], ("method",), ACCURACY)
        for other in ABLATIONS:
            own, its = (cells[name,].interval if (name,) in cells else None for name in (OURS, other))
            if own and its:
                met = MET if min(own.n, its.n) > 1 and own.low > its.high else MISSED
                told = f"{points(own)} and {points(its)} %"
                yield f"final accuracy beside *{other}*, {count} labels", "ahead, intervals apart", told, met


def pretraining_aim(rows: Sequence[Row]) -> Iterator[Line]:
    """Yield how long pretraining takes on two cores at most: the longest cell of each seed, stage two included.

    Cells that found stage one finished are shorter.
    """
    minutes, threads = dict[int, float](), set[str]()
    for row in rows:
        used = re.search(r"\b(1 thread|2 threads), no accelerator", row.hardware)
        default = row.config.get("stage_one", {}).get("epochs") == PRETRAINING.epochs
        if used and default and row.method == OURS and row.metric == ACCURACY:
            minutes[row.seed] = max(minutes.get(row.seed, 0.0), row.seconds / 60)
            threads.add(used[1])
    if minutes:
        found = interval(list(minutes.values()))
        told = f"{spread(Cell(found, found.n), 1, '.1f')}, {' or '.join(sorted(threads))}"
        met = verdict(found, MOST_MINUTES, at_most=True)
        yield "minutes of edge pretraining, stage two included", f"{MOST_MINUTES} on 2 cores", told, met


def missing_aims(rows: Sequence[Row], counts: Sequence[int]) -> Iterator[Line]:
    """Yield by how much less a missing sensor costs ours: in the mean over sensors, and each."""
    which = dict.fromkeys(row.metric.removeprefix(WITHOUT) for row in rows if row.metric.startswith(WITHOUT))
    cases = {"a missing sensor costs in the mean": list(which), **{f"it costs to miss {one}": [one] for one in which}}
    for what, names in cases.items():
        asked = {ACCURACY, *(WITHOUT + name for name in names)}
        lost = lost_without([row for row in rows if row.metric in asked])
        for count in counts:
            if gap := difference([row for row in lost if row.shots == count], LOST, OURS, SUPERVISED):
                met = verdict(gap, 0.0, at_most=True)
                yield f"what {what}, {count} labels", "less", f"{points(gap)} points", met


def lost_without(rows: Sequence[Row]) -> list[Row]:
    """Return what each missing sensor costs, as rows of the metric `LOST`."""
    finals = {
        (row.data, row.method, row.shots, row.seed): row.value
        for row in rows
        if row.metric == ACCURACY and row.snr_db is None and row.value is not None
    }
    return [
        replace(row, metric=LOST, value=finals[row.data, row.method, row.shots, row.seed] - row.value)
        for row in rows
        if row.metric.startswith(WITHOUT)
        and row.value is not None
        and (row.data, row.method, row.shots, row.seed) in finals  # a run that broke off may have none
    ]


def telling_aims(rows: Sequence[Row]) -> Iterator[Line]:
    """Yield by how many bits what should tell more does, by each estimator."""
    pair = next((row.data.rpartition("(")[2].rstrip(")").replace(",", ", ") for row in rows), "")
    for more, less, estimators in (
        (f"common: {pair}", f"unique: {pair}", BETWEEN_FEATURES),
        ("all: all, label", AS_MANY, WITH_LABELS),
    ):
        for estimator in estimators:
            bits = [_bits(rows, f"information, {between} ({estimator})") for between in (more, less)]
            gaps = [value - bits[1][seed] for seed, value in bits[0].items() if seed in bits[1]]
            if gaps:
                gap = interval(gaps)
                met = MET if gap.n > 1 and gap.low > 0 else MISSED
                yield f"bits of {more} less {less} ({estimator})", "above 0, intervals too", _in_bits(gap), met


def _without_rows(rows: Sequence[Row]) -> str:
    known = {row.method for row in rows}
    absent = [f"*{title}*" for title in ABLATIONS if title not in known]
    words = f"ahead of {', '.join(absent)}, intervals apart, with {100 * FEW:.0f} % of the labels or fewer"
    return f" Not yet measured: {words}." if absent else ""


def _bits(rows: Sequence[Row], metric: str) -> dict[int, float]:
    return {
        row.seed: row.value for row in rows if row.method == OURS and row.metric == metric and row.value is not None
    }


def _in_bits(gap: Interval) -> str:
    return f"{gap.mean:.2f} ± {(gap.high - gap.low) / 2:.2f}" if gap.n > 1 else f"{gap.mean:.2f}"
