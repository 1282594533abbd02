"""The page of results says what the rows say, and nothing without rows."""

from pathlib import Path

import pytest

from groundwave.bench.comparisons import MET, MISSED, ON_AVERAGE
from groundwave.bench.contest import ACCURACY, SPREAD
from groundwave.bench.rows import Row, append
from groundwave.errors import DataError
from groundwave.recipes.lsm_aims import aims
from groundwave.recipes.lsm_results import SECTIONS, lsm_results


def put(results: Path, protocol: str, method: str, value: float, **place: object) -> None:
    told = {"data": "replica", "metric": ACCURACY, "n": 9, "hardware": "test", **place}
    append(results / f"{protocol}.jsonl", Row(protocol=protocol, method=method, value=value, **told))  # type: ignore[arg-type]


def fill(results: Path) -> None:
    for seed, alike in enumerate(([], ["QAM16-QAM64"])):
        for snr in (-4.0, 4.0):
            put(results, "contrastive", "ours", 0.8, seed=seed, snr_db=snr, shots=5)
            for protocol in ("fewshot", "fewshot-source", "transfer"):
                for shots in (1, 5):
                    place = {"seed": seed, "snr_db": snr, "shots": shots, "config": {"alike": alike}}
                    put(results, protocol, "ours", 0.9 - 0.4 * seed, **place)
                    put(results, protocol, "ours", 0.05, metric=SPREAD, **place)
            put(results, "fidelity", "VT-CNN2", 0.61, seed=seed, snr_db=snr)
        put(results, "fidelity", "VT-CNN2", 0.5, seed=seed)
        put(results, "contrastive", "LSM as published, one support set", 0.7, seed=seed, snr_db=4.0, shots=5)
        for count in (2, 5, None):
            put(results, "label-efficiency", "ours", 0.6, seed=seed, shots=count)
            put(results, "label-efficiency", "ours", 0.1, seed=seed, shots=count, snr_db=4.0)


def test_every_panel_has_its_tables_and_pictures(tmp_path: Path) -> None:
    fill(tmp_path)
    page = lsm_results(tmp_path, tmp_path / "lsm.md").read_text()
    assert "| VT-CNN2 | replica |  | 61.0 |  | 61.0 |  |  | 50.0 |" in page
    assert "| VT-CNN2, reported | real file | 22.8 | 58.9 | 70.4 | 72.3 | 73.3 | 72.4 | 50.3 |" in page
    assert "Reported on the real file at 4 dB: LSM 73.7, SCLBSS 65.0, SimSiam 50.0, SimCLR 49.6 %." in page
    assert "| ours | 70.0" in page
    assert "| method | N = 2 | N = 5 | all labels |" in page
    assert "60.0 ± 0.0 | 60.0 ± 0.0 | 60.0 ± 0.0" in page
    for picture in (line.split("(lsm/")[1].rstrip(")") for line in page.split("\n") if line.startswith("![")):
        assert (tmp_path / "lsm" / picture).read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "lsm").iterdir())) == 9


def test_class_splits_that_are_hard_stand_apart(tmp_path: Path) -> None:
    fill(tmp_path)
    page = lsm_results(tmp_path, tmp_path / "lsm.md").read_text()
    line, *_ = [row for row in page.split("by what the new classes hold**")[1].split("\n") if row.startswith("| ours")]
    cells = [cell.strip().strip("*") for cell in line.split("|")[2:-1]]
    assert [cell.split(" ")[0] for cell in cells] == ["70.0", "90.0", "50.0"]


def test_a_leak_by_itself_is_in_the_table_and_not_in_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from groundwave.recipes import lsm_results as module

    drawn: list[str] = []
    draw = module.accuracy_against_snr

    def noted(rows: list[Row], *given: object) -> object:
        drawn.extend(row.method for row in rows)
        return draw(rows, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "accuracy_against_snr", noted)
    fill(tmp_path)
    parts = list(SECTIONS["contrastive"](tmp_path))
    assert set(drawn) == {"ours"}
    (table,) = parts[0].tables.values()
    assert "LSM as published, one support set" in [line[0] for line in table.body]


def test_the_same_rows_give_the_same_page(tmp_path: Path) -> None:
    fill(tmp_path)
    pages = [lsm_results(tmp_path, tmp_path / name / "lsm.md") for name in ("a", "b") if not (tmp_path / name).mkdir()]
    assert pages[0].read_bytes() == pages[1].read_bytes()
    for picture in (tmp_path / "a" / "lsm").iterdir():
        assert picture.read_bytes() == (tmp_path / "b" / "lsm" / picture.name).read_bytes()


def test_no_rows_no_page(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run `groundwave run lsm` first"):
        lsm_results(tmp_path, tmp_path / "lsm.md")
    assert not list(tmp_path.iterdir())


def test_nothing_reported_on_the_real_file_stands_beside_the_fixed_data(tmp_path: Path) -> None:
    for data in ("radioml as-published", "radioml fixed"):
        put(tmp_path, "contrastive", "ours", 0.8, data=data, seed=0, snr_db=4.0, shots=5)
        put(tmp_path, "label-efficiency", "ours", 0.6, data=data, seed=0, shots=5)
    for section in ("contrastive", "label-efficiency"):
        published, fixed = SECTIONS[section](tmp_path)
        assert "real file" in published.text
        assert "real file" not in fixed.text
        drawn = [
            {text.get_text() for figure in part.pictures.values() for text in figure.axes[0].get_legend().get_texts()}
            for part in (published, fixed)
        ]
        assert any(name.endswith("reported") for name in drawn[0])
        assert not any(name.endswith("reported") for name in drawn[1])


def test_methods_are_compared_on_the_seed_that_all_have(tmp_path: Path) -> None:
    for method, value, seed in (("ours", 0.9, 0), ("ours", 0.5, 1), ("other", 0.8, 0)):
        for snr, less in ((-4.0, 0.3), (4.0, 0.0), (10.0, 0.1)):
            place = {"seed": seed, "snr_db": snr, "shots": 5}
            put(tmp_path, "contrastive", f"{method} + unlabelled", value - less, **place)
    page = lsm_results(tmp_path, tmp_path / "lsm.md").read_text()
    assert "SNR ≥ 0, seed 0 alone: *ours + unlabelled* 85.0, *other + unlabelled* 75.0 %." in page


def test_who_learned_for_less_than_its_source_is_told(tmp_path: Path) -> None:
    for method, epochs in (("LSM as published", 60), ("SimCLR", 300), ("SimSiam, one for all SNRs", 7)):
        config = {"pretraining": {"schedule": {"epochs": epochs}}}
        put(tmp_path, "contrastive", method, 0.7, seed=0, snr_db=4.0, shots=5, config=config)
    page = lsm_results(tmp_path, tmp_path / "lsm.md").read_text()
    assert "*LSM as published* for 60 of 300, *SimSiam* for 7 of 300.\n" in page
    assert "*SimCLR* for" not in page
    assert "Methods *one for all SNRs*" in page


def lines_of(results: Path) -> dict[str, list[str]]:
    table = aims(results)
    return {line[0]: line[1:] for line in table.body} if table else {}


def test_without_rows_nothing_was_aimed_at(tmp_path: Path) -> None:
    fill(tmp_path)  # of data that no source reports
    assert aims(tmp_path) is None


def test_aims_are_judged_where_ours_is_least_ahead(tmp_path: Path) -> None:
    def put_at(protocol: str, method: str, value: float, **place: object) -> None:
        put(tmp_path, protocol, method, value, data="radioml as-published", **place)

    for seed in (0, 1):
        for snr, rival in ((-4.0, 0.95), (0.0, 0.70), (4.0, 0.79)):  # below 0 dB nothing is asked
            put_at("contrastive", "LSM, ours", 0.82 + 0.01 * seed, seed=seed, snr_db=snr, shots=5)
            put_at("contrastive", "SimCLR", rival + 0.01 * seed, seed=seed, snr_db=snr, shots=5)
            put_at("contrastive", "LSM, ours, lda", 0.99, seed=seed, snr_db=snr, shots=5)
            put_at("contrastive", "chance", 0.09, seed=seed, snr_db=snr, shots=5)
            put_at("fewshot-source", "LSM, ours", 0.96, seed=seed, snr_db=snr, shots=5)
            put_at("fewshot-source", "ProtoNet", rival, seed=seed, snr_db=snr, shots=5)
            put_at("transfer-source", "LSM, ours", 0.96, seed=seed, snr_db=snr, shots=5)
            put_at("transfer-source", "CNN2, frozen", rival - 0.2 * (snr == 4), seed=seed, snr_db=snr, shots=5)
        for count, share in ((2, 0.60), (5, 0.50)):
            put_at("label-efficiency", "LSM, ours, linear probe", share, seed=seed, shots=count)
    found = lines_of(tmp_path)
    assert found["(a) 4 dB, 5 labels: LSM, ours"][1:] == ["82.5 ± 6.4 %", ON_AVERAGE]
    ahead = found["(a) 5 labels: LSM, ours less SimCLR"]
    assert ahead[1:] == ["at worst 3.0 ± 0.0 points, of *SimCLR* at 4 dB", MET]
    assert found["(b) 5-way 5-shot, mean for SNR ≥ 0: LSM, ours, one model for all SNRs"][2] == MISSED
    few = found["(b) 5-way 5-shot: LSM, ours less ProtoNet"]
    assert few[1:] == ["at worst 17.0 ± 0.0 points, of *ProtoNet* at 4 dB", MET]
    assert found["(c) 5-way 5-shot: LSM, ours less CNN2, frozen"][2] == MET
    labels = next(line for what, line in found.items() if what.startswith("(d)"))
    assert labels[1:] == ["+8.2, -7.3 points", MISSED]
