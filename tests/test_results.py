"""The committed rows say what the README claims of them."""

from pathlib import Path

import pytest

from groundwave.bench.contest import ACCURACY
from groundwave.bench.readme import fill_readme
from groundwave.bench.rows import aggregate, read
from groundwave.metrics import Interval
from groundwave.recipes.lsm_results import lsm_results
from groundwave.recipes.results import summarise

ROOT = Path(__file__).resolve().parents[1]
OURS = {"LSM + attributes", "LSM", "iq-small, frozen", "iq-small, frozen + attributes"}


def cells(protocol: str, **fields: object) -> dict[str, Interval]:
    rows = read(ROOT / "results" / f"{protocol}.jsonl")
    chosen = [row for row in rows if all(getattr(row, name) == value for name, value in fields.items())]
    return {method: cell.interval for (method,), cell in aggregate(chosen, ("method",)).items() if cell.interval}


@pytest.mark.parametrize("shots", [1, 5])
def test_pretraining_beats_every_baseline_on_real_recordings(shots: int) -> None:
    found = cells("ism-fewshot", shots=shots)
    best = found["LSM + attributes"]
    baselines = {method: cell for method, cell in found.items() if method not in OURS}
    assert len(baselines) >= 6
    for method, cell in baselines.items():
        assert cell.n >= 100, method
        assert best.low > cell.high, method


@pytest.mark.parametrize("shots", [1, 5])
@pytest.mark.parametrize("snr_db", [-4.0, 0.0, 4.0, 10.0, 16.0])
def test_modulation_small_beats_every_baseline_and_from_4_db_up_iq_small(shots: int, snr_db: float) -> None:
    found = cells("modulation-fewshot", shots=shots, snr_db=snr_db)
    ours, older = found.pop("modulation-small, frozen"), found.pop("iq-small, frozen")
    assert len(found) == 6
    for method, cell in found.items():
        assert ours.low > cell.high, method
    assert snr_db < 4 or ours.low > older.high


@pytest.mark.parametrize("name", ["iq-small", "modulation-small", "csi-small", "spectrogram-small"])
def test_cards_are_what_our_rows_give(name: str) -> None:
    card = (ROOT / "groundwave" / "weights" / name / "README.md").read_text()
    assert "<!-- result" in card
    assert fill_readme(card, ROOT / "results") == card


def test_the_page_of_lsm_says_what_the_rows_say(tmp_path: Path) -> None:
    page = lsm_results(ROOT / "results", tmp_path / "lsm.md")
    assert page.read_text() == (ROOT / "docs" / "results" / "lsm.md").read_text()
    assert {p.name for p in (tmp_path / "lsm").iterdir()} == {p.name for p in (ROOT / "docs/results/lsm").iterdir()}


@pytest.mark.parametrize("data", ["radioml as-published", "radioml fixed"])
@pytest.mark.parametrize("baseline", ["cyclic moments + LDA", "cumulants + logistic", "chance"])
def test_ours_beats_what_learns_nothing_beforehand_from_0_db_up(data: str, baseline: str) -> None:
    rows = read(ROOT / "results" / "contrastive.jsonl")
    high = [row for row in rows if row.data == data and row.snr_db is not None and row.snr_db >= 0]
    found = {method: cell.interval for (method,), cell in aggregate(high, ("method",), ACCURACY).items()}
    ours, theirs = found["LSM, ours"], found[baseline]
    assert ours is not None
    assert theirs is not None
    assert ours.low > theirs.high


@pytest.mark.slow
def test_the_page_of_everything_has_each_protocol(tmp_path: Path) -> None:
    page = summarise(ROOT / "results", tmp_path / "page.html").read_text()
    for path in (ROOT / "results").glob("*.jsonl"):
        assert f"<h2>{path.stem}</h2>" in page
