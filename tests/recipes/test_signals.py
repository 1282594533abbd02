"""The page of signals shows every waveform, and its numbers are those of today's code."""

import re
from pathlib import Path

import pytest

from groundwave.page import png
from groundwave.recipes import signals
from groundwave.scenes.waveforms import WAVEFORMS

PAGE = Path(__file__).parents[2] / "docs" / "signals.md"


def test_sections_hold_every_waveform_once() -> None:
    names = [name for table in signals.SECTIONS.values() for name in table]
    assert sorted(names) == sorted(WAVEFORMS)


def test_the_page_shows_every_waveform() -> None:
    text = PAGE.read_text()
    shown = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text)
    assert sorted(Path(file).stem for file in shown) == sorted([*WAVEFORMS, *signals.WIDE_SCENES, "rgbd"])
    assert all((PAGE.parent / file).is_file() for file in shown)


@pytest.mark.parametrize("name", ["QAM32", "FSK4", "LoRa-SF7", "LTE-5", "ADS-B"])
def test_the_page_says_what_the_code_makes_today(name: str) -> None:
    assert signals.line(name, WAVEFORMS[name], signals.draw(name, WAVEFORMS[name])) in PAGE.read_text().splitlines()


def test_a_picture_is_a_small_png() -> None:
    content = png(signals.picture("OQPSK", signals.draw("OQPSK", WAVEFORMS["OQPSK"])))
    assert content.startswith(b"\x89PNG")
    assert len(content) < 40_000
