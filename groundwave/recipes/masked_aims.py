"""What was aimed at in masked modelling, and how near rows have come: the first table of docs/results/masked.md."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from groundwave.bench.comparisons import (
    MET,
    MISSED,
    VERDICT_CAPTION,
    curves,
    difference,
    points,
    times_to,
    verdict,
    weakest,
)
from groundwave.bench.rows import Row, aggregate
from groundwave.metrics import Interval, interval
from groundwave.page import Table
from groundwave.recipes.results_page import current

Line = tuple[str, str, str, str]  # what, the aim, what was reached, whether that is enough

FROZEN = ("pretrained, frozen", "pretrained, frozen, solved")  # by the head: trained, or in closed form
SCRATCH, LARGER = "from scratch", "from scratch, 4 times as large"
SPEED = 0.1  # of the time from scratch
NEAR = 0.01  # a point
ALIGNED = "motion and levels, aligned"
CHOSEN = f"*{ALIGNED}* was chosen with the recordings that are asked in view, which flatters it."
# Data, what is new, labels per class of it, and the accuracy asked of the mean, or of each of several.
NEW_DOMAINS = (
    ("intel5300-2-rooms", "user", 0, (0.80,)),
    ("intel5300-2-rooms", "room", 0, (0.45,)),
    ("intel5300-2-rooms", "room", 5, (0.70,)),
    ("esp32-4-sessions", "room", 0, (0.50, 0.45, 0.40)),
    ("esp32-4-sessions", "room", 5, (0.65,)),
)


def aims(results: Path) -> Table | None:
    """Return a line for each aim that has rows; None if none has."""
    rows = {name: [row for row in current(results, name) if row.failed is None] for name in LINES}
    body = [list(line) for name, make in LINES.items() for line in make(rows[name])]
    caption = f"points are of the score named. {VERDICT_CAPTION}."
    caption += f" {CHOSEN}" * bool(rows["csi-activity"])
    return Table(["", "aim", "reached", ""], body, caption) if body else None


def segmentation_aims(rows: Sequence[Row]) -> Iterator[Line]:
    """Yield how far the frozen network is ahead of a larger one, and in what time it is level with itself untrained.

    Of its heads the one that is better on validation counts, with each number of labels.
    """
    counts = sorted({row.shots for row in rows if row.shots is not None})
    cells = aggregate(rows, ("method", "shots"), "mIoU")
    for count in counts:
        first = max(FROZEN, key=lambda method: _on_validation(rows, method, count))
        one, other = (cells.get((method, count)) for method in (first, LARGER))
        if one and other and one.interval and other.interval and one.interval.n > 1:
            gap = difference([row for row in rows if row.shots == count], "mIoU", first, LARGER)
            apart = one.interval.low > other.interval.high
            told = f"{points(gap)} points of mIoU, {'apart' if apart else 'overlapping'}"
            what = f"segmentation, {count} labels: {first} less {LARGER}"
            yield what, "ahead, intervals apart", told, MET if apart else MISSED
        for method in FROZEN:
            yield from _in_time("segmentation", rows, "mIoU", method, SCRATCH, count)
    networks = ("ConvLSTM, pretrained, frozen", "ConvLSTM, from scratch")
    if gap := difference(rows, "mIoU", *networks):
        told = f"{points(gap)} points of mIoU"
        yield f"segmentation: {networks[0]} less from scratch", "on par (-1 or more)", told, verdict(gap, -NEAR)


def _on_validation(rows: Sequence[Row], method: str, count: int) -> float:
    """Return the best mIoU that a method had on validation, mean over seeds; -1 without any."""
    found = curves([row for row in rows if row.shots == count], "mIoU").get(method, {})
    return fmean(max(value for _, value in curve) for curve in found.values()) if found else -1.0


def forecasting_aims(rows: Sequence[Row]) -> Iterator[Line]:
    """Yield how far frozen forecasts lie from those of a network from scratch and from persistence, and their time."""
    frozen, scratch = "ConvLSTM, pretrained, frozen", "ConvLSTM, from scratch"
    horizons = sorted({row.metric for row in rows if row.metric.startswith("F1 ")})

    def gaps(first: str, second: str) -> list[Interval]:
        return [gap for metric in horizons if (gap := difference(rows, metric, first, second))]

    if found := gaps(frozen, scratch):
        yield f"forecasting: {frozen} less from scratch", "-1 or more at every horizon", *_at_worst(found, -NEAR)
    yield from _in_time("forecasting", rows, "area", frozen, scratch, None)
    for method in (frozen, scratch):
        if found := gaps(method, "persistence"):
            yield f"forecasting: {method} less persistence", "ahead at every horizon", *_at_worst(found, 0.0)


def _at_worst(gaps: Sequence[Interval], bound: float) -> tuple[str, str]:
    """Return the worst of several gaps, and whether all meet an aim."""
    worst = min(gaps, key=lambda gap: gap.mean)
    return f"{points(worst)} points of F1 at the worst horizon", weakest(verdict(gap, bound) for gap in gaps)


def activity_aims(rows: Sequence[Row]) -> Iterator[Line]:
    """Yield the accuracy of activities in what is new, by one method for all questions."""
    for data, new, shots, wanted in NEW_DOMAINS:
        some = [row for row in rows if (row.data, row.method, row.shots) == (data, ALIGNED, shots)]
        new_rows = [row for row in some if row.split.startswith(new)]
        by: tuple[str, ...] = ("split",) if len(wanted) > 1 else ()
        found = [cell.interval for _, cell in sorted(aggregate(new_rows, by, "accuracy").items()) if cell.interval]
        if len(found) != len(wanted):
            continue
        aim, told = " / ".join(f"{100 * least:.0f}" for least in wanted), " / ".join(map(points, found))
        named = "session" if data.startswith("esp32") else new
        what = f"activities, {data}, a new {named}, {shots or 'no'} labels per class of it: {ALIGNED}"
        yield what, f"{aim} %", f"{told} %", weakest(map(verdict, found, wanted))


def multimodal_aims(rows: Sequence[Row]) -> Iterator[Line]:
    """Yield by how much one set of weights is behind separate ones, of each task."""
    for task, metric in (("segmentation", "mIoU"), ("activity", "macro recall"), ("modulation", "macro recall")):
        for kind in ("shared", "multiway"):
            if gap := difference(rows, metric, f"{task}, {kind}", f"{task}, separate"):
                what = f"one trunk for three modalities, {task}: {kind} less separate"
                yield what, "-1 or more", f"{points(gap)} points of {metric}", verdict(gap, -NEAR)


def _in_time(
    task: str, rows: Sequence[Row], metric: str, method: str, reference: str, count: int | None
) -> Iterator[Line]:
    """Yield the share of the reference's time in which a method is as good on validation."""
    pairs = times_to(rows, metric, reference).get(method, {}).get(count, [])
    reached = [mine / its for mine, its in pairs if mine is not None and its]
    if not pairs:
        return
    labels = "" if count is None else f", {count} labels"
    spread = interval(reached) if reached else None
    told = f"{points(spread)} %" if spread else "never"
    told += f"; never in {len(pairs) - len(reached)} of {len(pairs)}" * (0 < len(reached) < len(pairs))
    met = verdict(spread, SPEED, at_most=True) if spread and len(reached) == len(pairs) else MISSED
    yield f"{task}{labels}: time of {method} to the best of {reference}", "10 % of its time", told, met


LINES: Mapping[str, Callable[[Sequence[Row]], Iterator[Line]]] = {
    "segmentation": segmentation_aims,
    "forecasting": forecasting_aims,
    "csi-activity": activity_aims,
    "multimodal-vit": multimodal_aims,
}
