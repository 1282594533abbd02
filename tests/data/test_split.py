"""Splits keep groups whole, depend on names alone, and refuse what they cannot honour."""

from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groundwave.data.split import split, split_hash
from groundwave.errors import SplitError


@dataclass
class Grouped:
    groups: torch.Tensor
    labels: torch.Tensor
    group_names: list[str]
    classes: list[str] = field(default_factory=lambda: ["a", "b", "c"])


def grouped(per_class: list[int], records: int = 4, seed: int = 0) -> Grouped:
    """`per_class[c]` groups of class c, `records` records each, in random order."""
    names = [f"{c}-{g}" for c, count in enumerate(per_class) for g in range(count)]
    of_class = torch.tensor([c for c, count in enumerate(per_class) for _ in range(count)])
    stream = torch.Generator().manual_seed(seed)
    groups = torch.arange(len(names)).repeat(records)[torch.randperm(len(names) * records, generator=stream)]
    return Grouped(groups, of_class[groups], names)


def names_of(source: Grouped, rows: torch.Tensor) -> set[str]:
    return {source.group_names[g] for g in source.groups[rows].tolist()}


@settings(deadline=None, max_examples=40)
@given(per_class=st.lists(st.integers(3, 9), min_size=1, max_size=3), seed=st.integers(0, 999), stratify=st.booleans())
def test_no_group_is_torn_and_nothing_is_lost(per_class: list[int], seed: int, stratify: bool) -> None:
    source = grouped(per_class, seed=seed)
    parts = split(source, {"train": 0.6, "val": 0.2, "test": 0.2}, seed=seed, stratify=stratify)
    owners = [names_of(source, rows) for rows in parts.values()]
    assert sum(map(len, owners)) == len(set.union(*owners)) == len(source.group_names)
    torch.testing.assert_close(torch.cat(list(parts.values())).sort().values, torch.arange(len(source.groups)))
    if stratify:
        for rows in parts.values():
            assert source.labels[rows].unique().tolist() == list(range(len(per_class)))


def test_only_names_and_seed_matter() -> None:
    source = grouped([6, 6], seed=0)
    other = grouped([6, 6], records=2, seed=9)
    recoded = torch.randperm(12, generator=torch.Generator().manual_seed(5))
    other.group_names = [source.group_names[int((recoded == g).nonzero())] for g in range(12)]
    other.groups = recoded[other.groups]
    first, second = (split(s, {"train": 0.5, "test": 0.5}, seed=3) for s in (source, other))
    assert names_of(source, first["train"]) == names_of(other, second["train"])
    third = split(source, {"train": 0.5, "test": 0.5}, seed=4)
    assert names_of(source, first["train"]) != names_of(source, third["train"])


@pytest.mark.parametrize(("fractions", "counts"), [({"a": 0.5, "b": 0.5}, [5, 5]), ({"a": 0.9, "b": 0.05}, [9, 1])])
def test_fractions_count_groups(fractions: dict[str, float], counts: list[int]) -> None:
    source = grouped([10])
    parts = split(source, fractions, seed=0)
    assert [len(names_of(source, rows)) for rows in parts.values()] == counts


def test_a_rest_is_left_out() -> None:
    parts = split(grouped([10]), {"a": 0.3, "b": 0.2}, seed=0)
    assert [len(rows) for rows in parts.values()] == [12, 8]


def test_only_chosen_records_are_dealt() -> None:
    source = grouped([4, 4])
    chosen = (source.labels == 1).nonzero().squeeze(1)
    parts = split(source, {"a": 0.5, "b": 0.5}, seed=0, indices=chosen)
    torch.testing.assert_close(torch.cat(list(parts.values())).sort().values, chosen)


@pytest.mark.parametrize(
    ("source", "fractions", "stratify", "message"),
    [
        (grouped([2]), {"a": 0.4, "b": 0.3, "c": 0.3}, False, "2 groups of the data for 3 parts"),
        (grouped([5, 1]), {"a": 0.5, "b": 0.5}, True, "1 group of class 'b' for 2 parts"),
        (grouped([5]), {"a": 0.9, "b": 0.2}, False, "sum 1.1"),
        (grouped([5]), {"a": 1.0, "b": 0.0}, False, "positive fractions"),
        (grouped([5]), {}, False, "positive fractions"),
        (Grouped(torch.tensor([0, -1]), torch.tensor([0, 0]), ["x"]), {"a": 1.0}, False, "unknown group"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    source: Grouped, fractions: dict[str, float], stratify: bool, message: str
) -> None:
    with pytest.raises(SplitError, match=message):
        split(source, fractions, seed=0, stratify=stratify)


def test_the_hash_names_the_split() -> None:
    rows = {"train": torch.tensor([0, 1]), "test": torch.tensor([2])}
    assert split_hash(rows) == split_hash(dict(reversed(rows.items()))) == "0fd240040ccb"
    assert split_hash({"train": torch.tensor([0]), "test": torch.tensor([1, 2])}) != split_hash(rows)
    assert split_hash({"train": torch.tensor([0, 1]), "other": torch.tensor([2])}) != split_hash(rows)
