"""Both protocols at their smallest, through the command line."""

from pathlib import Path

import pytest

from groundwave.bench.rows import read
from groundwave.cli import main


@pytest.mark.slow
def test_ism_fewshot_on_real_recordings(shared_data: Path, tmp_path: Path) -> None:
    data, results = str(shared_data / "iq" / "ism_433mhz.npz"), tmp_path / "results"
    words = ["bench", "ism-fewshot", "--data", data, "--runs", str(tmp_path / "runs"), "--results", str(results)]
    assert main([*words, "--smoke"]) == 0
    rows = read(results / "ism-fewshot.jsonl")
    assert {row.shots for row in rows} == {1, 5}
    assert all(row.failed is None and row.split_hash and row.config for row in rows)
    assert max(row.value for row in rows if row.method == "LSM + attributes" and row.shots == 5) > 0.8


@pytest.mark.slow
def test_modulation_fewshot(tmp_path: Path) -> None:
    assert main(["bench", "modulation-fewshot", "--results", str(tmp_path), "--smoke"]) == 0
    rows = read(tmp_path / "modulation-fewshot.jsonl")
    assert {row.method for row in rows} >= {"modulation-small, frozen", "iq-small, frozen", "from scratch", "chance"}
    assert all(row.failed is None and row.split_hash and row.config for row in rows)
