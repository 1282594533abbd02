"""CLIP's loss against a loop."""

import math

import torch
from torch import Tensor

from groundwave.pretrain.clip import TEMPERATURE, matching
from groundwave.rng import generator


def slow(a: Tensor, b: Tensor, both_ways: bool = True) -> float:
    """Return the loss pair by pair; one way only is a wrong twin."""

    def picks(x: Tensor, y: Tensor) -> float:
        total = 0.0
        for i in range(len(x)):
            cosines = [float(x[i] @ y[j] / (x[i].norm() * y[j].norm())) / TEMPERATURE for j in range(len(y))]
            total -= cosines[i] - math.log(sum(math.exp(c) for c in cosines))
        return total / len(x)

    return (picks(a, b) + picks(b, a)) / 2 if both_ways else picks(a, b)


def test_the_loss_is_its_loop_and_knows_no_scale() -> None:
    a, b = torch.randn(2, 6, 5, generator=generator(0, "clip"))
    torch.testing.assert_close(float(matching(a, b)), slow(a, b), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(matching(3 * a, b / 7), matching(a, b))
    assert abs(float(matching(a, b)) - slow(a, b, both_ways=False)) > 1e-3


def test_equal_embeddings_cannot_be_told_apart() -> None:
    same = torch.ones(4, 3)
    torch.testing.assert_close(float(matching(same, same)), math.log(4), rtol=1e-6, atol=1e-6)
