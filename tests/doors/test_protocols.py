"""Both protocols at their smallest, through the command line; what they measure there gets into no table."""

from pathlib import Path

import pytest

from groundwave.bench.methods import CLASSICAL
from groundwave.bench.rows import read
from groundwave.cli import main
from groundwave.recipes.modulation_fewshot import SNRS_DB, compare


@pytest.mark.slow
def test_ism_fewshot_on_real_recordings(shared_data: Path, tmp_path: Path) -> None:
    data, results = str(shared_data / "iq" / "ism_433mhz.npz"), tmp_path / "results"
    words = ["bench", "ism-fewshot", "--data", data, "--runs", str(tmp_path / "runs"), "--results", str(results)]
    assert main([*words, "--smoke"]) == 0
    assert not results.exists()
    rows = read(tmp_path / "runs/smoke/results/ism-fewshot.jsonl")
    assert {row.shots for row in rows} == {1, 5}
    assert all(row.failed is None and row.split_hash and row.config for row in rows)
    assert max(row.value for row in rows if row.method == "LSM + attributes" and row.shots == 5) > 0.8


@pytest.mark.slow
def test_modulation_fewshot(tmp_path: Path) -> None:
    results, runs = tmp_path / "results", tmp_path / "runs"
    words = ["bench", "modulation-fewshot", "--runs", str(runs), "--results", str(results)]
    assert main([*words, "--smoke"]) == 0
    assert not results.exists()
    rows = read(runs / "smoke/results/modulation-fewshot.jsonl")
    assert {row.method for row in rows} >= {"modulation-small, frozen", "iq-small, frozen", "from scratch", "chance"}
    assert all(row.failed is None and row.split_hash and row.config for row in rows)


def test_the_records_at_an_snr_are_the_same_whichever_others_are_asked(tmp_path: Path) -> None:
    asked = {"num_shots": 1, "num_episodes": 1, "seed": 0, "records_per_cell": 4}
    (method,) = (one for one in CLASSICAL if one.name == "cumulants + logistic")
    alone, among = (
        {row.snr_db: (row.value, row.split_hash) for row in read(path)}
        for path, snrs_db in ((tmp_path / "alone", (4.0,)), (tmp_path / "among", SNRS_DB))
        if compare([method], path, snrs_db=snrs_db, **asked)  # type: ignore[arg-type]
    )
    assert len(among) == len(SNRS_DB)
    assert alone[4.0] == among[4.0]
