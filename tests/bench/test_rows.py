"""Rows: what was measured survives interruptions, and intervals treat only independent values as such."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from groundwave.bench.rows import Row, aggregate, append, done, hash_config, latest, read
from groundwave.errors import DataError
from groundwave.metrics import interval

ROW = Row(protocol="p", method="a", data="d", metric="accuracy", value=0.5, n=10, shots=5, hardware="test")


def rows(method: str, values: list[float], **fields: object) -> list[Row]:
    return [replace(ROW, method=method, value=value, episode=i, **fields) for i, value in enumerate(values)]


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "results" / "p.jsonl"
    written = [replace(ROW, seed=seed, config={"lr": 1e-3}, snr_db=4.0) for seed in range(3)]
    for row in written:
        append(path, row)
    assert read(path) == written


@pytest.mark.parametrize(("flags", "told"), [({"avx2", "amx_bf16"}, ", AMX"), ({"avx2"}, ", no AMX"), (set(), "")])
def test_a_row_says_whether_its_processor_has_a_matrix_unit(
    flags: set[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groundwave.train.processor_flags", lambda: flags)
    monkeypatch.setattr("groundwave.bench.rows.processor", lambda: "A processor")
    found = Row(protocol="p", method="a", data="d", metric="accuracy", value=0.5, n=10)
    assert re.fullmatch(f"A processor{told}, \\d+ threads?, .+", found.hardware)
    assert found.config_hash == ROW.config_hash


def test_no_file_is_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path / "absent.jsonl") == []


@pytest.mark.parametrize("kept", [1, 20, 100_000])
def test_a_torn_line_is_left_out_and_then_cut_off(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "p.jsonl"
    append(path, ROW)
    with path.open("a") as file:
        file.write(json.dumps({"method": "x" * 200_000})[:kept])
    assert read(path) == [ROW]
    append(path, replace(ROW, seed=1))
    assert read(path) == [ROW, replace(ROW, seed=1)]


@pytest.mark.parametrize("line", ["{", "[]", '{"protocol": "p"}', "nonsense", "\x00"])
def test_a_whole_line_that_is_no_row_is_told_with_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "p.jsonl"
    append(path, ROW)
    with path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(DataError, match="line 2"):
        read(path)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(DataError, match="failed"):
        replace(ROW, value=value)


@pytest.mark.parametrize(("value", "failed"), [(None, None), (0.5, "no memory")])
def test_a_row_has_a_value_or_a_reason(value: float | None, failed: str | None) -> None:
    with pytest.raises(DataError, match="set one of the two"):
        replace(ROW, value=value, failed=failed)


def test_done_leaves_out_what_failed() -> None:
    failed = replace(ROW, seed=1, value=None, failed="no memory")
    assert done([ROW, failed], ("method", "seed")) == {("a", 0)}


def test_a_later_row_of_the_same_cell_replaces_the_earlier() -> None:
    failed = replace(ROW, value=None, failed="no memory")
    rerun, other = replace(ROW, value=0.7, config={"a": 1}, config_hash=""), replace(ROW, episode=1)
    assert latest([ROW, failed, other, rerun]) == [rerun, other]
    assert latest([ROW, failed]) == [failed]


def test_what_is_held_out_parts_cells() -> None:
    first, second = (replace(ROW, config={"held_out": room}, value=0.1) for room in ("room 0", "room 1"))
    assert latest([first, second, first]) == [first, second]


def test_config_hash_is_of_the_settings_not_their_order() -> None:
    assert hash_config({"a": 1, "b": 2}) == hash_config({"b": 2, "a": 1})
    assert hash_config({"a": 1}) != hash_config({"a": 2})
    assert replace(ROW, config={"a": 1}, config_hash="").config_hash == hash_config({"a": 1})


def test_cells_have_students_interval() -> None:
    values = [0.5, 0.6, 0.8]
    (cell,) = aggregate(rows("a", values)).values()
    assert cell.interval == interval(values)
    assert cell.rows == 3


def test_rows_of_one_draw_are_averaged_before_the_interval() -> None:
    """Eight SNRs of one episode are not eight draws: the wrong interval would be much too narrow."""
    draw = np.random.default_rng(0)
    level = draw.uniform(0.3, 0.7, size=6)
    many = [row for snr in range(8) for row in rows("a", (level + 0.01 * snr).tolist(), snr_db=float(snr))]
    (cell,) = aggregate(many, ("method",)).values()
    wrong = interval([row.value for row in many if row.value is not None])
    assert cell.rows == 48
    assert cell.interval is not None
    assert cell.interval.n == 6
    np.testing.assert_allclose(cell.interval.mean, wrong.mean)
    assert cell.interval.high - cell.interval.low > 2 * (wrong.high - wrong.low)


def test_a_failed_cell_tells_why_and_a_partly_failed_one_has_its_values() -> None:
    failure = replace(ROW, value=None, failed="diverged")
    cells = aggregate([failure, *rows("b", [0.5, 0.7]), replace(failure, method="b")], ("method",))
    assert cells["a",].failed == "diverged"
    assert cells["a",].interval is None
    assert cells["b",].rows == 2
    assert cells["b",].interval is not None


def test_several_metrics_need_a_choice() -> None:
    both = [ROW, replace(ROW, metric="loss", value=2.0)]
    with pytest.raises(DataError, match="accuracy, loss"):
        aggregate(both)
    assert len(aggregate(both, metric="loss")) == 1
