"""The README holds exactly what rows give: in its tables, and amid its prose."""

from dataclasses import replace
from pathlib import Path

import pytest

from groundwave.bench.readme import SECTION, VALUE, fill_readme, select
from groundwave.bench.rows import Row, append
from groundwave.bench.tables import markdown, tabulate
from groundwave.errors import DataError

ROW = Row(protocol="p", method="a", data="d", metric="accuracy", value=0.5, n=10, shots=5, hardware="test")
ROOT = Path(__file__).parents[2]


def rows() -> list[Row]:
    values = {"ours": (0.80, 0.82, 0.84), "far": (0.40, 0.42, 0.44)}
    return [
        replace(ROW, method=method, value=value - 0.1 * (shots == 1), episode=i, shots=shots)
        for shots in (5, 1)
        for method, some in values.items()
        for i, value in enumerate(some)
    ]


README = """Before.
<!-- results:p -->
stale
<!-- end -->
Between.
<!-- results:p methods="far; ours" metric=accuracy -->
<!-- end -->
After.
"""


def test_readme_sections_are_filled_and_the_rest_is_untouched(tmp_path: Path) -> None:
    for row in rows():
        append(tmp_path / "p.jsonl", row)
    filled = fill_readme(README, tmp_path)
    assert markdown(tabulate(rows())) in filled
    assert markdown(tabulate(rows(), methods=["far", "ours"])) in filled
    assert "stale" not in filled
    assert SECTION.sub("", filled) == SECTION.sub("", README)
    assert fill_readme(filled, tmp_path) == filled


@pytest.mark.parametrize(
    ("where", "chosen"),
    [
        ("shots=5", {"shots": 5}),
        ("shots=1, episode=2", {"shots": 1, "episode": 2}),
        ("snr_db=none,shots=5", {"shots": 5}),
        ("method=far", {"method": "far"}),
    ],
)
def test_conditions_choose_rows_by_values_of_the_fields_own_type(tmp_path: Path, where: str, chosen: dict) -> None:
    for row in rows():
        append(tmp_path / "p.jsonl", row)
    filled = fill_readme(f'<!-- results:p where="{where}" -->\n<!-- end -->', tmp_path)
    assert markdown(tabulate(select(rows(), **chosen))) in filled


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("results:absent", "no row"),
        ("results:p colour=red", "colour"),
        ("results:p where=shots=7", "no row"),
        ("results:p where=shots=few", "shots=few"),
        ("results:p where=colour=red", "colour=red"),
        ("results:p where=config=x", "config=x"),
        ("results:p where=shots", "'shots'"),
    ],
)
def test_a_section_that_cannot_be_filled_is_told(tmp_path: Path, text: str, error: str) -> None:
    append(tmp_path / "p.jsonl", ROW)
    with pytest.raises(DataError, match=error):
        fill_readme(f"<!-- {text} -->\n<!-- end -->", tmp_path)


def test_our_readme_is_what_our_rows_give() -> None:
    text = (ROOT / "README.md").read_text()
    assert fill_readme(text, ROOT / "results") == text, "run `groundwave report --readme README.md`"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("method=ours shots=5", "82.0 ± 5.0"),
        ("method=ours shots=5 episode=1", "82.0"),
        ('method=ours shots=1 format=".2f"', "0.72"),
        ("method=far shots=5 show=seeds", "3"),
        ("\nmethod=far\nshots=5", "42.0 ± 5.0"),
    ],
)
def test_a_value_amid_prose_is_filled(tmp_path: Path, options: str, told: str) -> None:
    for row in rows():
        append(tmp_path / "p.jsonl", row)
    text = "Ours has <!-- result:p {} -->{}<!-- end --> %, and so on; <!-- another remark --> is left alone."
    filled = fill_readme(text.format(options, "wrong"), tmp_path)
    assert filled == text.format(options, told)
    assert fill_readme(filled, tmp_path) == filled


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("", "2 values of method: ours, far"),
        ("method=ours", "2 values of shots: 5, 1.*choose by shots="),
        ("method=theirs shots=5", "0 values of method.*run the protocol"),
        ("colour=red", "colour=red"),
    ],
)
def test_a_value_that_rows_do_not_settle_is_told(tmp_path: Path, options: str, error: str) -> None:
    for row in rows():
        append(tmp_path / "p.jsonl", row)
    with pytest.raises(DataError, match=error):
        fill_readme(f"<!-- result:p {options} --><!-- end -->", tmp_path)


def test_a_wrong_value_in_our_readme_would_be_found() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(VALUE.findall(text)) > 10
    assert "\n<!-- result:" not in text, "Markdown takes a comment at the start of a line for a block"
    wrong = VALUE.sub(lambda match: match[0].replace(f">{match['body']}<", ">12.3<"), text)
    assert fill_readme(wrong, ROOT / "results") == text


def test_select() -> None:
    assert len(select(rows(), method="ours", shots=5)) == 3
