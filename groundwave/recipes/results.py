"""Rows of results into a page of tables and pictures, and into a README."""

from pathlib import Path

from groundwave.atomic import write_atomically
from groundwave.bench.overview import figures, tables
from groundwave.bench.readme import fill_readme
from groundwave.bench.report import write_report
from groundwave.bench.rows import Row, latest, read
from groundwave.errors import DataError
from groundwave.page import Section


def fill(readme: Path, results: Path) -> Path:
    """Fill the tables and values of a README from rows; nothing else in it changes."""
    if not readme.is_file():
        raise DataError(f"{readme}, which is not a file", "a README", "check the path")
    write_atomically(readme, fill_readme(readme.read_text(), results).encode())
    return readme


def summarise(results: Path, out: Path) -> Path:
    """Write a page with a section for each protocol that has rows; raises `DataError` when none has."""
    protocols = {path.stem: latest(read(path)) for path in sorted(results.glob("*.jsonl"))}
    sections = [_section(name, rows) for name, rows in protocols.items() if rows]
    if not sections:
        raise DataError(f"no rows in {results}", "PROTOCOL.jsonl files", "run `groundwave bench PROTOCOL` first")
    lead = f"Every number is made from the rows in {results}. In tables shares lie between 0 and 1."
    return write_report(out, "Groundwave: results", sections, lead=lead)


def _section(name: str, rows: list[Row]) -> Section:
    failed = sum(row.failed is not None for row in rows)
    text = [f"{len(rows)} rows" + (f", {failed} of them failed." if failed else ".")]
    return Section(name, text, list(tables(rows)), dict(figures(rows)))
