"""ProtoNet against its paper's sums in plain loops, and the episodes that it is trained on."""

import math

import pytest
import torch
from torch import Tensor, nn

from groundwave.errors import DataError
from groundwave.pretrain.episode import draw_episode
from groundwave.pretrain.protonet import ProtoNet
from groundwave.rng import generator

NUM_WAYS, NUM_SHOTS, NUM_QUERIES = 3, 2, 4


class Flat(nn.Module):
    """A backbone that passes the samples on."""

    num_features = 6

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def batch() -> dict[str, Tensor]:
    iq = torch.randn(40, 3, dtype=torch.complex64, generator=generator(0, "batch"))
    return {"iq": iq, "label": torch.arange(40) % 4}


def slow_loss(seen: Tensor, rows: list[list[int]], power: int = 2) -> tuple[float, float]:
    """Snell et al. (2017), Algorithm 1: the loss and the share of queries nearest to their own class."""
    vectors = [torch.view_as_real(x).T.flatten().tolist() for x in seen]
    prototypes = [[sum(xs) / NUM_SHOTS for xs in zip(*(vectors[i] for i in c[:NUM_SHOTS]), strict=True)] for c in rows]
    total, right, count = 0.0, 0, 0
    for own, members in enumerate(rows):
        for i in members[NUM_SHOTS:]:
            distance = [
                sum((a - b) ** 2 for a, b in zip(vectors[i], p, strict=True)) ** (power / 2) for p in prototypes
            ]
            total += distance[own] + math.log(sum(math.exp(-d) for d in distance))
            right += distance[own] == min(distance)
            count += 1
    return total / count, right / count


def test_the_loss_and_accuracy_match_the_slow_twin() -> None:
    objective = ProtoNet(Flat(), views=[], num_ways=NUM_WAYS, num_shots=NUM_SHOTS, num_queries=NUM_QUERIES)
    record = batch()
    for seed in range(3):
        rows = draw_episode(record["label"], NUM_WAYS, NUM_SHOTS, NUM_QUERIES, generator=generator(seed)).tolist()
        found = objective(record, generator(seed))
        loss, accuracy = slow_loss(record["iq"], rows)
        torch.testing.assert_close(found["loss"], torch.tensor(loss))
        torch.testing.assert_close(found["accuracy"], torch.tensor(accuracy))
        with pytest.raises(AssertionError):  # distances that are not squared: a mistake that the oracle must catch
            torch.testing.assert_close(found["loss"], torch.tensor(slow_loss(record["iq"], rows, power=1)[0]))


def test_an_episode_is_of_distinct_records_one_class_a_row_and_all_classes_come_up() -> None:
    label, seen = batch()["label"], set()
    for seed in range(20):
        rows = draw_episode(label, NUM_WAYS, NUM_SHOTS, NUM_QUERIES, generator=generator(seed))
        assert rows.shape == (NUM_WAYS, NUM_SHOTS + NUM_QUERIES)
        assert len(rows.unique()) == rows.numel()
        classes = label[rows]
        assert (classes == classes[:, :1]).all()
        assert len(classes[:, 0].unique()) == NUM_WAYS
        seen.update(classes[:, 0].tolist())
    assert seen == {0, 1, 2, 3}


def test_classes_with_too_few_records_are_not_drawn_and_too_few_classes_are_told() -> None:
    label = torch.tensor([0] * 6 + [1] * 6 + [2] * 5)
    for seed in range(10):
        assert set(label[draw_episode(label, 2, 2, 4, generator=generator(seed))].flatten().tolist()) == {0, 1}
    with pytest.raises(DataError, match=r"2 classes have 6 records, for 3-way .* raise the batch size"):
        draw_episode(label, 3, 2, 4, generator=generator(0))
    with pytest.raises(DataError, match="two ways or more"):
        draw_episode(label, 1, 2, 4, generator=generator(0))
