"""What the parts of docs/results/accelerated.md share: cells, comparisons seed by seed, and whether an aim is met."""

from collections.abc import Sequence
from math import inf

from groundwave.bench.comparisons import verdict
from groundwave.bench.rows import Cell, Row, aggregate
from groundwave.bench.tables import behind, draws, marked
from groundwave.metrics import Interval, interval
from groundwave.page import Table

SPREAD = "mean ± half of the 95 % interval, or both its ends where it would reach beyond what there can be"


def spread(cell: Cell | None, factor: float = 1, how: str = ",.3g", most: float = inf) -> str:
    """Return a mean with its interval, which is cut off below 0 and above `most`.

    Args:
        cell: what is told; None gives an empty text.
        factor: of all numbers.
        how: they are written.
        most: that there can be, 1 of a share.
    """
    if cell is None or cell.interval is None:
        return ""
    mean, low, high, n = cell.interval
    text = f"{factor * mean:{how}}"
    if n < 2 or high <= low:
        return text
    if low >= 0 and high <= most:
        return f"{text} ± {factor * (high - low) / 2:{how}}"
    return f"{text} ({factor * max(low, 0.0):{how}} to {factor * min(high, most):{how}})"


def numbers(rows: Sequence[Row], methods: Sequence[str]) -> Table:
    """Return a line for each method and a column for each metric, in the metric's own unit."""
    rows = [row for row in rows if row.snr_db is None]
    metrics = list(dict.fromkeys(row.metric for row in rows))
    cells = {metric: aggregate(rows, ("method",), metric) for metric in metrics}
    grid = [[cells[metric].get((method,)) for metric in metrics] for method in methods]
    texts = [[spread(cell, *_look(metric)) for metric, cell in zip(metrics, line, strict=True)] for line in grid]
    body = [[method, *line] for method, line in zip(methods, marked(texts, draws(grid)), strict=True)]
    return Table(["method", *metrics], body, f"{SPREAD}; {behind(draws(grid))}.")


def _look(metric: str) -> tuple[float, str, float]:
    if "accuracy" in metric:
        return 100, ".1f", 1
    if metric == "parameters" or "records/s" in metric or "kB" in metric:
        return 1, ",.0f", inf
    return 1, ",.3f" if metric.startswith("ms") else ",.2f", inf


def quotient(rows: Sequence[Row], metric: str, first: str, second: str) -> Interval | None:
    """Return how many times a method's value is another's, over the seeds that both have; None if there are none."""
    one, other = (
        {row.seed: row.value for row in rows if (row.method, row.metric, row.snr_db) == (method, metric, None)}
        for method in (first, second)
    )
    pairs = [(one[seed], other[seed]) for seed in sorted(one.keys() & other.keys())]
    found = [value / reference for value, reference in pairs if value is not None and reference]
    return interval(found) if found else None


def times(found: Interval, better: str, worse: str) -> str:
    """Say how many times something is better, or worse where it is."""
    if found.mean < 1:
        return f"{1 / found.mean:.2f} times {worse}"
    return f"{half_width(found, '.2f')} times {better}"


def half_width(found: Interval, how: str, factor: float = 1) -> str:
    """Return a mean and half of its interval, both by the format `how`, which may ask the mean for its sign."""
    mean = f"{factor * found.mean:{how}}"
    return f"{mean} ± {factor * (found.high - found.low) / 2:{how.lstrip('+')}}" if found.n > 1 else mean


def aim_of(aim: float, found: Interval, at_most: bool = False) -> str:
    """Return an aim, at least by default, and whether it is met."""
    return f"aim: {'at most ' * at_most}{aim:g}, {verdict(found, aim, at_most=at_most)}"
