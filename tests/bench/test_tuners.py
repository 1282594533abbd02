"""Tuners in turn: nested labels, rows of scores and of curves, failures that stay in their cell, resuming."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from groundwave.adapt import tuning as adapt_tuning
from groundwave.bench import tuning
from groundwave.bench.cells import Sheet
from groundwave.bench.contest import Setting
from groundwave.bench.encoders import Pretraining
from groundwave.bench.rows import Row, read
from groundwave.bench.tuning import Questions, Tuner, answered, tuned_in_turn
from groundwave.contract import SpectrogramContract
from groundwave.data.sources import Records
from groundwave.recipes.spectrogram_sets import Sizes, plan_of
from groundwave.tasks import TASKS
from groundwave.train import Schedule
from tests.adapt.test_tuning import model, records

QUICK = Schedule(epochs=2, precision="32-true")
NETWORK = Pretraining(
    backbone="vit",
    objective="msm",
    views=(),
    schedule=Schedule(epochs=1, precision="32-true"),
    batch_size=8,
    contract=SpectrogramContract(),
    backbone_args={"dim": 16, "depth": 1, "num_heads": 2, "patch": (4, 4)},
    objective_args={"decoder": {"name": "linear"}},
)
FROZEN, FRESH = (Tuner(how, NETWORK, how, QUICK, batch_size=4) for how in ("frozen", "scratch"))
TASK = TASKS["segmentation"](classes=("noise", "low", "high"), decoder="linear")
QUESTIONS = Questions(TASK, (2, None))


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    known = records()[torch.arange(24)]
    record = {name: known[name] for name in ("spec", "mask", "group")}
    source = Records(record, classes=("low", "high"), group_names=[str(number) for number in range(24)])
    plan = plan_of(source, Sizes(8, 8, 4, 4), seed=0)
    sheet = Sheet(tmp_path / "rows.jsonl", "test")
    return Setting("bands", source, torch.zeros(24), plan, 0, sheet, tmp_path / "runs", progress=False)


def rows_of(setting: Setting, **wanted: Any) -> list[Row]:
    return [row for row in read(setting.sheet.path) if all(getattr(row, k) == v for k, v in wanted.items())]


def test_every_cell_has_its_scores_and_its_curve(setting: Setting) -> None:
    tuned_in_turn([FROZEN, FRESH], QUESTIONS, setting)
    for method in ("frozen", "scratch"):
        for shots in (2, None):
            found = {row.metric: row for row in rows_of(setting, method=method, shots=shots, episode=None)}
            assert found.keys() == {"mIoU", "IoU noise", "IoU low", "IoU high", "boundary F1", "pixel accuracy"}
            curve = rows_of(setting, method=method, shots=shots, metric="validation mIoU")
            assert [row.episode for row in curve] == [0, 1]
            assert 0 < curve[0].seconds < curve[1].seconds == found["mIoU"].seconds
            assert len({row.split_hash for row in [*found.values(), *curve]}) == 1


def test_a_second_run_finds_everything_done(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    tuned_in_turn([FROZEN], QUESTIONS, setting)
    before = read(setting.sheet.path)
    monkeypatch.setattr(tuning, "tune", None)
    again = replace(setting, sheet=Sheet(setting.sheet.path, "test"))
    tuned_in_turn([FROZEN], QUESTIONS, again)
    assert read(setting.sheet.path) == before


def test_a_failure_stays_in_its_cell_and_is_tried_again(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(model: Any, task: Any, source: Any, indices: Any, **given: Any) -> Any:
        if len(indices) == 2:
            raise RuntimeError("too few")
        return adapt_tuning.tune(model, task, source, indices, **given)

    monkeypatch.setattr(tuning, "tune", failing)
    tuned_in_turn([FRESH], QUESTIONS, setting)
    assert [row.failed for row in rows_of(setting, shots=2)] == ["RuntimeError: too few"]
    assert rows_of(setting, shots=None, metric="mIoU")
    monkeypatch.setattr(tuning, "tune", adapt_tuning.tune)
    tuned_in_turn([FRESH], QUESTIONS, setting)
    assert rows_of(setting, shots=2, metric="mIoU")[-1].failed is None


def test_a_given_model_is_tuned_instead_of_a_pretrained_one(setting: Setting, tmp_path: Path) -> None:
    folder = model().save(tmp_path / "given")
    given = FROZEN.starting_at(str(folder))
    tuned_in_turn([given], Questions(TASK, (2,)), setting)
    assert not (setting.runs / "msm-vit").exists()
    (row,) = rows_of(setting, metric="mIoU")
    assert len(row.config["start_sha256"]) == 12
    assert given.config() != FROZEN.starting_at(str(model(1).save(tmp_path / "other"))).config()
    assert FRESH.starting_at(str(folder)) == FRESH


def test_few_labels_are_among_more(setting: Setting) -> None:
    two, five, all_of_them = (set(setting.labelled(count).tolist()) for count in (2, 5, None))
    assert two < five < all_of_them == set(setting.plan.support.tolist())
    other = set(replace(setting, seed=1).labelled(5).tolist())
    assert five != other


def test_a_baseline_is_asked_with_what_validation_settles(setting: Setting) -> None:
    asked: list[int] = []

    def answer(record: Any) -> torch.Tensor:
        asked.extend(record["index"].tolist())
        chance = (record["spec"] > 10).double() * 0.2 + 0.1
        return torch.stack([1 - chance, chance], dim=1)

    def settled(task: Any, total: Any) -> Any:
        assert sorted(asked) == setting.plan.validation.tolist()
        return replace(task, threshold=0.2)

    answered("loud", answer, Questions(TASKS["occupancy"](), (None,), settled), setting)
    found = {row.metric: row.value for row in rows_of(setting, method="loud")}
    assert found["detection"] == pytest.approx(1, abs=0.01)
    assert found["false alarm"] == pytest.approx(0, abs=0.01)
    assert sorted(asked) == sorted([*setting.plan.validation.tolist(), *setting.plan.query.tolist()])
