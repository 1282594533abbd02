"""What was aimed at in semantic communication, and how near rows have come: docs/results/semantic.md's first table."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from groundwave.bench.comparisons import MISSED, VERDICT_CAPTION, difference, points, verdict
from groundwave.bench.rows import Row
from groundwave.bench.semantic import ACCURACY
from groundwave.metrics import Interval, interval
from groundwave.page import Table
from groundwave.recipes.semantic_rounds import OURS, SUPERVISED, rounds_to

Line = tuple[str, str, str, str]  # what, the aim, what was reached, whether that is enough

LOST = "lost"
# By the share of all labels: the most rounds, as a share of the supervised method's, and the least gain in the end.
ROUNDS = {1.0: 1 / 4, 0.1: 1 / 6}
GAIN = {1.0: 0.0, 0.5: 0.03, 0.1: 0.10}
# What should hold more bits than what, by which estimators.
TELLING = (
    ("common: rgb, depth", "unique: rgb, depth", ("Gaussian copula", "KSG")),
    ("all: all, label", "common: all, label", ("Ross", "probe")),
)


def aims(rows: Sequence[Row]) -> Table | None:
    """Return a line for each aim that has rows; None if none has."""
    rooms = [row for row in rows if row.data.startswith("rgbd")]
    counts = sorted({row.shots for row in rooms if row.shots and row.metric == ACCURACY}, reverse=True)
    body = [list(line) for make in (rounds_aims, accuracy_aims, missing_aims) for line in make(rooms, counts)]
    body += [list(line) for line in telling_aims(rooms)]
    caption = f"*{OURS}* beside *{SUPERVISED}*, seed by seed. {VERDICT_CAPTION}."
    return Table(["", "aim", "reached", ""], body, caption) if body else None


def rounds_aims(rows: Sequence[Row], counts: Sequence[int]) -> Iterator[Line]:
    """Yield in what share of the rounds ours is where supervised training nearly ends."""
    for count in counts:
        most, reached = ROUNDS.get(count / max(counts)), rounds_to(rows, OURS, count)
        if most is None or not reached.told:
            continue
        share = interval(reached.shares) if reached.shares else None
        told = f"{points(share)} %" if share else "never"
        told += f"; never in {reached.missed} of {reached.told}" * bool(share and reached.missed)
        met = verdict(share, most, at_most=True) if share and not reached.missed else MISSED
        yield f"rounds to 95 % of its final accuracy, {count} labels", f"{100 * most:.0f} %", told, met


def accuracy_aims(rows: Sequence[Row], counts: Sequence[int]) -> Iterator[Line]:
    """Yield by how much ours is ahead in the end."""
    finals = [row for row in rows if row.metric == ACCURACY and row.snr_db is None]
    for count in counts:
        least = GAIN.get(count / max(counts))
        gap = difference([row for row in finals if row.shots == count], ACCURACY, OURS, SUPERVISED)
        if least is not None and gap:
            aim = f"+{100 * least:.0f} points or more"
            yield f"final accuracy, {count} labels", aim, f"{points(gap)} points", verdict(gap, least)


def missing_aims(rows: Sequence[Row], counts: Sequence[int]) -> Iterator[Line]:
    """Yield by how much less a missing sensor costs ours."""
    lost = lost_without(rows)
    for count in counts:
        if gap := difference([row for row in lost if row.shots == count], LOST, OURS, SUPERVISED):
            met = verdict(gap, 0.0, at_most=True)
            yield f"what a missing sensor costs, {count} labels", "less", f"{points(gap)} points", met


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
        if row.metric.startswith("accuracy without") and row.value is not None
    ]


def telling_aims(rows: Sequence[Row]) -> Iterator[Line]:
    """Yield by how many bits what should tell more does, by each estimator."""
    for more, less, estimators in TELLING:
        for estimator in estimators:
            bits = [_bits(rows, f"information, {between} ({estimator})") for between in (more, less)]
            gaps = [value - bits[1][seed] for seed, value in bits[0].items() if seed in bits[1]]
            if gaps:
                gap = interval(gaps)
                yield f"bits of {more} less {less} ({estimator})", "above 0", _in_bits(gap), verdict(gap, 0.0)


def _bits(rows: Sequence[Row], metric: str) -> dict[int, float]:
    return {
        row.seed: row.value for row in rows if row.method == OURS and row.metric == metric and row.value is not None
    }


def _in_bits(gap: Interval) -> str:
    return f"{gap.mean:.2f} ± {(gap.high - gap.low) / 2:.2f}" if gap.n > 1 else f"{gap.mean:.2f}"
