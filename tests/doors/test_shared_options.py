"""Options that several commands share are options of each, with their help, and reach it by name."""

from typing import TypedDict, Unpack

import pytest

from groundwave.arguments import arguments, parser_of
from groundwave.cli import main
from groundwave.windows import Windows, reader_options


class Lens(TypedDict, total=False):
    """How to look.

    Args:
        focal_length: in metres.
        colour: of the glass.
    """

    focal_length: float | None
    colour: str | None


def look(what: str, **lens: Unpack[Lens]) -> None:
    """Look.

    Args:
        what: at what.
        lens: see `Lens`.
    """


def test_fields_of_an_unpacked_typed_dict_are_options_that_may_be_left_out() -> None:
    parser = parser_of(look, "look")
    assert arguments(parser, ["sky", "--focal-length", "3"]) == {"what": "sky", "focal_length": 3.0, "colour": None}
    assert "in metres." in parser.format_help()


@pytest.mark.parametrize("verb", ["adapt", "audit", "compress", "embed", "pretrain"])
def test_commands_on_windows_explain_how_these_are_read(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    assert main([verb, "--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"--{name.replace('_', '-')} " in told for name in Windows.__annotations__)


def test_readers_know_the_sample_rate_by_its_unit() -> None:
    assert reader_options({"sample_rate": 2e6, "iq": "x"}) == {"sample_rate_hz": 2e6, "iq": "x"}
