"""Learners of shares against closed forms."""

import math

import torch

from groundwave.adapt.shares import SharesForest, SharesMLP, SitesMLP, power_shares
from groundwave.contracts import Record


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


def test_the_same_seed_is_the_same() -> None:
    draw = torch.Generator().manual_seed(0)
    record = {"features": torch.randn(50, 3, generator=draw), "target": torch.eye(5).repeat(10, 1)}
    torch.testing.assert_close(
        SharesMLP(20, seed=1).fit(record).predict(record), SharesMLP(20, seed=1).fit(record).predict(record)
    )


def sites(numbers: range, home: int, num: int = 60) -> Record:
    """Records whose class is the nearest of four on a circle, which each site turns by a step of its own."""
    draw = torch.Generator().manual_seed(home + 10 * len(numbers))
    site = torch.tensor(list(numbers)).repeat_interleave(num)
    angle = 2 * math.pi * torch.rand(len(site), generator=draw)
    label = ((4 * (angle / (2 * math.pi)) + site) % 4).long()
    return {
        "features": torch.stack([angle.cos(), angle.sin()], 1),
        "target": torch.eye(4)[label],
        "label": label,
        "site": site,
        "home": site == home,
    }


def test_a_site_that_is_new_needs_few_labels_for_its_code_and_changes_nothing_else() -> None:
    known, asked = sites(range(0, 3), 3), sites(range(1, 2), 1)
    few = {name: values[:12] for name, values in sites(range(1, 2), 1, 100).items()}
    asked, few = ({**record, "site": torch.full_like(record["site"], 3)} for record in (asked, few))

    def right(learner: SitesMLP) -> float:
        return float((learner.predict(asked).argmax(1) == asked["label"]).double().mean())

    far = SitesMLP(300).fit(known)
    near = SitesMLP(300).fit(
        {name: torch.cat([known[name], few[name]]) for name in known}
        | {"home": torch.cat([known["home"], few["home"]])}
    )
    assert right(far) < 0.6  # the sites disagree, and it has no code
    assert right(near) > 0.85
    for one, other in zip(far.network.parameters(), near.network.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(far.codes, near.codes[:3])


def test_with_many_labels_of_home_all_is_learned_at_once() -> None:
    record = sites(range(0, 3), 2)
    told = SitesMLP(300, few=10).fit(record)
    assert float((told.predict(record).argmax(1) == record["label"]).double().mean()) > 0.9
    assert float(told.codes.norm(dim=1).min()) > 0.1
