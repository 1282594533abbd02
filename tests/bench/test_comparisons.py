"""Comparisons: the first time at a level, shares of a reference's seconds, differences over pairs of one seed."""

import pytest

from groundwave.bench.comparisons import decibel_table, difference, points, seconds_to, time_table, verdict, weakest
from groundwave.bench.rows import Row
from groundwave.metrics import interval


def row(method: str, metric: str, value: float, **place: object) -> Row:
    return Row(protocol="p", method=method, data="d", metric=metric, value=value, n=1, hardware="test", **place)  # type: ignore[arg-type]


def test_the_first_time_at_a_level_counts() -> None:
    curve = [(1.0, 0.2), (2.0, 0.5), (3.0, 0.4), (4.0, 0.6)]
    assert [seconds_to(curve, level) for level in (0.1, 0.5, 0.6, 0.7)] == [1.0, 2.0, 4.0, None]


def test_levels_are_those_of_each_seed() -> None:
    rows = []
    for seed, level in ((0, 0.5), (1, 0.9)):
        rows += [row("slow", "validation x", level, seed=seed, seconds=10.0, episode=1)]
        rows += [row("quick", "validation x", 0.6, seed=seed, seconds=1.0, episode=1)]
    table = time_table(rows, "x", "slow")
    assert table is not None
    assert table.body == [["slow", "10 s, 100.0 %"], ["quick", "1 s, 10.0 %; never in 1 of 2"]]
    assert time_table(rows, "x", "other") is None


def test_differences_are_over_seeds_that_both_have() -> None:
    rows = [row("a", "x", 0.5 + 0.1 * seed, seed=seed) for seed in (0, 1, 2)]
    rows += [row("b", "x", 0.4 + 0.1 * seed, seed=seed) for seed in (0, 1)]
    found = difference(rows, "x", "a", "b")
    assert found is not None
    assert (found.n, points(found)) == (2, "10.0 ± 0.0")
    assert difference(rows, "x", "a", "c") is None
    assert points(None) == ""


def test_the_lowest_error_and_all_that_overlap_it_are_marked() -> None:
    rows = [row("a", "m", 2.0 + 0.5 * seed, seed=seed) for seed in (0, 1, 2)]
    rows += [row("b", "m", 2.2 + 0.5 * seed, seed=seed) for seed in (0, 1, 2)]
    rows += [row("c", "m", 90.0 + 0.5 * seed, seed=seed) for seed in (0, 1, 2)]
    table = decibel_table(rows, {"hidden": "m", "nothing": "n"}, "errors")
    assert table.best == {(0, 1), (1, 1)}
    assert [line[2] for line in table.body] == ["", "", ""]
    assert table.caption.startswith("errors; bold: the lowest mean of a column")


@pytest.mark.parametrize(
    ("values", "bound", "at_most", "told"),
    [
        ([0.80, 0.81, 0.82], 0.75, False, "✓"),
        ([0.70, 0.80, 0.90], 0.75, False, "✓ on average"),  # some seeds of many would miss it
        ([0.70, 0.72, 0.74], 0.75, False, "✗"),
        ([0.80], 0.75, False, "✓ in one run"),
        ([0.70], 0.75, False, "✗"),
        ([0.10, 0.10], 0.10, True, "✓"),
        ([0.02, 0.10], 0.10, True, "✓ on average"),
        ([0.20, 0.21], 0.10, True, "✗"),
        ([1 - 0.9, 1 - 0.9], 0.1, False, "✓"),  # a rounding below
    ],
)
def test_an_aim_is_met_by_the_worse_end_of_the_interval(
    values: list[float], bound: float, at_most: bool, told: str
) -> None:
    assert verdict(interval(values), bound, at_most=at_most) == told


def test_several_parts_are_met_as_far_as_the_worst_of_them() -> None:
    assert weakest(["✓", "✓ on average"]) == "✓ on average"
    assert weakest(["✓ in one run", "✗", "✓"]) == "✗"
