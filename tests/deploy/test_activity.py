"""Where something is on the air: found against the truth, in noise of any level, in bounded memory."""

import re

import numpy as np
import pytest

from groundwave.data.recording import Capture, Recording
from groundwave.deploy.activity import Detector, short_time_power
from groundwave.errors import GroundwaveError

RATE_HZ = 1e5


def recording(iq: np.ndarray, captures: tuple[Capture, ...] = (Capture(0),)) -> Recording:
    def samples(start: int, count: int) -> np.ndarray:
        return iq[None, start : start + count].astype(np.complex64)

    return Recording("test", "test.cf32", RATE_HZ, len(iq), 1, samples, captures)


def noise(count: int, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return (draw.standard_normal(count) + 1j * draw.standard_normal(count)) / np.sqrt(2)


def with_bursts(level: float, snr_db: float, *bursts: tuple[int, int]) -> np.ndarray:
    iq = noise(200_000)
    for start, stop in bursts:
        iq[start:stop] += 10 ** (snr_db / 20) * np.exp(0.3j * np.arange(stop - start))
    return level * iq


@pytest.mark.parametrize("level", [1e-6, 1.0, 1e4])
@pytest.mark.parametrize("snr_db", [4.0, 30.0])
def test_segments_are_the_bursts(level: float, snr_db: float) -> None:
    bursts = [(20_000, 30_000), (50_000, 52_000), (100_000, 180_000)]
    found = list(Detector().segments(recording(with_bursts(level, snr_db, *bursts))))
    assert len(found) == len(bursts)
    np.testing.assert_allclose(found, bursts, atol=4 * Detector.step)


def test_noise_alone_has_no_segment() -> None:
    assert list(Detector().segments(recording(noise(500_000)))) == []


def test_nothing_found_is_explained_by_what_was_measured() -> None:
    told = Detector(threshold_db=6.0).why_nothing(recording(0.1 * noise(500_000)))
    assert "power 6 dB over" in told
    floor_db, rise_db = map(float, re.findall(r"(?:is|most) (-?[\d.]+) dB", told))
    assert floor_db == pytest.approx(-20, abs=1)
    assert 0 < rise_db < 3
    assert "--threshold-db" in told
    assert "never quiet" in told


def test_of_several_captures_the_one_nearest_to_the_threshold_is_told() -> None:
    faint = with_bursts(1.0, 0.0, (50_000, 60_000))
    told = Detector(threshold_db=9.0).why_nothing(recording(np.r_[noise(9000), faint], (Capture(0), Capture(9000))))
    assert float(re.findall(r"most ([\d.]+) dB", told)[0]) == pytest.approx(3.4, abs=0.7)


def test_a_recording_of_zeros_is_told_as_such() -> None:
    assert "only zeros" in Detector().why_nothing(recording(np.zeros(10_000)))


def test_silence_has_no_segment_and_does_not_set_the_floor() -> None:
    assert list(Detector().segments(recording(np.zeros(10_000)))) == []
    iq = with_bursts(1.0, 20.0, (100_000, 120_000))
    iq[:80_000] = 0
    assert len(list(Detector().segments(recording(iq)))) == 1


def test_hysteresis_keeps_a_fading_burst_whole() -> None:
    iq = noise(100_000)
    fading = 2 * (0.75 + 0.25 * np.cos(np.arange(40_000) / 1000))
    iq[30_000:70_000] += fading * np.exp(0.2j * np.arange(40_000))
    assert len(list(Detector(max_gap=0, threshold_db=6, release_db=2).segments(recording(iq)))) == 1
    assert len(list(Detector(max_gap=0, threshold_db=6, release_db=6).segments(recording(iq)))) > 1


def test_short_gaps_are_closed_and_short_segments_dropped() -> None:
    iq = with_bursts(1.0, 20.0, (20_000, 30_000), (31_500, 40_000), (80_000, 80_200))
    assert len(list(Detector(max_gap=2048, min_samples=1024).segments(recording(iq)))) == 1
    assert len(list(Detector(max_gap=128, min_samples=1).segments(recording(iq)))) == 3


def test_captures_have_their_own_floor_and_end_segments() -> None:
    quiet = with_bursts(1.0, 20.0, (190_000, 200_000))
    loud = with_bursts(100.0, 20.0, (0, 10_000))
    found = list(Detector().segments(recording(np.concatenate([quiet, loud]), (Capture(0), Capture(200_000)))))
    np.testing.assert_allclose(found, [(190_000, 200_000), (200_000, 210_000)], atol=512)


@pytest.mark.parametrize("count", [1, 127, 128, 1000, 3_000_001])
def test_power_is_the_mean_square_of_each_step(count: int) -> None:
    iq = noise(count)
    power = short_time_power(recording(iq), 0, count, 128)
    slow = [np.mean(np.abs(iq[i : i + 128].astype(np.complex64)) ** 2) for i in range(0, min(count, 2000), 128)]
    assert len(power) == -(-count // 128)
    np.testing.assert_allclose(power[: len(slow)], slow[: len(power)], rtol=1e-5)


@pytest.mark.parametrize("threshold_db", [float("nan"), -1.0, float("inf")])
def test_a_threshold_that_finds_nothing_or_everything_is_refused(threshold_db: float) -> None:
    with pytest.raises(GroundwaveError, match="--threshold-db"):
        Detector(threshold_db=threshold_db)
