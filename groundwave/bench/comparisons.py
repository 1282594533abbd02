"""Tables that compare methods with each other: the time to another's score, differences, errors in decibels."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from groundwave.bench.rows import Row, aggregate
from groundwave.bench.tables import BOLD, best
from groundwave.metrics import Interval, interval
from groundwave.page import Table

Curve = list[tuple[float, float]]  # seconds and scores, epoch by epoch
Key = tuple[int | None, int]  # labels and seed
Pair = tuple[float | None, float | None]

MET, ON_AVERAGE, ONCE, MISSED = VERDICTS = ("✓", "✓ on average", "✓ in one run", "✗")
VERDICT_CAPTION = f"{MET}: met by all of the 95 % interval; {ON_AVERAGE}: by the mean alone"
ROUNDING = 1e-9


def decibel_table(rows: Sequence[Row], columns: Mapping[str, str], caption: str) -> Table:
    """Return a table of errors, a line per method; the lowest of a column is marked, with all that overlap it.

    Args:
        rows: whose values are decibels.
        columns: metrics by heading.
        caption: what the table is of, without a full stop.
    """
    methods = list(dict.fromkeys(row.method for row in rows))
    cells = [aggregate(rows, ("method",), metric) for metric in columns.values()]
    grid = [[found.get((method,)) for found in cells] for method in methods]
    texts = [[_spread(cell.interval, "{:.2f}") if cell and cell.interval else "" for cell in line] for line in grid]
    bold = best(methods, grid, lowest=True)
    told = f"{caption}; {BOLD.format('lowest')}." if bold else f"{caption}."
    body = [[method, *line] for method, line in zip(methods, texts, strict=True)]
    return Table(["method", *columns], body, told, bold)


def curves(rows: Sequence[Row], metric: str) -> dict[str, dict[Key, Curve]]:
    """Return the curves of a score on validation by method, number of labels and seed."""
    found: dict[str, dict[Key, Curve]] = {}
    for row in rows:
        if row.metric == f"validation {metric}" and row.value is not None:
            found.setdefault(row.method, {}).setdefault((row.shots, row.seed), []).append((row.seconds, row.value))
    return {method: {key: sorted(curve) for key, curve in keys.items()} for method, keys in found.items()}


def seconds_to(curve: Curve, level: float) -> float | None:
    """Return after how many seconds a curve first reached a level; None if it never did."""
    return next((seconds for seconds, value in curve if value >= level), None)


def times_to(rows: Sequence[Row], metric: str, reference: str) -> dict[str, dict[int | None, list[Pair]]]:
    """Return seconds to the best score that a reference had on validation, by method and number of labels.

    Of each number of labels and seed the level is its own. A pair holds a method's seconds (None: it missed the level
    with that seed) and the reference's own to its best.
    """
    known = curves(rows, metric)
    own = known.get(reference, {})
    levels = {key: max(value for _, value in curve) for key, curve in own.items()}
    found: dict[str, dict[int | None, list[Pair]]] = {}
    for method, keys in known.items() if levels else ():
        pairs = found[method] = {count: [] for count, _ in levels}
        for key, level in levels.items():
            if key in keys:
                pairs[key[0]].append((seconds_to(keys[key], level), seconds_to(own[key], level)))
    return found


def time_table(rows: Sequence[Row], metric: str, reference: str) -> Table | None:
    """Return how long each method took to the best score that a reference had on validation.

    A cell tells the mean seconds, and the mean share of the reference's; who missed a level with some seed is told how
    often.

    Args:
        rows: with curves on validation.
        metric: the score.
        reference: a method.

    Returns:
        The table; None without curves of the reference.
    """
    found = times_to(rows, metric, reference)
    if not found:
        return None
    counts = sorted(found[reference], key=lambda n: (n is None, n or 0))
    body = [[method, *(_times(pairs[count]) for count in counts)] for method, pairs in found.items()]
    heads = ["all labels" if count is None else f"{count} labels" for count in counts]
    caption = f"seconds of training to the best validation {metric} of *{reference}*, and the share of its own seconds."
    return Table(["method", *heads], body, caption)


def _times(times: Sequence[Pair]) -> str:
    if not times:
        return ""
    reached = [(mine, its) for mine, its in times if mine is not None and its]
    missed = len(times) - len(reached)
    if not reached:
        return f"never ({missed} of {missed})"
    share = fmean(mine / its for mine, its in reached)
    text = f"{fmean(mine for mine, _ in reached):.3g} s, {100 * share:.1f} %"
    return f"{text}; never in {missed} of {len(times)}" if missed else text


def difference(rows: Sequence[Row], metric: str, first: str, second: str) -> Interval | None:
    """Return by how much a method is ahead of another, over the seeds that both have; None if there are none."""

    def by_seed(method: str) -> dict[int, float]:
        found: dict[int, list[float]] = {}
        for row in rows:
            if row.method == method and row.metric == metric and row.value is not None:
                found.setdefault(row.seed, []).append(row.value)
        return {seed: fmean(values) for seed, values in found.items()}

    one, other = by_seed(first), by_seed(second)
    both = sorted(one.keys() & other.keys())
    return interval([one[seed] - other[seed] for seed in both]) if both else None


def verdict(found: Interval, bound: float, *, at_most: bool = False) -> str:
    """Return whether an aim is met: by the worse end of the interval, by its mean alone, by one run, or not.

    Args:
        found: what was reached.
        bound: the least that was aimed at.
        at_most: whether it is the most.
    """
    sign = -1 if at_most else 1
    ends = found.mean, found.low, found.high
    mean, *outer = (sign * (end - bound) + ROUNDING for end in ends)
    if mean < 0:
        return MISSED
    if found.n < 2:
        return ONCE
    return MET if min(outer) >= 0 else ON_AVERAGE


def weakest(verdicts: Iterable[str]) -> str:
    """Return the worst of several verdicts: an aim of several parts is met as far as each of them is."""
    return max(verdicts, key=VERDICTS.index)


def points(found: Interval | None) -> str:
    """Return an interval of shares in percent, or points."""
    if found is None:
        return ""
    mean, low, high, n = found
    return _spread(Interval(100 * mean, 100 * low, 100 * high, n), "{:.1f}")


def _spread(found: Interval, form: str) -> str:
    mean = form.format(found.mean)
    return f"{mean} ± {form.format((found.high - found.low) / 2)}" if found.n > 1 else mean
