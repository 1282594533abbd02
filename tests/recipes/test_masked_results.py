"""docs/results/masked.md from rows that are made up: every table and picture, and what is missing."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groundwave.bench.rows import Row, append
from groundwave.recipes import csi_results
from groundwave.recipes.masked_aims import aims
from groundwave.recipes.masked_results import SECTIONS, masked_results


def put(results: Path, protocol: str, method: str, metric: str, value: float | None, **place: object) -> None:
    told = {"data": "simulated", "n": 9, "hardware": "test", "date": "today", **place}
    append(results / f"{protocol}.jsonl", Row(protocol=protocol, method=method, metric=metric, value=value, **told))  # type: ignore[arg-type]


FROZEN, SCRATCH, LARGE = "pretrained, frozen", "from scratch", "from scratch, 4 times as large"


def fill(results: Path) -> None:
    for seed in (0, 1, 2):
        wobble = 0.001 * seed
        for mask, error in (("random 20%", 2.0), ("tube 75%", 4.0)):
            for method, factor in (("ViT", 1.0), ("linear interpolation", 2.0)):
                learned = {"seed": seed, "config": {"pretraining": {"schedule": {"epochs": 4}}}}
                put(results, "msm-vit", method, f"error {mask} (dB)", factor * error + wobble, **learned)
        for count in (6, 600):
            for method, score, pace in ((FROZEN, 0.9, 1.0), (SCRATCH, 0.7, 10.0), (LARGE, 0.8, 40.0)):
                here = {"seed": seed, "shots": count}
                for epoch in (1, 2, 3):
                    told = {"episode": epoch, "seconds": pace * epoch}
                    put(results, "segmentation", method, "validation mIoU", score * epoch / 3, **here, **told)
                put(results, "segmentation", method, "pixel accuracy", 0.95, **here)
                put(results, "segmentation", method, "mIoU", score + wobble, **here)
        for method, score in (("ConvLSTM, pretrained, frozen", 0.6), ("ConvLSTM, from scratch", 0.59)):
            put(results, "forecasting", method, "validation area", score, seed=seed, episode=1, seconds=5.0)
            for name in ("detection", "false alarm", "F1", "detection at 5 %"):
                for ahead in (1, 2):
                    put(results, "forecasting", method, f"{name} {ahead}", score / ahead, seed=seed)
        put(results, "multimodal-vit", "segmentation, shared", "mIoU", 0.80 + wobble, seed=seed)
        put(results, "multimodal-vit", "segmentation, multiway", "mIoU", 0.83 + wobble, seed=seed)
        put(results, "multimodal-vit", "segmentation, separate", "mIoU", 0.81 + wobble, seed=seed)
    for room in (0, 1):
        place: dict[str, object] = {
            "split": f"room {room} left out",
            "shots": 0,
            "config": {"held_out": f"room {room}"},
        }
        for method, share in (("motion", 0.7), ("forest", 0.3)):
            put(results, "csi-activity", method, "accuracy", share + 0.1 * room, **place)
            put(results, "csi-activity", method, "recall of sitting", share, **place)
        put(results, "csi-activity", "motion", "sitting as lying", 0.3, **place)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("masked")
    fill(home)
    pictures = home / "runs" / "pictures"
    pictures.mkdir(parents=True)
    for name in ("msm-vit-random", "segmentation-answers"):
        (pictures / f"{name}.png").write_bytes(b"\x89PNG " + name.encode())
    return home


@pytest.fixture(scope="module")
def page(home: Path) -> str:
    return masked_results(home, home / "runs", home / "masked.md").read_text()


def line(page: str, title: str, method: str) -> list[str]:
    """Return the cells of a method in the table of a title."""
    table = page.split(f"**{title}**")[1]
    found = next(row for row in table.split("\n") if row.startswith(f"| {method} |"))
    return [cell.strip().strip("*") for cell in found.split("|")[2:-1]]


def test_errors_are_in_decibels_and_the_lowest_is_marked(page: str) -> None:
    assert line(page, "Error by mask and ratio", "ViT") == ["2.00 ± 0.00", "4.00 ± 0.00"]
    assert "| ViT | **2.00" in page
    assert "| linear interpolation | 4.00" in page
    assert "pretrained for 4 of the recipe's 40 epochs: too few." in page


def test_segmentation_by_labels_and_the_time_to_the_same_score(page: str) -> None:
    assert line(page, "mIoU", FROZEN) == ["90.1 ± 0.2", "90.1 ± 0.2"]
    assert f"- 6 labels: *{FROZEN}* less *{LARGE}* is 10.0 ± 0.0 points of mIoU; intervals apart." in page
    assert line(page, f"Time to the best mIoU on validation of {SCRATCH}", FROZEN) == ["3 s, 10.0 %"] * 2
    assert line(page, f"Time to the best mIoU on validation of {LARGE}", SCRATCH) == ["never (3 of 3)"] * 2


def test_forecasts_by_horizon(page: str) -> None:
    assert line(page, "F1 of occupied cells", "ConvLSTM, from scratch") == ["59.0 ± 0.0", "29.5 ± 0.0"]
    assert "- ConvLSTM: *frozen* less *from scratch* is +0.5 to +1.0 points of F1 over the horizons." in page
    assert line(page, "Time to the best area on validation of ConvLSTM, from scratch", "ConvLSTM, pretrained, frozen")


def test_rooms_stand_apart_although_their_rows_share_a_cell(page: str) -> None:
    assert line(page, "no label of the new room", "motion") == ["75.0", "70.0", "80.0"]
    assert "Pictures are of *motion* without labels, the best here on these very records." in page
    for room in (0, 1):
        assert f"![confusion, room {room}](" in page


def test_who_is_confused_with_whom_is_the_mean_where_many_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sitting is asked about in three of four rooms, lying in none; room 3 has rows of no confusion."""
    drawn: list[Any] = []
    monkeypatch.setattr(csi_results, "confusion_picture", lambda matrix, classes: drawn.append((matrix, classes)))
    told = [("sitting as lying", room, 0.5) for room in (0, 1)] + [("recall of walking", 3, 1.0)]
    told += [("recall of sitting", room, 0.5 if room < 2 else 1.0) for room in (0, 1, 2)]
    rows = [
        Row(protocol="p", method="m", data="d", metric=metric, value=value, n=1, split=f"room {room} left out")
        for metric, room, value in told
    ]
    assert list(csi_results._confusions(rows, "room")) == ["confusion, mean over each room left out"]
    matrix, classes = drawn[0]
    assert classes == ["lying", "sitting", "walking"]
    np.testing.assert_allclose(matrix, [[0, 0, 0], [1 / 3, 2 / 3, 0], [0, 0, 1]])
    assert csi_results._confusions(rows[2:], "room") == {}


def test_shared_weights_beside_separate_ones(page: str) -> None:
    assert "| segmentation | mIoU | 80.1 ± 0.2 | 83.1 ± 0.2 | 81.1 ± 0.2 | -1.0 ± 0.0 | 2.0 ± 0.0 |" in page


def test_all_pictures_are_there_and_copies_outlive_their_runs(page: str, home: Path) -> None:
    links = re.findall(r"!\[.*?\]\((.*?)\)", page)
    assert "masked/runs/msm-vit-random.png" in links
    assert len(links) == len(set(links)) == 10
    assert "![input, truth, and what each method answers](masked/runs/segmentation-answers.png)" in page
    for link in links:
        assert (home / link).read_bytes().startswith(b"\x89PNG")
    assert masked_results(home, home / "gone", home / "masked.md").read_text() == page


def test_the_aims_are_told_and_whether_they_are_met(page: str) -> None:
    aims = page.split("## What was aimed at")[1].split("\n## ")[0]
    assert (
        "less from scratch, 4 times as large | ahead, intervals apart | 10.0 ± 0.0 points of mIoU, apart | ✓ |" in aims
    )
    assert "| segmentation, 6 labels: time of pretrained, frozen to the best of from scratch |" in aims
    assert "| 10 % of its time | 10.0 ± 0.0 % | ✓ |" in aims  # the third epoch in 3 s and in 30 s
    assert "| 10 % of its time | 100.0 ± 0.0 % | ✗ |" in aims  # both forecasts in 5 s
    assert "| -1 or more at every horizon | 0.5 ± 0.0 points of F1 at the worst horizon | ✓ |" in aims
    assert "segmentation: shared less separate | -1 or more | -1.0 ± 0.0 points of mIoU | ✓ |" in aims
    assert "| activities" not in aims  # none of the data sets that were asked about


def test_activities_are_asked_in_every_session(tmp_path: Path) -> None:
    for room, accuracy in ((1, 0.6), (2, 0.5), (3, 0.3)):
        place: dict[str, object] = {
            "split": f"room {room} left out",
            "shots": 0,
            "data": "esp32-4-sessions",
            "config": {"held_out": f"room {room}"},
        }
        put(tmp_path, "csi-activity", "motion and levels, aligned", "accuracy", accuracy, **place)
    table = aims(tmp_path)
    assert table is not None
    assert [row[1:] for row in table.body] == [["50 / 45 / 40 %", "60.0 / 50.0 / 30.0 %", "✗"]]
    assert table.caption.endswith("was chosen with the recordings that are asked in view, which flatters it.")


def test_a_mean_that_meets_an_aim_where_some_seeds_may_not_is_told_apart(tmp_path: Path) -> None:
    for seed, accuracy in enumerate((0.60, 0.75, 0.90)):
        place: dict[str, object] = {"split": "room 1 left out", "shots": 5, "data": "intel5300-2-rooms", "seed": seed}
        put(tmp_path, "csi-activity", "motion and levels, aligned", "accuracy", accuracy, **place)
    table = aims(tmp_path)
    assert table is not None
    assert table.body[0][-2:] == ["75.0 ± 37.3 %", "✓ on average"]


def test_what_is_missing_is_told(page: str) -> None:
    missing = page.split("## What is missing")[1].split("##")[0]
    assert missing.strip() == "- No rows yet of `groundwave run msm-convlstm`."


def test_what_failed_is_told(tmp_path: Path) -> None:
    put(tmp_path, "msm-convlstm", "ConvLSTM", "error random 20% (dB)", None, failed="out of memory")
    page = masked_results(tmp_path, tmp_path / "runs", tmp_path / "masked.md").read_text()
    assert "- 1 cells of `groundwave run msm-convlstm` failed, the last one because: out of memory" in page


def test_no_rows_at_all_name_everything(tmp_path: Path) -> None:
    page = masked_results(tmp_path, tmp_path, tmp_path / "masked.md").read_text()
    assert [f"- No rows yet of `groundwave run {name}`." in page for name in SECTIONS] == [True] * len(SECTIONS)
