"""A sheet knows which cells have a value, across runs."""

from dataclasses import replace
from pathlib import Path

from groundwave.bench.cells import Cell, Sheet
from groundwave.bench.rows import read

CELL = Cell(method="a", data="d", seed=1, shots=5, snr_db=4.0, config={"steps": 3})
OTHERS = [
    replace(CELL, method="b"),
    replace(CELL, data="e"),
    replace(CELL, seed=2),
    replace(CELL, shots=None),
    replace(CELL, snr_db=None),
    replace(CELL, metric="spread"),
    replace(CELL, config={"steps": 4}),
]


def test_a_filled_cell_is_no_longer_missing_and_all_others_are(tmp_path: Path) -> None:
    sheet = Sheet(tmp_path / "p.jsonl", "p")
    assert sheet.missing([CELL, *OTHERS]) == [CELL, *OTHERS]
    sheet.fill(CELL, 0.5, n=10, split="s", split_hash="abc", seconds=1.23456)
    for opened in (sheet, Sheet(tmp_path / "p.jsonl", "p")):
        assert opened.missing([CELL, *OTHERS]) == OTHERS


def test_a_row_says_all_that_the_cell_is(tmp_path: Path) -> None:
    Sheet(tmp_path / "p.jsonl", "p").fill(CELL, 0.5, n=10, split="s", split_hash="abc", seconds=1.23456)
    (row,) = read(tmp_path / "p.jsonl")
    assert (row.protocol, row.method, row.data, row.seed, row.shots, row.snr_db) == ("p", "a", "d", 1, 5, 4.0)
    assert (row.value, row.n, row.split, row.split_hash, row.seconds) == (0.5, 10, "s", "abc", 1.2346)
    assert row.config == {"steps": 3}
    assert row.config_hash == CELL.key()[-1]


def test_a_failed_cell_says_why_and_stays_missing(tmp_path: Path) -> None:
    sheet = Sheet(tmp_path / "p.jsonl", "p")
    sheet.fail([CELL], "no memory")
    assert sheet.missing([CELL]) == [CELL]
    (row,) = read(tmp_path / "p.jsonl")
    assert (row.value, row.failed) == (None, "no memory")
