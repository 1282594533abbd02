"""From rows to tables: cells with a mean and a 95 % interval, as Markdown and as HTML."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

from groundwave.bench.rows import Cell, Row, aggregate, only_metric
from groundwave.errors import DataError
from groundwave.page import Table

CHANCE = "chance"  # how the method that guesses is called
BOLD = "bold: the {} mean of a column, and all whose intervals overlap with its own"


def tabulate(
    rows: Sequence[Row],
    columns: str = "shots",
    metric: str | None = None,
    methods: Sequence[str] = (),
) -> Table:
    """Return a table with a line per method and a column per value of the field `columns`.

    Args:
        rows: of one protocol.
        columns: `shots`, `snr_db` or another field.
        metric: which metric, by default the only one there is; shares are shown in percent.
        methods: which methods in which order; all in the order of the rows by default.

    Raises:
        DataError: rows of several protocols, or none of this metric.
    """
    metric = metric or only_metric(rows)
    cells = _cells(rows, columns, metric)
    lines = list(methods) or list(dict.fromkeys(method for method, _ in cells))
    heads = sorted({column for _, column in cells}, key=lambda value: (value is not None, value))
    grid = [[cells.get((method, head)) for head in heads] for method in lines]
    header = ["method", *(_head(columns, head) for head in heads)]
    return _table(header, lines, grid, rows, metric)


def summarise(
    rows: Sequence[Row], columns: Mapping[str, Callable[[Row], bool]], metric: str, *, bold: bool = True
) -> Table:
    """Return a table with a line per method, each column the mean over all rows that it chooses.

    Where a column takes in several SNRs or numbers of labels, a method that has not all of them has no value there: it
    could not be compared. The interval is over seeds, each averaged first. What has no value at all is left out.

    Args:
        rows: of one protocol.
        columns: which rows, by heading.
        metric: which metric, a share.
        bold: whether the best are; not where more is not better.
    """
    rows = [row for row in rows if row.metric == metric]
    lines = list(dict.fromkeys(row.method for row in rows))
    grid: list[list[Cell | None]] = [[] for _ in lines]
    for choose in columns.values():
        chosen = [row for row in rows if choose(row)]
        complete = {(row.snr_db, row.shots) for row in chosen}
        for method, line in zip(lines, grid, strict=True):
            own = [row for row in chosen if row.method == method]
            known = {(row.snr_db, row.shots) for row in own} == complete
            line.append(aggregate(own, ("method",), metric).get((method,)) if known else None)
    kept = [i for i, line in enumerate(grid) if any(line)]
    filled = [j for j in range(len(columns)) if any(line[j] for line in grid)]
    header = ["method", *(list(columns)[j] for j in filled)]
    values = [[grid[i][j] for j in filled] for i in kept]
    return _table(header, [lines[i] for i in kept], values, rows, metric, bold)


def _cells(rows: Sequence[Row], columns: str, metric: str) -> dict[tuple[Any, ...], Cell]:
    protocols = {row.protocol for row in rows}
    if len(protocols) > 1:
        raise DataError(f"rows of {', '.join(sorted(protocols))}", "rows of one protocol", "make a table for each")
    cells = aggregate(rows, ("method", columns), metric)
    if not cells:
        metrics = ", ".join(sorted({row.metric for row in rows})) or "no rows"
        raise DataError(
            f"no row of metric {metric!r} ({metrics})", "at least one", "run the protocol, or name its metric"
        )
    return cells


def _table(
    header: Sequence[str],
    lines: Sequence[str],
    grid: Sequence[Sequence[Cell | None]],
    rows: Sequence[Row],
    metric: str,
    bold: bool = True,
) -> Table:
    texts = marked([list(map(written, line)) for line in grid], draws(grid))
    body = [[name, *line] for name, line in zip(lines, texts, strict=True)]
    data = ", ".join(dict.fromkeys(row.data for row in rows))
    what = "seed" if all(row.episode is None for row in rows) else "episode"
    marks = best(lines, grid) if bold else frozenset()
    told = f"{BOLD.format('best')}; " if marks else ""
    caption = f"{metric} in %, mean ± half of the 95 % interval, on {data}; {told}{behind(draws(grid), what)}."
    return Table(header, body, caption, marks)


def draws(grid: Sequence[Sequence[Cell | None]]) -> list[list[int]]:
    """Return how many independent values each cell rests on."""
    return [[0 if cell is None or cell.interval is None else cell.interval.n for cell in line] for line in grid]


def marked(texts: Sequence[Sequence[str]], counts: Sequence[Sequence[int]]) -> list[list[str]]:
    """Return the texts of cells, with the number of values in brackets where it is fewer than most cells rest on."""
    most = max(chain(*counts), default=0)
    pairs = (zip(*lines, strict=True) for lines in zip(texts, counts, strict=True))
    return [[f"{text} ({n})" if 0 < n < most else text for text, n in line] for line in pairs]


def behind(counts: Sequence[Sequence[int]], what: str = "seed") -> str:
    """Return in words how many values there are behind cells that are `marked`."""
    known = set(chain(*counts)) - {0}
    most = max(known, default=0)
    fewer = ", or as many as stand in brackets" if len(known) > 1 else ""
    return f"{most} {what}{'' if most == 1 else 's'} behind each cell{fewer}"


def percent(share: float, _: float) -> str:
    """Return a share in percent, with as many digits whatever the mean of its cell."""
    return f"{100 * share:.1f}"


def written(cell: Cell | None, number: Callable[[float, float], str] = percent) -> str:
    """Return a mean, with half of its interval where there is one; or that it failed, and why.

    Args:
        cell: what is written; None gives an empty text.
        number: writes a number, told the cell's mean, too, as to its digits.
    """
    if cell is None:
        return ""
    if cell.interval is None:
        return f"failed: {cell.failed}"
    mean, low, high, n = cell.interval
    return " ± ".join(number(x, mean) for x in ((mean, (high - low) / 2) if n > 1 else (mean,)))


def _head(field: str, value: Any) -> str:
    if value is None:
        return "all"
    return {
        "shots": f"{value} {'shot' if value == 1 else 'shots'}",
        "snr_db": f"{value if field != 'snr_db' else format(value, 'g')} dB",
    }.get(field, str(value))


def best(
    lines: Sequence[str], grid: Sequence[Sequence[Cell | None]], lowest: bool = False
) -> frozenset[tuple[int, int]]:
    """Return the places whose interval reaches that of the best mean of their column.

    A column in which that would be all, or chance among them, tells nobody apart and has none.
    """
    found: set[tuple[int, int]] = set()
    for column in range(len(grid[0]) if grid else 0):
        cells = ((i, line[column]) for i, line in enumerate(grid))
        known = {i: cell.interval for i, cell in cells if cell and cell.interval}
        if not known:
            continue
        top = (min if lowest else max)(known.values(), key=lambda x: x.mean)
        reaching = {i for i, x in known.items() if x is top or (x.n > 1 and x.overlaps(top))}
        if len(reaching) < len(known) and not any(lines[i] == CHANCE for i in reaching):
            found |= {(i, column + 1) for i in reaching}
    return frozenset(found)


def markdown(table: Table) -> str:
    """Return a table as Markdown, its best cells in bold, its caption below."""
    lines = [list(table.header), ["---", *["---:"] * (len(table.header) - 1)]]
    for i, line in enumerate(table.body):
        texts = [text.replace("|", "\\|").replace("\n", " ") for text in line]
        lines.append([f"**{text}**" if (i, j) in table.best else text for j, text in enumerate(texts)])
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{text}\n{table.caption}\n" if table.caption else text
