"""Learners of shares against closed forms."""

import math

import torch

from groundwave.adapt.shares import SharesForest, SharesMLP, power_shares


def test_targets_are_the_strongest_and_the_powers() -> None:
    power_db = torch.tensor([[0.0, math.log(2.0), -50.0]])
    expected = torch.tensor([[0.3 / 3, 0.7 + 0.3 * 2 / 3, 0.0]])
    torch.testing.assert_close(power_shares(power_db), expected, atol=1e-6, rtol=0)


def test_both_learn_shares_and_not_only_the_first() -> None:
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(400, 2, generator=draw)
    p = torch.sigmoid(3 * features[:, :1])
    record = {"features": features, "target": torch.cat([0.8 * p, 1 - p, 0.2 * p], dim=1)}
    for learner in (SharesMLP(300, noise=0.0), SharesForest(30)):
        answer = learner.fit(record).predict(record)
        assert (answer - record["target"]).abs().mean() < 0.04
        torch.testing.assert_close(answer.sum(1), torch.ones(400), atol=1e-4, rtol=0)


def test_a_start_is_gone_on_from_and_the_same_seed_is_the_same() -> None:
    draw = torch.Generator().manual_seed(0)
    record = {"features": torch.randn(50, 3, generator=draw), "target": torch.eye(5).repeat(10, 1)}
    first = SharesMLP(20, seed=1).fit(record)
    torch.testing.assert_close(SharesMLP(20, seed=1).fit(record).predict(record), first.predict(record))
    gone_on = SharesMLP(1, lr=1e-9, seed=2, start=first).fit(record)
    torch.testing.assert_close(gone_on.predict(record), first.predict(record), atol=1e-4, rtol=0)
