"""Distillation against its formula, written out."""

import math

import pytest
import torch
from torch import nn

from groundwave.compress.distil import Distillation, Scored
from groundwave.errors import GroundwaveError
from groundwave.rng import generator


def by_hand(said: list[list[float]], taught: list[list[float]], labels: list[int], weight: float, soft: float) -> float:
    total = 0.0
    for row, teacher, label in zip(said, taught, labels, strict=True):
        hard = -row[label] + math.log(sum(map(math.exp, row)))
        q = [math.exp(v / soft) for v in row]
        p = [math.exp(v / soft) for v in teacher]
        p, q = [v / sum(p) for v in p], [v / sum(q) for v in q]
        kl = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        total += (1 - weight) * hard + weight * soft**2 * kl
    return total / len(said)


@pytest.mark.parametrize(("weight", "soft"), [(0.0, 2.0), (0.5, 2.0), (1.0, 4.0)])
def test_it_is_hinton_s_loss(weight: float, soft: float) -> None:
    torch.manual_seed(0)
    student, teacher = nn.Linear(4, 3), nn.Linear(4, 3)
    x, label = torch.randn(6, 4), torch.arange(6) % 3
    made = Distillation(student, lambda record: record["x"], teacher, weight, soft)
    found = made({"x": x, "label": label}, generator(0))["loss"]
    with torch.no_grad():
        given = student(x).tolist(), teacher(x).tolist(), label.tolist()
    assert float(found.detach()) == pytest.approx(by_hand(*given, weight, soft), rel=1e-5)
    if weight:
        assert float(found.detach()) != pytest.approx(by_hand(given[1], given[0], given[2], weight, soft), rel=1e-3)


def test_the_teacher_stays_as_it_is_and_is_not_saved() -> None:
    student = Scored(nn.Linear(4, 5), nn.Linear(5, 3))
    made = Distillation(student, lambda record: record["x"], nn.Linear(4, 3))
    made({"x": torch.ones(2, 4), "label": torch.tensor([0, 1])}, generator(0))["loss"].backward()
    assert all(p.grad is not None for p in made.parameters())
    assert all(name.startswith("student.") for name in made.state_dict())


def test_weights_outside_are_refused() -> None:
    with pytest.raises(GroundwaveError, match="0 to 1, and above 0"):
        Distillation(nn.Linear(1, 2), lambda record: record["x"], nn.Linear(1, 2), weight=1.5)
