"""Every task of the table keeps the same contract."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from groundwave.contracts import Record, Task
from groundwave.errors import GroundwaveError
from groundwave.nn import BACKBONES, HEADS
from groundwave.rng import generator
from groundwave.tasks import TASKS

TINY: dict[str, dict[str, Any]] = {
    "activity": {"classes": ("walk", "run", "fall")},
    "forecasting": {"num_slices": 2, "slice": 4, "context": 8},
    "occupancy": {"decoder": "linear"},
    "segmentation": {"classes": ("noise", "lte", "nr"), "decoder": "conv"},
}


def record(num: int = 4) -> Record:
    draw = generator(0, "tasks")
    mask = torch.randint(0, 3, (num, 4, 6), generator=draw).repeat_interleave(4, 1).repeat_interleave(4, 2)
    spec = torch.randn(num, 16, 24, generator=draw) + 20 * (mask > 0)
    return {"spec": spec, "mask": mask.to(torch.uint8), "label": torch.arange(num) % 3, "index": torch.arange(num) + 7}


def made(name: str) -> Task:
    return TASKS[name](**TINY[name])


def certain(target: Tensor, num_classes: int, chance: float = 1.0) -> Tensor:
    """Return probabilities that give the target's class `chance`, the others the rest."""
    hot = torch.nn.functional.one_hot(target, num_classes).movedim(-1, 1).float()
    return hot * chance + (1 - hot) * (1 - chance) / (num_classes - 1)


def test_every_task_has_a_tiny_setting() -> None:
    assert TINY.keys() == TASKS.keys()


@pytest.mark.parametrize("name", TASKS)
def test_its_head_answers_on_a_backbone_and_learns(name: str) -> None:
    task = made(name)
    assert isinstance(task, Task)
    torch.manual_seed(0)
    backbone: Any = BACKBONES["vit"](num_channels=1, dim=16, depth=1, num_heads=2, patch=(8, 4))
    head_name, args = task.head(backbone)
    head = HEADS[head_name](**args)
    x = task.observed(record())["spec"][:, None]
    target = task.target(record())
    scores = head(backbone(x)) if target.dim() == 1 else head(backbone.tokens(x), backbone.grid(x), x.shape[-2:])
    assert scores.shape == (len(x), len(task.classes), *target.shape[1:])
    task.loss(scores, target).backward()
    assert all(p.grad is not None for p in head.parameters())


@pytest.mark.parametrize("name", TASKS)
def test_its_loss_and_its_scores_prefer_the_truth(name: str) -> None:
    task = made(name)
    target = task.target(record())
    right, wrong = (certain(target, len(task.classes), chance) for chance in (0.9, 0.1))
    assert task.loss(right.log(), target) < task.loss(wrong.log(), target)
    best, worst = (task.scores(task.tally(p, target)) for p in (right, wrong))
    assert best[task.chosen_by] == pytest.approx(1)
    assert worst[task.chosen_by] < 0.5
    assert all(math.isfinite(value) for value in [*best.values(), *worst.values()])


@pytest.mark.parametrize("name", TASKS)
def test_tallies_of_batches_add_up(name: str) -> None:
    task = made(name)
    target = task.target(record())
    draw = torch.rand(len(target), len(task.classes), *target.shape[1:], generator=generator(1, "tasks"))
    whole = task.tally(draw.softmax(1), target)
    halves = [task.tally(p.softmax(1), t) for p, t in zip(draw.split(2), target.split(2), strict=True)]
    for key, value in whole.items():
        torch.testing.assert_close(halves[0][key] + halves[1][key], value)


@pytest.mark.parametrize("name", TASKS)
def test_a_record_without_an_answer_is_refused(name: str) -> None:
    bare = {"spec": record()["spec"]}
    with pytest.raises(GroundwaveError, match="got records without"):
        made(name).target(bare)


@pytest.mark.parametrize("name", sorted(TASKS.keys() - {"activity"}))
def test_a_backbone_without_patches_is_refused(name: str) -> None:
    with pytest.raises(GroundwaveError, match="expected a backbone of grids"):
        made(name).head(BACKBONES["vtcnn2"](num_channels=2, num_samples=64))
