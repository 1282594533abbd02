"""What rows of any metrics hold: tables of the numbers as they are, and curves of shares over the SNR."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.figure import Figure

from groundwave.bench.pictures import accuracy_against_snr
from groundwave.bench.rows import Cell, Row, aggregate
from groundwave.bench.tables import behind, draws, marked, written
from groundwave.page import Table

CURVE = "validation "  # how the metrics of training curves begin


def tables(rows: Sequence[Row]) -> Iterator[Table]:
    """Yield tables of a protocol's rows, a line a method, for each data set and number of labels apart.

    One has a column a metric; of each metric that belongs to SNRs, one more has a column an SNR. Training curves are
    left out.
    """
    for place, some in _parts(rows):
        overall = [row for row in some if row.snr_db is None]
        if overall:
            yield _table(overall, "metric", place)
        for metric, at_snrs in _by_metric(some):
            yield _table(at_snrs, "snr_db", f"{metric}, {place}")


def figures(rows: Sequence[Row]) -> Iterator[tuple[str, Figure]]:
    """Yield a caption and curves over the SNR for each table with a column an SNR whose values are shares."""
    for place, some in _parts(rows):
        for metric, at_snrs in _by_metric(some):
            if all(row.value is None or 0 <= row.value <= 1 for row in at_snrs):
                yield f"{metric}, {place}", accuracy_against_snr(at_snrs)


def _parts(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Yield rows that are of the same thing, and of what."""
    parts: dict[tuple[str, int | None], list[Row]] = {}
    for row in rows:
        if not row.metric.startswith(CURVE):
            parts.setdefault((row.data, row.shots), []).append(row)
    for (data, shots), some in parts.items():
        yield data if shots is None else f"{data}, {shots} {'label' if shots == 1 else 'labels'}", some


def _by_metric(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Yield each metric that belongs to SNRs, and its rows there."""
    at_snrs = [row for row in rows if row.snr_db is not None]
    for metric in dict.fromkeys(row.metric for row in at_snrs):
        yield metric, [row for row in at_snrs if row.metric == metric]


def _table(rows: Sequence[Row], columns: str, title: str) -> Table:
    """Return a table with a line a method and a column a value of the field `columns`."""
    cells: dict[tuple[Any, ...], Cell] = {}
    for metric in dict.fromkeys(row.metric for row in rows):
        cells |= aggregate(rows, ("method", columns), metric)
    methods = dict.fromkeys(method for method, _ in cells)
    heads = list(dict.fromkeys(head for _, head in cells))
    if columns == "snr_db":
        heads.sort()
    grid = [[cells.get((method, head)) for head in heads] for method in methods]
    texts = marked([[written(cell, _significant) for cell in line] for line in grid], draws(grid))
    caption = f"{title}: mean ± half of the 95 % interval; {behind(draws(grid), 'value')}."
    named = [f"{head:g} dB" if columns == "snr_db" else head for head in heads]
    return Table(["method", *named], [[method, *line] for method, line in zip(methods, texts, strict=True)], caption)


def _significant(x: float, mean: float) -> str:
    """Return a number to the place of the third significant digit of the mean."""
    places = 2 - math.floor(math.log10(abs(mean))) if mean else 2
    return f"{x:,.{max(0, places)}f}"
