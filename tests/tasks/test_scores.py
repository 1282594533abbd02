"""What each task does of its own: what it lets a model see, how it scores, what it refuses."""

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, roc_auc_score

from groundwave.errors import DataError
from groundwave.rng import generator
from groundwave.signal.energy import energy_detection
from groundwave.tasks import TASKS
from groundwave.tasks.baselines import LevelTable, energy_detector
from groundwave.tasks.levels import NUM_LEVELS, best_threshold, curve, histogram, levels, rates_at
from groundwave.tasks.masks import resize_mask
from tests.contracts.test_tasks import certain, record

SEGMENTATION = TASKS["segmentation"](classes=("noise", "lte", "nr"))


def test_segmentation_scores_are_of_all_cells_together() -> None:
    target = torch.zeros(2, 4, 4, dtype=torch.int64)
    target[0, :2] = 1
    answer = target.clone()
    answer[0, 0] = 0
    scores = SEGMENTATION.scores(SEGMENTATION.tally(certain(answer, 3), target))
    assert scores["pixel accuracy"] == pytest.approx(28 / 32)
    assert scores["IoU noise"] == pytest.approx(24 / 28)
    assert scores["IoU lte"] == pytest.approx(1 / 2)
    assert scores["mIoU"] == pytest.approx((24 / 28 + 1 / 2) / 2)
    assert "IoU nr" not in scores  # neither true nor answered


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda r: r["mask"].index_fill(0, torch.tensor([2]), 3), "got class 3 in the mask of record 9"),
        (lambda r: r["mask"][:, :8], "got masks of 8 by 24 cells for spectrograms of 16 by 24"),
        (lambda r: r["mask"].float(), "got a mask of torch.float32"),
        (lambda r: r["mask"][0], "got a mask of torch.uint8 and shape"),
    ],
)
def test_masks_that_do_not_fit_are_refused_with_a_reason(change: object, told: str) -> None:
    broken = record()
    with pytest.raises(DataError, match=told):
        SEGMENTATION.target({**broken, "mask": change(broken)})  # type: ignore[operator]


def test_masks_are_resized_without_new_classes() -> None:
    mask = torch.tensor([[[0, 0, 2, 2], [0, 0, 2, 2]]], dtype=torch.uint8)
    assert resize_mask(mask, (4, 8)).tolist() == [[[0] * 4 + [2] * 4] * 4]
    assert resize_mask(mask, (1, 2)).tolist() == [[[0, 2]]]
    assert resize_mask(resize_mask(record()["mask"], (37, 51)), (16, 24)).equal(record()["mask"])
    given = {**record(), "mask": resize_mask(record()["mask"], (32, 48))}
    resizing = TASKS["segmentation"](classes=("noise", "lte", "nr"), resize=True)
    assert resizing.target(given).equal(record()["mask"].long())


def test_a_forecast_sees_nothing_of_the_future_and_is_asked_about_it_alone() -> None:
    task = TASKS["forecasting"](num_slices=2, slice=4)
    seen, whole = task.observed(record()), record()
    assert seen["spec"].equal(whole["spec"][..., :16])
    assert task.target(whole).equal((whole["mask"][..., 16:] > 0).long())
    with pytest.raises(DataError, match="got records of 24 frames; expected one slice of 4 frames and the 6 that"):
        TASKS["forecasting"](num_slices=6, slice=4).observed(whole)


def test_forecasts_are_scored_by_horizon() -> None:
    task = TASKS["forecasting"](num_slices=2, slice=4)
    target = task.target(record())
    answer = target.clone()
    answer[..., 4:] = 1  # the second slice: always occupied
    scores = task.scores(task.tally(certain(answer, 2, 0.9), target))
    assert (scores["detection 1"], scores["false alarm 1"], scores["F1 1"]) == (1, 0, 1)
    share = float(target[..., 4:].float().mean())
    assert (scores["detection 2"], scores["false alarm 2"]) == (1, 1)
    assert scores["F1 2"] == pytest.approx(2 * share / (1 + share))
    assert scores["F1"] == pytest.approx((scores["F1 1"] + scores["F1 2"]) / 2)
    assert scores["area"] == pytest.approx((1 + 0.5) / 2)
    assert scores["detection at 5 % 1"] == 1
    assert scores["detection at 5 % 2"] == pytest.approx(0.05)  # who always says the same is on the diagonal


def test_a_horizon_without_an_occupied_cell_has_no_detection() -> None:
    task = TASKS["forecasting"](num_slices=2, slice=4)
    target = task.target(record())
    target[..., :4] = 0
    scores = task.scores(task.tally(certain(target, 2, 0.9), target))
    assert {"detection 1", "detection at 5 % 1"}.isdisjoint(scores)
    assert scores["false alarm 1"] == 0
    assert scores["area"] == 1


def test_levels_are_log_odds() -> None:
    assert levels(torch.tensor([0.0, 0.5, 1.0])).tolist() == [0, NUM_LEVELS // 2, NUM_LEVELS - 1]
    p = torch.linspace(0.001, 0.999, 500)
    found = (levels(p).double() / 20 - 12).sigmoid()
    assert (found - p).abs().max() < 0.007


def test_histograms_give_rates_area_and_the_best_threshold() -> None:
    draw = generator(0, "levels")
    truth = torch.rand(4000, generator=draw) < 0.2
    chance = (torch.randn(4000, generator=draw) + 2 * truth - 2).sigmoid()
    table = histogram(chance, truth)
    assert curve(table).area == pytest.approx(roc_auc_score(truth, chance), abs=1e-3)
    rates = rates_at(table, 0.5)
    assert float(rates["F1"]) == pytest.approx(f1_score(truth, chance >= 0.5), abs=0.01)
    best = best_threshold(table)
    tried = [f1_score(truth, chance >= t) for t in np.linspace(0.02, 0.98, 97)]
    assert float(rates_at(table, best)["F1"]) == pytest.approx(max(tried), abs=0.01)
    assert max(tried) > float(rates["F1"]) + 0.01
    both = best_threshold(torch.stack([table, table]))
    assert both == best


def test_occupancy_takes_any_class_for_a_signal() -> None:
    task = TASKS["occupancy"]()
    target = task.target(record())
    assert target.equal((record()["mask"] > 0).long())
    scores = task.scores(task.tally(certain(target, 2, 0.8), target))
    assert scores == {"area": 1.0, "detection": 1.0, "false alarm": 0.0, "F1": 1.0}
    assert not math.isfinite(task.scores(task.tally(certain(target * 0, 2), target * 0))["area"])


def test_activity_averages_recall_over_classes() -> None:
    task = TASKS["activity"](classes=("walk", "run"))
    target = torch.tensor([0, 0, 0, 1])
    scores = task.scores(task.tally(certain(torch.tensor([0, 0, 0, 0]), 2), target))
    assert scores == {"macro recall": 0.5, "accuracy": 0.75}
    with pytest.raises(DataError, match="got labels 0 to 2; expected a label from 0 to 1"):
        task.target({"label": torch.tensor([0, 2])})


@pytest.mark.parametrize(("false_alarm", "num_frames", "num_averaged"), [(0.05, 1, 1), (0.01, 3, 1), (0.05, 1, 4)])
def test_the_energy_detector_alarms_at_the_rate_that_is_asked_for(
    false_alarm: float, num_frames: int, num_averaged: int
) -> None:
    power = torch.randn(8, 32, 128, num_averaged, dtype=torch.complex64, generator=generator(0, "energy"))
    loud = power.abs().square().mean(-1)
    loud[:, :1] *= 11  # a Gaussian signal at 10 dB, narrow enough to leave the noise floor alone
    target = torch.zeros(8, 32, 128, dtype=torch.int64)
    target[:, :1] = 1
    task = TASKS["occupancy"](threshold=1 - false_alarm)
    scores = task.scores(task.tally(energy_detector(10 * loud.log10() + 3, num_frames, num_averaged), target))
    assert scores["false alarm"] == pytest.approx(false_alarm, rel=0.15)
    cells = num_frames * num_averaged
    assert scores["detection"] == pytest.approx(energy_detection(false_alarm, 10.0, cells), abs=0.04)
    assert cells > 1 or scores["area"] == pytest.approx(11 / 12, abs=0.01)


def test_a_level_table_is_bayes_rule_counted_by_hand() -> None:
    draw = generator(0, "table")
    spec = 30 * torch.rand((3, 4, 5), generator=draw)
    mask = torch.randint(0, 3, (3, 4, 5), generator=draw)
    table = LevelTable(3, 4)
    table.add(spec[:2], mask[:2])
    table.add(spec[2:], mask[2:])
    over = (spec - spec.flatten(1).median(dim=1).values[:, None, None]).round()

    def share(number: int, row: int, level: float) -> float:
        alike = over[:, row] == level
        met = [1 + int((alike & (mask[:, row] == kind)).sum()) for kind in range(3)]
        return met[number] / sum(met)

    answer = table(spec)
    assert answer.shape == (3, 3, 4, 5)
    for b, number, row, column in itertools.product(range(3), range(3), range(4), range(5)):
        expected = share(number, row, float(over[b, row, column]))
        assert float(answer[b, number, row, column]) == pytest.approx(expected)
    torch.testing.assert_close(table(spec + 7.0), answer)
