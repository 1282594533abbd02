"""What a segmentation's losses are made of, against loops over cells; the two sides of a rare class."""

import math

import pytest
import torch

from groundwave.tasks.segmentation import RareSegmentation, Segmentation

CLASSES = ("noise", "WiFi", "BLE")


def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    stream = torch.Generator().manual_seed(0)
    target = torch.zeros(2, 4, 5, dtype=torch.int64)
    target[0, 1, 2:4] = 1
    return torch.randn(2, len(CLASSES), 4, 5, generator=stream), target


def slow_loss(scores: torch.Tensor, target: torch.Tensor) -> float:
    """Cross entropy, and one less Dice's coefficient, over the cells of all records; BLE, which is absent, has none."""
    entropy, shared, told, true = 0.0, [0.0] * 3, [0.0] * 3, [0] * 3
    for b in range(2):
        for f in range(4):
            for t in range(5):
                powers = [math.exp(float(scores[b, c, f, t])) for c in range(3)]
                chance, c_true = [power / sum(powers) for power in powers], int(target[b, f, t])
                entropy -= math.log(chance[c_true]) / 40
                for c in range(3):
                    told[c] += chance[c]
                shared[c_true] += chance[c_true]
                true[c_true] += 1
    dice = [2 * shared[c] / (told[c] + true[c]) for c in range(3) if true[c]]
    return entropy + 1 - sum(dice) / len(dice)


def test_the_loss_for_rare_classes_is_cross_entropy_and_soft_dice() -> None:
    scores, target = drawn()
    found = RareSegmentation(CLASSES).loss(scores, target)
    assert float(found) == pytest.approx(slow_loss(scores, target), rel=1e-5)
    assert float(Segmentation(CLASSES).loss(scores, target)) < float(found) - 0.1


def test_a_rare_class_weighs_as_much_as_a_frequent_one() -> None:
    """Two cells of WiFi that are missed cost more than two cells of noise."""
    _, target = drawn()
    sure = 20 * torch.nn.functional.one_hot(target, 3).movedim(-1, 1).float()
    missed, invented = sure.clone(), sure.clone()
    missed[0, :, 1, 2:4] = torch.tensor([20.0, 0.0, 0.0])[:, None]
    invented[1, :, 1, 2:4] = torch.tensor([0.0, 0.0, 20.0])[:, None]
    rare, plain = RareSegmentation(CLASSES), Segmentation(CLASSES)
    assert float(plain.loss(missed, target)) == pytest.approx(float(plain.loss(invented, target)))
    assert float(rare.loss(missed, target)) > float(rare.loss(invented, target)) + 0.3


def test_scores_of_half_precision_and_absent_classes_stay_finite() -> None:
    scores, target = drawn()
    scores = scores.bfloat16().requires_grad_()
    RareSegmentation(CLASSES).loss(scores, torch.zeros_like(target)).backward()
    assert scores.grad is not None
    assert bool(scores.grad.isfinite().all())


def test_both_sides_of_a_rare_class_are_told() -> None:
    """WiFi is two cells, of which one is found among four that are called so; nothing is called BLE, or is."""
    task, (_, target) = RareSegmentation(CLASSES), drawn()
    answer = torch.zeros_like(target)
    answer[0, 1, 2] = answer[0, 3, 0] = answer[1, 3, 0] = answer[1, 0, 0] = 1
    chances = torch.nn.functional.one_hot(answer, 3).movedim(-1, 1).float()
    scores = task.scores(task.tally(chances, target))
    assert scores["precision WiFi"] == pytest.approx(1 / 4)
    assert scores["recall WiFi"] == pytest.approx(1 / 2)
    assert scores["precision noise"] == pytest.approx(35 / 36)
    assert not {"precision BLE", "recall BLE"} & scores.keys()
    assert scores["IoU WiFi"] == pytest.approx(1 / 5)
