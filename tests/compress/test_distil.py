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


def test_the_teacher_also_answers_mixtures_of_two_records() -> None:
    torch.manual_seed(0)
    student, teacher, asked = nn.Linear(4, 3), nn.Linear(4, 3), []
    teacher.register_forward_hook(lambda _, given, __: asked.append(given[0]))
    x, label = torch.randn(6, 4), torch.arange(6) % 3
    found = Distillation(student, lambda record: record["x"], teacher, mixed=True)(
        {"x": x, "label": label}, generator(0)
    )
    records, mixtures = asked[0].split(6)
    torch.testing.assert_close(records, x)
    one, other = (mixtures - x.roll(1, 0)), (x - x.roll(1, 0))
    share = one / other
    torch.testing.assert_close(share, share[:, :1].expand(6, 4), atol=1e-3, rtol=1e-3)  # the same for all of a record
    assert bool(((share > 0) & (share < 1)).all())
    assert share[:, 0].std() > 0.1
    with torch.no_grad():
        both = student(asked[0]).tolist(), teacher(asked[0]).tolist(), [0] * 12
        hard = by_hand(student(x).tolist(), teacher(x).tolist(), label.tolist(), 0.0, 2.0)
    assert float(found["loss"].detach()) == pytest.approx(0.5 * hard + 0.5 * by_hand(*both, 1.0, 2.0), rel=1e-5)


def test_batch_norms_remember_records_alone() -> None:
    torch.manual_seed(0)
    x, label = torch.randn(6, 4), torch.arange(6) % 3
    remembered = []
    for mixed in (False, True):
        norm = nn.BatchNorm1d(4)
        student = nn.Sequential(norm, nn.Linear(4, 3))
        made = Distillation(student, lambda record: record["x"], nn.Linear(4, 3), mixed=mixed)
        made({"x": x, "label": label}, generator(0))
        remembered.append(norm.running_mean)
        assert norm.momentum == 0.1
    torch.testing.assert_close(*remembered)


def test_the_teacher_stays_as_it_is_and_is_not_saved() -> None:
    student = Scored(nn.Linear(4, 5), nn.Linear(5, 3))
    made = Distillation(student, lambda record: record["x"], nn.Linear(4, 3))
    made({"x": torch.ones(2, 4), "label": torch.tensor([0, 1])}, generator(0))["loss"].backward()
    assert all(p.grad is not None for p in made.parameters())
    assert all(name.startswith("student.") for name in made.state_dict())


def test_weights_outside_are_refused() -> None:
    with pytest.raises(GroundwaveError, match="0 to 1, and above 0"):
        Distillation(nn.Linear(1, 2), lambda record: record["x"], nn.Linear(1, 2), weight=1.5)
