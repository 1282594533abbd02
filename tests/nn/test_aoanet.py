"""The reference network for directions: as large as its source says, and a head whose answers are angles."""

import math

import torch

from groundwave.nn import BACKBONES, HEADS
from groundwave.nn.heads import answer


def test_it_is_as_large_as_the_source_s_network() -> None:
    network = BACKBONES["aoanet"]()
    head = HEADS["direction"](network.num_features)
    weights = sum(p.numel() for p in (*network.parameters(), *head.parameters()))
    assert abs(weights / 548_482 - 1) < 1e-3


def test_a_direction_points_where_its_vector_points() -> None:
    head = HEADS["direction"](3)
    with torch.no_grad():
        head.weight.copy_(torch.eye(3))
        head.bias.zero_()
    vectors = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.5, 0.0], [1.0, 1.0, math.sqrt(2)], [-1.0, -1e-3, -1.0]])
    wanted = torch.tensor([[0.0, 0.0], [math.pi / 2, 0.0], [math.pi / 4, math.pi / 4], [-math.pi, -math.pi / 4]])
    torch.testing.assert_close(head(vectors), wanted, atol=2e-3, rtol=0)
    torch.testing.assert_close(answer(head, wanted), wanted, rtol=0, atol=0)


def test_directions_are_those_of_two_arctangents() -> None:
    head = HEADS["direction"](3)
    with torch.no_grad():
        head.weight.copy_(torch.eye(3))
        head.bias.zero_()
    vectors = torch.randn(2000, 3, generator=torch.Generator().manual_seed(0))
    x, y, z = vectors.unbind(-1)
    wanted = torch.stack((torch.atan2(y, x), torch.atan2(z, torch.hypot(x, y))), -1)
    torch.testing.assert_close(head(vectors), wanted, atol=1e-3, rtol=0)


def test_it_starts_straight_ahead_and_learns_everywhere() -> None:
    head = HEADS["direction"](4)
    features = torch.zeros(2, 4, requires_grad=True)
    torch.testing.assert_close(head(features), torch.zeros(2, 2), atol=1e-5, rtol=0)
    head(features).sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_class_scores_become_probabilities() -> None:
    scores = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(answer(HEADS["linear"](4, 3), scores), scores.softmax(-1))
