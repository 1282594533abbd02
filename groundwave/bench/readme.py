"""What a README says of results, filled in from rows: its tables, and single values amid its prose."""

import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_type_hints

from groundwave.bench.rows import Row, aggregate, latest, read
from groundwave.bench.tables import markdown, tabulate, written
from groundwave.errors import DataError

SECTION = re.compile(r"<!-- results:(?P<name>\S+)(?P<options>[^>]*?) -->\n(?P<body>.*?)<!-- end -->", re.DOTALL)
VALUE = re.compile(r"<!-- result:(?P<name>\S+)(?P<options>[^>]*?) -->(?P<body>[^<]*)<!-- end -->")
OPTIONS = {"columns", "metric", "methods", "where"}
ONE = ("method", "data", "metric", "shots", "snr_db")  # of these a value has one each; over the rest it is a mean


def fill_readme(text: str, results: Path) -> str:
    """Return a README whose tables and values are what the rows say; nothing else in it changes.

    A table stands between `<!-- results:NAME -->` and `<!-- end -->`, which have lines of their own. NAME names
    `results/NAME.jsonl`. Options follow it, in any order, quoted where they hold a space:

    - `columns=snr_db`: the field that makes the columns, `shots` by default;
    - `metric="macro recall"`: needed where the rows have several;
    - `methods="a; b"`: these lines in this order, all by default;
    - `where="shots=5,seed=0"`: only rows whose fields have these values; `none` is a field without a value.

    A value stands between `<!-- result:NAME -->` and `<!-- end -->` within a line: the mean over seeds and episodes, in
    percent, with half of its interval. Its options are fields of rows, which must leave one method, data set, metric,
    number of labels and SNR, and

    - `format=",.0f"`: the mean alone, in the metric's own unit, written so;
    - `show=seeds`: how many seeds and episodes it is the mean of.

    Raises:
        DataError: an unknown option or field, a value that the field cannot have, or a table or value without rows.
    """
    text = SECTION.sub(lambda match: _section(match, results), text)
    return VALUE.sub(lambda match: _value(match, results), text)


def _section(match: re.Match[str], results: Path) -> str:
    options = _options(match["options"])
    if unknown := options.keys() - OPTIONS:
        raise DataError(
            f"README option {sorted(unknown)[0]!r}", f"one of {', '.join(sorted(OPTIONS))}", "correct the marker"
        )
    methods = [name.strip() for name in options.pop("methods", "").split(";") if name.strip()]
    pairs = [part.partition("=")[::2] for part in options.pop("where", "").split(",") if part]
    rows = select(latest(read(results / f"{match['name']}.jsonl")), **_conditions(pairs))
    table = tabulate(rows, methods=methods, **options)
    return f"<!-- results:{match['name']}{match['options']} -->\n{markdown(table)}<!-- end -->"


def _value(match: re.Match[str], results: Path) -> str:
    options = _options(match["options"])
    form, show = options.pop("format", ""), options.pop("show", "value")
    rows = select(latest(read(results / f"{match['name']}.jsonl")), **_conditions(options.items()))
    for field in ONE:
        found = list(dict.fromkeys(str(getattr(row, field)) for row in rows))
        if len(found) != 1:
            raise DataError(
                got=f"a README value of {match['name']} with {len(found)} values of {field}: {', '.join(found)}",
                expected="one",
                do=f"choose by {field}=... in the marker" if rows else "run the protocol, or correct the marker",
            )
    ((_, cell),) = aggregate(rows, ("protocol",)).items()
    if cell.interval is None:
        text = written(cell)
    elif show == "seeds":
        text = str(cell.interval.n)
    else:
        text = format(cell.interval.mean, form) if form else written(cell)
    return f"<!-- result:{match['name']}{match['options']} -->{text}<!-- end -->"


def _options(text: str) -> dict[str, str]:
    return dict(part.partition("=")[::2] for part in shlex.split(text))


def _conditions(pairs: Iterable[tuple[str, str]]) -> Mapping[str, Any]:
    """Return what fields of rows are asked to be, each value of its field's type."""
    hints = get_type_hints(Row)
    found: dict[str, Any] = {}
    for name, value in ((name.strip(), value.strip()) for name, value in pairs):
        hint = hints.get(name)
        kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        kind = next((kind for kind in (int, float, str) if kind in kinds), None)
        try:
            found[name] = None if value == "none" and type(None) in kinds else kind(value)  # type: ignore[misc]
        except (TypeError, ValueError):
            raise DataError(
                got=f"README condition {f'{name}={value}' if value else name!r}",
                expected="FIELD=VALUE with a field of a row and a value that it can have, as shots=5",
                do="correct the marker",
            ) from None
    return found


def select(rows: Iterable[Row], **wanted: Any) -> list[Row]:
    """Return the rows whose fields equal what is asked: `select(rows, method="cumulants", shots=5)`."""
    return [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]
