"""After how many rounds a method is where supervised training across the air nearly ends."""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from groundwave.bench.rows import Cell, Row
from groundwave.bench.tables import behind, marked
from groundwave.metrics import interval
from groundwave.page import Table
from groundwave.recipes.accelerated_cells import SPREAD, spread
from groundwave.recipes.semantic_communication import METHODS

SUPERVISED, OURS = (METHODS[word].title for word in ("supervised", "ours"))
REACHED = 0.95  # share of the supervised method's final accuracy

Curve = list[tuple[int, float]]  # rounds and accuracies


class Reached(NamedTuple):
    """Of the seeds that a method and the supervised one have: how soon it is at the level, or that it never is.

    Args:
        rounds: of each seed that reached it.
        shares: of the supervised method's own rounds to that level.
        missed: how many seeds never did.
    """

    rounds: list[float]
    shares: list[float]
    missed: int

    @property
    def told(self) -> int:
        """How many seeds this is of."""
        return len(self.rounds) + self.missed


def rounds_to(rows: Sequence[Row], method: str, count: int) -> Reached:
    """Return how soon a method is at 95 % of the supervised method's final accuracy, seed by seed.

    Args:
        rows: with accuracies after rounds.
        method: as rows call it.
        count: number of labels.
    """
    found = curves([row for row in rows if row.shots == count])
    reached = Reached([], [], 0)
    for seed in sorted({seed for _, _, seed in found}):
        own, other = found.get((method, count, seed)), found.get((SUPERVISED, count, seed))
        if not own or not other:
            continue
        level = REACHED * other[-1][1]
        mine, its = first(own, level), first(other, level)
        if mine is None or not its:
            reached = reached._replace(missed=reached.missed + 1)
            continue
        reached.rounds.append(float(mine))
        reached.shares.append(mine / its)
    return reached


def curves(rows: Sequence[Row]) -> dict[tuple[str, int | None, int], Curve]:
    """Return rounds and accuracies by method, number of labels and seed."""
    found: dict[tuple[str, int | None, int], Curve] = {}
    for row in rows:
        words = row.metric.split()
        if words[:2] == ["accuracy", "after"] and row.value is not None:
            found.setdefault((row.method, row.shots, row.seed), []).append((int(words[2]), row.value))
    return {key: sorted(curve) for key, curve in found.items()}


def first(curve: Curve, level: float) -> int | None:
    """Return the first of the rounds that were asked at which a curve is at a level; None if it never is."""
    return next((rounds for rounds, value in curve if value >= level), None)


def rounds_table(rows: Sequence[Row], counts: Sequence[int]) -> Table:
    """Return after how many rounds each method is where supervised training nearly ends, and the share of its rounds.

    Of each seed and number of labels the level is 95 % of its own final accuracy of the supervised method.
    """
    methods = list(dict.fromkeys(row.method for row in rows if row.metric == "Mbit per round"))
    grid = [[rounds_to(rows, method, count) for count in counts] for method in methods]
    numbers = [[cell.told for cell in line] for line in grid]
    texts = [[_told(cell, method) for cell in line] for method, line in zip(methods, grid, strict=True)]
    body = [[method, *line] for method, line in zip(methods, marked(texts, numbers), strict=True)]
    caption = f"rounds, and their share of the supervised method's, {SPREAD}; {behind(numbers)}. {grid_of(rows)}"
    return Table(["method", *(f"{count} labels" for count in counts)], body, caption)


def grid_of(rows: Sequence[Row]) -> str:
    """Say where accuracies were asked, from which rounds are read."""
    marks = sorted({done for curve in curves(rows).values() for done, _ in curve})
    records = ", ".join(str(n) for n in sorted({row.n for row in rows if row.metric.startswith("accuracy after")}))
    told = f"The accuracy on {records} records was asked after {', '.join(map(str, marks))} rounds"
    return f"{told}; the first of these at which it is at the level counts, so that shares are coarse."


def share_of(cell: Reached) -> str:
    """Return the share of the supervised method's rounds, in percent."""
    found = interval(cell.shares)
    return f"{spread(Cell(found, found.n), 100, '.1f')} %"


def _told(cell: Reached, method: str) -> str:
    if not cell.rounds:
        return "never" if cell.missed else ""
    share = "" if method == SUPERVISED else f", {share_of(cell)}"
    text = f"{fmean(cell.rounds):.0f}{share}"
    return f"{text}; never in {cell.missed} of {cell.told}" if cell.missed else text
