"""MoCo against Algorithm 1 of its paper in plain loops: the loss, the slow encoder, the queue."""

import math

import pytest
import torch
from torch import Tensor, nn

from groundwave.errors import GroundwaveError
from groundwave.pretrain.moco import MoCo, info_nce
from groundwave.rng import generator
from groundwave.views import Rotate


class Flat(nn.Module):
    """A backbone of one layer without batch norm."""

    num_features = 6

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, self.num_features)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1))


def unit(rows: Tensor) -> list[list[float]]:
    return [[x / math.sqrt(sum(y * y for y in row)) for x in row] for row in rows.tolist()]


def slow_loss(query: list[list[float]], key: list[list[float]], queue: list[list[float]], temperature: float) -> float:
    """He et al. (2020), equation 1, one query at a time."""

    def score(a: list[float], b: list[float]) -> float:
        return math.exp(sum(x * y for x, y in zip(a, b, strict=True)) / temperature)

    total = 0.0
    for q, k in zip(query, key, strict=True):
        own = score(q, k)
        total -= math.log(own / (own + sum(score(q, n) for n in queue)))
    return total / len(query)


def build(queue_size: int = 10, momentum: float = 0.9) -> MoCo:
    torch.manual_seed(0)
    return MoCo(Flat(), views=[Rotate()], projection=5, queue_size=queue_size, momentum=momentum)


def batch(step: int, size: int = 4) -> dict[str, Tensor]:
    return {"iq": torch.randn(size, 4, dtype=torch.complex64, generator=generator(step, "batch"))}


def test_three_steps_match_the_slow_twin() -> None:
    objective = build()
    queue = objective.queue.tolist()
    slow = {name: value.clone() for name, value in objective.key_encoder.named_parameters()}
    optimizer = torch.optim.SGD([p for p in objective.parameters() if p.requires_grad], lr=0.5)
    for step in range(3):
        fast = [p.detach().clone() for p in (*objective.backbone.parameters(), *objective.project.parameters())]
        for value, followed in zip(slow.values(), fast, strict=True):
            value.copy_(0.9 * value + 0.1 * followed)
        loss = objective(batch(step), generator(step))["loss"]
        for name, value in objective.key_encoder.named_parameters():
            torch.testing.assert_close(value, slow[name])
        with torch.no_grad():
            first, second = objective.look_twice(batch(step), generator(step))
            query = unit(objective.project(objective.backbone(first)))
            key = unit(objective.key_encoder(second))
        torch.testing.assert_close(loss.detach(), torch.tensor(slow_loss(query, key, queue, 0.2)))
        with pytest.raises(AssertionError):  # the batch's own keys as further negatives: a mistake to be caught
            torch.testing.assert_close(loss.detach(), torch.tensor(slow_loss(query, key, [*queue, *key], 0.2)))
        for i, row in enumerate(key):
            queue[(4 * step + i) % 10] = row
        torch.testing.assert_close(objective.queue, torch.tensor(queue))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_no_gradient_reaches_the_key_encoder_and_evaluation_moves_nothing() -> None:
    objective = build()
    objective(batch(0), generator(0))["loss"].backward()
    assert all(p.grad is None for p in objective.key_encoder.parameters())
    before = {name: value.clone() for name, value in objective.state_dict().items()}
    objective.eval()(batch(1), generator(1))
    torch.testing.assert_close(dict(objective.state_dict()), before, rtol=0, atol=0)


def test_of_a_batch_larger_than_the_queue_the_last_keys_stay() -> None:
    objective = build(queue_size=3)
    key = torch.arange(25.0).reshape(5, 5)
    objective.enqueue(key, None)
    torch.testing.assert_close(objective.queue[[2, 0, 1]], key[-3:])
    assert int(objective.oldest) == 2


def test_keys_of_a_querys_own_recording_are_no_negatives() -> None:
    objective = build(queue_size=4)
    group = torch.tensor([0, 0, 1, -1])
    record = {**batch(0), "group": group, "partner_iq": batch(1)["iq"]}
    objective(record, generator(0))
    assert objective.queue_group.tolist() == group.tolist()
    objective.eval()
    first, second = objective.look_twice(record, generator(2))
    query = unit(objective.project(objective.backbone(first)))
    key = unit(objective.key_encoder(second))
    queue = objective.queue.tolist()
    total = 0.0
    for i, own in enumerate(group.tolist()):
        others = [row for row, other in zip(queue, group.tolist(), strict=True) if own < 0 or other != own]
        total += slow_loss(query[i : i + 1], key[i : i + 1], others, 0.2) / 4
    found = objective(record, generator(2))["loss"].detach()
    torch.testing.assert_close(found, torch.tensor(total))


def test_equal_vectors_give_the_closed_form() -> None:
    row = torch.nn.functional.normalize(torch.ones(1, 5), dim=-1)
    torch.testing.assert_close(
        info_nce(row.expand(3, -1), row.expand(3, -1), row.expand(9, -1), 0.2), torch.tensor(math.log(10))
    )


@pytest.mark.parametrize("momentum", [-0.1, 1.0])
def test_a_momentum_that_never_follows_or_runs_ahead_is_refused(momentum: float) -> None:
    with pytest.raises(GroundwaveError, match="change momentum"):
        build(momentum=momentum)
