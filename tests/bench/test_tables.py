"""Tables are made from rows."""

from dataclasses import replace

import pytest

from groundwave.bench.rows import Row
from groundwave.bench.tables import markdown, summarise, tabulate
from groundwave.errors import DataError
from groundwave.page import Table, html

ROW = Row(protocol="p", method="a", data="d", metric="accuracy", value=0.5, n=10, shots=5, hardware="test")


def rows() -> list[Row]:
    values = {"ours": (0.80, 0.82, 0.84), "close": (0.70, 0.80, 0.90), "far": (0.40, 0.42, 0.44)}
    return [
        replace(ROW, method=method, value=value - 0.1 * (shots == 1), episode=i, shots=shots)
        for shots in (5, 1)
        for method, some in values.items()
        for i, value in enumerate(some)
    ]


def test_table_has_a_line_per_method_and_a_column_per_shots_in_order() -> None:
    table = tabulate(rows())
    assert table.header == ["method", "1 shot", "5 shots"]
    assert [line[0] for line in table.body] == ["ours", "close", "far"]
    assert table.body[0][2] == "82.0 ± 5.0"
    told = "bold: the best mean of a column, and all whose intervals overlap with its own"
    assert table.caption == (
        f"accuracy in %, mean ± half of the 95 % interval, on d; {told}; 3 episodes behind each cell."
    )


def test_best_cells_are_those_whose_interval_reaches_the_best() -> None:
    assert tabulate(rows()).best == {(0, 1), (1, 1), (0, 2), (1, 2)}
    assert not summarise(rows(), {"all": lambda row: True}, "accuracy", bold=False).best


def test_bold_that_leaves_nobody_out_or_takes_chance_in_is_left_out() -> None:
    table = tabulate(rows(), methods=["ours", "close"])
    assert (table.best, "bold" in table.caption) == (frozenset(), False)
    guessing = [replace(row, method="chance" if row.method == "close" else row.method) for row in rows()]
    assert not tabulate(guessing).best


def test_failed_missing_and_single_cells_are_shown_as_such() -> None:
    some = [replace(ROW, shots=1), replace(ROW, method="b", value=None, failed="diverged")]
    table = tabulate(some)
    assert table.body == [["a", "50.0", ""], ["b", "", "failed: diverged"]]
    assert not table.best


def test_methods_choose_and_order_the_lines() -> None:
    assert [line[0] for line in tabulate(rows(), methods=["far", "ours"]).body] == ["far", "ours"]


def test_a_cell_on_fewer_seeds_than_others_says_on_how_many() -> None:
    seeds = {"a": range(3), "b": range(2), "c": range(1)}
    some = [replace(ROW, method=method, seed=seed, value=0.5) for method, own in seeds.items() for seed in own]
    table = tabulate([*some, replace(ROW, method="d", value=None, failed="diverged")])
    assert [line[1] for line in table.body] == ["50.0 ± 0.0", "50.0 ± 0.0 (2)", "50.0 (1)", "failed: diverged"]
    assert table.caption.endswith("; 3 seeds behind each cell, or as many as stand in brackets.")
    assert tabulate(some[:3]).caption.endswith("; 3 seeds behind each cell.")
    assert tabulate(some[-1:]).caption.endswith("; 1 seed behind each cell.")


def test_columns_by_snr() -> None:
    some = [replace(ROW, snr_db=snr) for snr in (12.0, -4.0, 0.5)]
    assert tabulate(some, columns="snr_db").header == ["method", "-4 dB", "0.5 dB", "12 dB"]


def test_rows_of_two_protocols_are_not_mixed() -> None:
    with pytest.raises(DataError, match="rows of p, q"):
        tabulate([ROW, replace(ROW, protocol="q")])


def test_markdown_and_html_show_the_same_and_escape_everything() -> None:
    table = Table(["method", "1 shot"], [["a|b <i>", "1 & 2"]], "caption <b>", frozenset({(0, 1)}))
    assert markdown(table) == "| method | 1 shot |\n| --- | ---: |\n| a\\|b <i> | **1 & 2** |\n\ncaption <b>\n"
    page = html(table)
    assert "<strong>1 &amp; 2</strong>" in page
    assert "a|b &lt;i&gt;" in page
    assert "<caption>caption &lt;b&gt;</caption>" in page


def test_a_column_over_several_snrs_averages_each_seed_first_and_leaves_out_who_lacks_one() -> None:
    values = {("ours", 0): (0.9, 0.7), ("ours", 1): (0.8, 0.6), ("less", 0): (0.5, None)}
    some = [
        replace(ROW, method=method, seed=seed, snr_db=snr, value=value)
        for (method, seed), pair in values.items()
        for snr, value in zip((0.0, 10.0), pair, strict=True)
        if value is not None
    ]
    table = summarise(some, {"0 dB": lambda row: row.snr_db == 0, "all": lambda row: True}, "accuracy")
    assert table.header == ["method", "0 dB", "all"]
    assert [line[0] for line in table.body] == ["ours", "less"]
    assert table.body[0][2].startswith("75.0 ± ")  # of 0.8 and 0.7, not of four values
    assert float(table.body[0][2].split("± ")[1]) == pytest.approx(63.5, abs=0.1)
    assert table.body[1] == ["less", "50.0 (1)", ""]
    assert table.caption.endswith("; 2 seeds behind each cell, or as many as stand in brackets.")


def test_a_method_without_any_row_of_the_metric_is_no_line() -> None:
    some = [ROW, replace(ROW, method="b", metric="spread")]
    assert [line[0] for line in summarise(some, {"all": lambda row: True}, "accuracy").body] == ["a"]


def test_a_column_without_any_value_is_no_column() -> None:
    columns = {"5 labels": lambda row: row.shots == 5, "all labels": lambda row: row.shots is None}
    assert summarise([ROW], columns, "accuracy").header == ["method", "5 labels"]
