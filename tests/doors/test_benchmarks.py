"""The benchmarks still run, and their tables say what the rows do."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from groundwave.bench.rows import Row, read

HERE = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("benchmarks") / "generation"
    jobs = ["--jobs", "qam16", "tdl", "noise", "--sionna", sys.executable]
    words = [HERE / "generation.py", "--rounds", "2", "--seconds", "0.01", "--out", path, *jobs]
    subprocess.run([sys.executable, *map(str, words)], check=True, capture_output=True)
    return path


def test_each_program_has_a_row_a_round_and_an_absent_peer_says_why(out: Path) -> None:
    rows = read(out.with_suffix(".jsonl"))
    assert [row.seed for row in rows if (row.method, row.data) == ("groundwave", "tdl")] == [0, 1]
    assert all(row.value and row.n for row in rows if row.method == "groundwave")
    failed = {row.failed for row in rows if row.method == "sionna"}
    assert failed == {"ModuleNotFoundError: No module named 'sionna'"}
    page = out.with_suffix(".md").read_text()
    assert "Sionna: failed: ModuleNotFoundError" in page
    assert "liquid-dsp: not run" in page


def test_the_table_compares_medians(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)
    from generation_table import table

    def rows(program: str, job: str, *values: float) -> list[Row]:
        config = {"program_version": "9" if program != "groundwave" else ""}
        first = Row(
            protocol="generation", method=program, data=job, metric="records per second", value=1, n=1, config=config
        )
        return [replace(first, value=value, seed=number) for number, value in enumerate(values)]

    page = table(
        [
            *rows("groundwave", "tdl", 900, 950, 4000),
            *rows("sionna", "tdl", 10, 40, 90),
            *rows("groundwave", "modulations", 1000),
            *rows("groundwave", "stored", 800),
            *rows("groundwave", "noise", 1900),
        ]
    )
    assert "| TDL-A, time-varying | 950 (900 to 4,000) | 2.0 | 1,000<br>20 × Sionna |" in page
    assert "Sionna 9: 40 (10 to 90) | 0.95 of it ✗<br>23.8 × Sionna ✓ |" in page
    assert "70% of the above |  | 80% ✓ |" in page
    assert "GPU" not in page
