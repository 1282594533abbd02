"""The benchmarks still run, and their tables say what the rows do."""

import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from groundwave.bench.rows import Row, read
from groundwave.nn import XCiT

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
    assert "Sionna 9: 40 (10 to 90) | 0.95 × asked ✗<br>23.8 × Sionna ✓ |" in page
    assert "70 % of the above |  | 80 % ✓ |" in page
    assert "GPU" not in page


@pytest.fixture(scope="module")
def pretraining(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("benchmarks") / "pretraining"
    words = [HERE / "pretraining.py", "--tiny", "--models", "published", "--steps", "8", "--out", path]
    subprocess.run([sys.executable, *map(str, words)], check=True, capture_output=True)
    return path


def test_both_loops_learn_the_same_from_the_same(pretraining: Path) -> None:
    rows = read(pretraining.with_suffix(".jsonl"))
    losses = {
        loop: [row.value for row in rows if (row.method, row.metric) == (loop, "loss")]
        for loop in ("plain", "groundwave")
    }
    assert [len(values) for values in losses.values()] == [8, 8]
    assert losses["plain"] == pytest.approx(losses["groundwave"], rel=0.03)
    assert all(row.value and row.value > 0 for row in rows if row.metric != "loss")
    assert "| LSM as published | 16 |" in pretraining.with_suffix(".md").read_text()


def test_the_plain_layers_are_ours_written_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)
    from pretraining_plain import plainly

    torch.manual_seed(0)
    network = XCiT(dim=16, depth=2, patch=2)
    x = torch.randn(5, 2, 24)
    torch.testing.assert_close(plainly(deepcopy(network))(x), network(x), atol=1e-5, rtol=1e-4)


def test_the_speed_table_says_what_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)
    from pretraining_table import table

    def row(method: str, metric: str, value: float, number: int = 0) -> Row:
        config = {"operations": 4e12}
        return Row(
            protocol="pretraining", method=method, data="ours", metric=metric, value=value, n=8, seed=number,
            episode=0, config=config,
        )  # fmt: skip

    speeds = {"plain": (9, 100, 110, 120), "groundwave": (1, 250, 300, 320)}
    rates = {"matrix product, float32": (1, 1e14, 1e14, 1e14), "matrix product, bfloat16": (1, 3e14, 3e14, 3e14)}
    rows = [row("plain", "loss", 2.0), row("groundwave", "loss", 2.1)]
    rows += [row(m, "samples per second", v, k) for m, values in speeds.items() for k, v in enumerate(values)]
    rows += [row(m, "operations per second", v, k) for m, values in rates.items() for k, v in enumerate(values)]
    page = table(rows)
    assert "| 110 (100 to 120) | 300 (250 to 320) | 2.73 ✓ | 300.00 TFLOP/s | 50% | 100.00 TFLOP/s | 55% |" in page
    assert "medians of 3 turns" in page
    assert "Largest difference 5.00%" in page


def test_masked_modelling_is_measured_beside_the_rate_of_products(tmp_path: Path) -> None:
    words = [HERE / "masked.py", "--tiny", "--steps", "2", "--out", tmp_path / "masked"]
    subprocess.run([sys.executable, *map(str, words)], check=True, capture_output=True)
    rows = read(tmp_path / "masked.jsonl")
    assert [(row.method, row.seed) for row in rows[::2]] == [(m, s) for m in ("vit", "convlstm") for s in (0, 1)]
    page = (tmp_path / "masked.md").read_text()
    speed = next(row.value for row in rows if row.method == "vit" and row.seed == 1)
    assert f"| ViT 256 x 8 x 8, 75 % dropped | 4 | {speed:,.3g} (" in page
