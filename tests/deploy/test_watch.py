"""From samples to annotations: the same however the stream is cut; hysteresis, merging, gaps, broken samples."""

import numpy as np
import pytest
from fake.classifiers import TurnClassifier, air
from hypothesis import given, settings
from hypothesis import strategies as st

from groundwave.data.recording import Annotation
from groundwave.deploy.watch import HISTORY, Decisions, Watcher
from groundwave.errors import GroundwaveError

IQ = air((1000, 3000, "right"), (8000, 2000, "left"), (15_000, 64, "right"))


def watched(iq: np.ndarray, decisions: Decisions | None = None, pieces: list[int] | None = None) -> list[Annotation]:
    watcher = Watcher(TurnClassifier(), decisions or Decisions())
    found = [one for piece in np.split(iq, np.cumsum(pieces or [])) for one in watcher.push(piece[None])]
    return found + watcher.cut()


def told(found: list[Annotation]) -> list[tuple[int, int, str | None]]:
    return [(one.start, one.count, one.label) for one in found]


def test_bursts_are_found_to_a_window() -> None:
    assert told(watched(IQ))[:2] == [(960, 3072, "right"), (8000, 2048, "left")]
    fine = watched(IQ, Decisions(overlap=0.75))
    assert [one.label for one in fine] == ["right", "left", "right"]
    np.testing.assert_allclose([one.start for one in fine], [1000, 8000, 15_000], atol=64)
    assert [round(one.confidence, 3) for one in watched(IQ)] == [0.9, 0.9, 0.9]


@given(st.lists(st.integers(0, 3000), max_size=30))
@settings(max_examples=25, deadline=None)
def test_packets_do_not_matter(pieces: list[int]) -> None:
    assert watched(IQ, pieces=pieces) == watched(IQ)


def test_a_label_that_lasts_takes_over_and_one_that_flickers_does_not() -> None:
    iq = air((1024, 1024, "right"), (2048, 64, "left"), (2112, 1024, "right"), (3136, 2048, "left"))
    (first, second) = watched(iq)
    assert (first.label, second.label) == ("right", "left")
    assert first.start + first.count == second.start
    assert 3136 <= second.start <= 3136 + 6 * 64  # the hysteresis' delay
    flicker = watched(iq, Decisions(memory=0.0, margin=0.0))
    assert [one.label for one in flicker] == ["right", "left", "right", "left"]


def test_pauses_are_merged_up_to_the_gap_and_short_ones_dropped() -> None:
    iq = air((1024, 640, "right"), (1856, 640, "right"), (8064, 128, "left"))  # a pause of three windows
    assert told(watched(iq)) == [(1024, 1472, "right"), (8064, 128, "left")]
    assert len(watched(iq, Decisions(max_gap=2))) == 3
    assert told(watched(iq, Decisions(min_windows=3))) == [(1024, 1472, "right")]


def test_a_missing_stretch_ends_what_is_open_and_counts_in_positions() -> None:
    watcher = Watcher(TurnClassifier(), Decisions())
    found = watcher.push(IQ[None, :2000]) + watcher.cut(lost=500)
    found += watcher.push(IQ[None, 2500:]) + watcher.cut()
    assert [one.label for one in found] == ["right", "right", "left", "right"]
    assert found[0].start + found[0].count <= 2000
    assert found[1].start == 2500
    np.testing.assert_allclose([one.start for one in found[2:]], [8000, 15_000], atol=64)


def test_samples_that_are_not_finite_spoil_their_window_only() -> None:
    iq = IQ.copy()
    iq[[2000, 3001, 19_000]] = [np.nan, np.inf + 1j, np.float32(3e38)]
    watcher = Watcher(TurnClassifier(), Decisions())
    found = watcher.push(iq[None]) + watcher.cut()
    assert [one.label for one in found] == ["right", "left", "right"]
    assert watcher.broken == 3


def test_digital_silence_is_no_measure_of_the_noise() -> None:
    padded = np.concatenate([np.zeros(64 * 500, np.complex64), IQ])
    assert [one.label for one in watched(padded)] == ["right", "left", "right"]
    assert watched(np.zeros(10_000, np.complex64)) == []
    assert watched(np.zeros(10_000, np.complex64), Decisions(threshold_db=0)) == []


def test_a_band_that_is_never_quiet_is_named_without_a_threshold() -> None:
    busy = air((0, 20_000, "right"))
    assert watched(busy) == []
    assert told(watched(busy, Decisions(threshold_db=0))) == [(0, 19_968, "right")]


def test_memory_is_that_of_a_block() -> None:
    watcher = Watcher(TurnClassifier(), Decisions())
    for _ in range(30):
        watcher.push(IQ[None])
        assert watcher._carry.shape[1] < 64 * 64
        assert len(watcher._powers) <= HISTORY


@pytest.mark.parametrize("setting", [{"overlap": 1.0}, {"threshold_db": -1.0}, {"min_windows": 0}, {"max_gap": -1}])
def test_impossible_settings_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(GroundwaveError, match="correct the settings"):
        Decisions(**setting)
