"""A rehearsal of a recipe touches neither real rows nor real runs."""

from pathlib import Path

from groundwave.bench.cells import Cell
from groundwave.bench.rows import read
from groundwave.recipes.place import Place


def test_rows_and_runs_lie_where_they_were_asked_for_and_those_of_a_rehearsal_apart(tmp_path: Path) -> None:
    rows, runs = tmp_path / "rows", tmp_path / "runs"
    real = Place(name="x", results=rows, runs=runs, smoke=False)
    rehearsed = Place(name="x", results=rows, runs=runs, smoke=True)
    assert (real.home, real.path) == (runs, rows / "x.jsonl")
    assert (rehearsed.home, rehearsed.path) == (runs / "smoke", runs / "smoke" / "results" / "x.jsonl")


def test_its_sheet_fills_its_file(tmp_path: Path) -> None:
    place = Place(name="x", results=tmp_path, runs=tmp_path, smoke=True)
    place.sheet().fill(Cell(method="m", data="d", seed=0), 0.5, n=1, split="s", split_hash="0", seconds=1.0)
    (row,) = read(place.path)
    assert (row.protocol, row.method) == ("x", "m")
