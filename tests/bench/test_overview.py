"""The page of everything: no number is averaged over data sets, metrics or numbers of labels, and none is rescaled."""

import pytest

from groundwave.bench.overview import figures, tables
from groundwave.bench.rows import Row


def row(method: str, metric: str, value: float | None, data: str = "d", **place: object) -> Row:
    why = "no memory" if value is None else None
    fields = {"data": data, "metric": metric, "value": value, "failed": why, "hardware": "test", **place}
    return Row(protocol="p", method=method, n=1, **fields)  # type: ignore[arg-type]


def test_each_metric_is_a_column_in_its_own_unit() -> None:
    rows = [row("a", "ms", 0.25 + 0.01 * seed, seed=seed) for seed in range(3)] + [row("a", "parameters", 1_199_240)]
    (table,) = tables([*rows, row("b", "ms", None)])
    assert table.header == ["method", "ms", "parameters"]
    assert table.body == [["a", "0.260 ± 0.025", "1,199,240 (1)"], ["b", "failed: no memory", ""]]


def test_data_sets_and_labels_are_apart_and_curves_of_training_are_left_out() -> None:
    places = [("same", 1), ("same", None), ("other", 5)]
    rows = [row("a", "accuracy", 0.1 * i, data, shots=shots) for i, (data, shots) in enumerate(places, start=1)]
    found = list(tables([*rows, row("a", "validation accuracy", 0.9, "same", shots=1)]))
    assert [table.body for table in found] == [[["a", "0.100"]], [["a", "0.200"]], [["a", "0.300"]]]
    assert [table.caption.split(":")[0] for table in found] == ["same, 1 label", "same", "other, 5 labels"]


def test_each_metric_over_the_snr_has_a_table_and_a_share_a_picture() -> None:
    rows = [row("a", "found", 0.5, snr_db=snr) for snr in (10.0, -10.0)]
    rows += [row("a", "error (deg)", 30.0, snr_db=snr) for snr in (10.0, -10.0)] + [row("a", "found", 0.7)]
    overall, *at_snrs = tables(rows)
    assert overall.body == [["a", "0.700"]]
    assert [table.header for table in at_snrs] == 2 * [["method", "-10 dB", "10 dB"]]
    assert [caption for caption, _ in figures(rows)] == ["found, d"]


@pytest.mark.parametrize(("value", "text"), [(0.0, "0.00"), (-2.345, "-2.35"), (84.61, "84.6"), (2198.361, "2,198")])
def test_a_number_has_three_digits_or_all_before_the_point(value: float, text: str) -> None:
    (table,) = tables([row("a", "x", value)])
    assert table.body == [["a", text]]
