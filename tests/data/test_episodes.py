"""Episodes are N-way K-shot, never share a group, and refuse when that is impossible."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groundwave.data.episodes import episodes
from groundwave.errors import SplitError
from groundwave.rng import generator


def world(classes: int, groups_per_class: int, records: int) -> tuple[torch.Tensor, torch.Tensor]:
    groups = torch.arange(classes * groups_per_class).repeat_interleave(records)
    return groups // groups_per_class, groups


@settings(deadline=None, max_examples=30)
@given(
    classes=st.integers(2, 5),
    per_class=st.integers(2, 5),
    shots=st.integers(1, 3),
    queries=st.none() | st.integers(1, 3),
    seed=st.integers(0, 999),
)
def test_episodes_are_honest(classes: int, per_class: int, shots: int, queries: int | None, seed: int) -> None:
    labels, groups = world(classes, per_class, 4)
    for support, query in episodes(
        labels, groups, num_shots=shots, num_queries=queries, num_ways=2, num_episodes=3, generator=generator(seed)
    ):
        ways = labels[support].unique()
        assert len(ways) == 2
        torch.testing.assert_close(labels[support].bincount()[ways], torch.tensor([shots, shots]))
        torch.testing.assert_close(labels[query].unique(), ways)
        assert not torch.isin(groups[query], groups[support]).any()
        assert len(support.unique()) == len(support)
        assert len(query.unique()) == len(query)
        if queries:
            torch.testing.assert_close(labels[query].bincount()[ways], torch.tensor([queries, queries]))


def test_groups_that_hold_several_classes_stay_on_one_side() -> None:
    groups = torch.arange(6).repeat_interleave(10)  # six rooms with every activity in each
    labels = torch.arange(60) % 5
    for support, query in episodes(labels, groups, num_shots=2, num_episodes=20, generator=generator(0)):
        assert not torch.isin(groups[query], groups[support]).any()


def test_without_groups_only_records_differ() -> None:
    labels, _ = world(2, 1, 4)
    for support, query in episodes(labels, None, num_shots=1, num_episodes=5, generator=generator(0)):
        torch.testing.assert_close(torch.cat([support, query]).sort().values, torch.arange(8))


def test_pools_are_respected() -> None:
    labels, groups = world(3, 4, 5)
    lend = (groups % 4 < 2).nonzero().squeeze(1)
    ask = (groups % 4 >= 2).nonzero().squeeze(1)
    drawn = list(
        episodes(
            labels, groups, num_shots=10, num_episodes=2, support_pool=lend, query_pool=ask, generator=generator(0)
        )
    )
    for support, query in drawn:
        torch.testing.assert_close(support.sort().values, lend)
        torch.testing.assert_close(query.sort().values, ask)


def test_the_same_generator_draws_the_same() -> None:
    labels, groups = world(3, 4, 5)
    first, second, other = (
        [torch.cat(e) for e in episodes(labels, groups, num_shots=1, num_episodes=3, generator=generator(seed))]
        for seed in (1, 1, 2)
    )
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b)
    assert any(len(a) != len(b) or bool((a != b).any()) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    ("per_class", "options", "message"),
    [
        (1, {"num_shots": 1}, "no group is shared"),
        (2, {"num_shots": 5}, "class 0 with 4 support"),
        (2, {"num_shots": 1, "num_queries": 5}, "and 4 query records"),
        (2, {"num_shots": 1, "num_ways": 4}, "3 classes for 4-way"),
        (2, {"num_shots": 1, "classes": [1]}, "1 classes for 1-way"),
    ],
)
def test_the_impossible_is_refused(per_class: int, options: dict[str, int], message: str) -> None:
    labels, groups = world(3, per_class, 4)
    with pytest.raises(SplitError, match=message):
        list(episodes(labels, groups, num_episodes=1, generator=generator(0), **options))


@pytest.mark.parametrize("wrong", [{"num_shots": 0}, {"num_shots": -2}, {"num_episodes": 0}])
def test_no_shots_and_no_episodes_are_refused(wrong: dict[str, int]) -> None:
    labels, groups = world(2, 2, 2)
    with pytest.raises(SplitError, match="at least 1"):
        list(episodes(labels, groups, **{"num_shots": 1, "num_episodes": 1, **wrong}, generator=generator(0)))


def test_unknown_groups_are_refused() -> None:
    labels, groups = world(2, 2, 2)
    with pytest.raises(SplitError, match="unknown group"):
        list(episodes(labels, groups - 1, num_shots=1, num_episodes=1, generator=generator(0)))
