"""Sampling clocks against closed forms: shifted tones, predicted drift, jitter's SNR, resampling."""

import math

import pytest
import torch

from groundwave.errors import GroundwaveError
from groundwave.rng import generator
from groundwave.signal import clock


def tone(f: float, positions: torch.Tensor) -> torch.Tensor:
    return torch.exp(2j * math.pi * f * positions.double()).to(torch.complex64)


def retimed(f: float, delay: torch.Tensor, largest: float) -> torch.Tensor:
    """A tone at f read at n + delay(n)."""
    lead = clock.REACH + math.floor(largest)
    n = torch.arange(-lead, delay.shape[1] + lead)
    return clock.retime(tone(f, n).expand(len(delay), -1), delay, largest)


@pytest.mark.parametrize(("ppm", "num"), [(25.0, 1000), (-150.0, 1000), (400.0, 1000), (40.0, 200_000)])
def test_a_clock_offset_moves_a_tone_by_its_ppm_and_drifts(ppm, num):
    f, largest = 0.2, abs(ppm) * 1e-6 * num / 2
    drift = clock.clock_drift(torch.tensor([ppm]), num)
    assert float(drift[0, -1]) == pytest.approx(ppm * 1e-6 * (num - 1) / 2, rel=1e-4)
    y = retimed(f, drift, largest)
    n = torch.arange(num).double()
    expected = tone(1.0, f * (n + ppm * 1e-6 * (n - (num - 1) / 2)))[None]
    torch.testing.assert_close(y, expected, atol=4e-3, rtol=0)
    with pytest.raises(AssertionError):  # a clock that is off the other way
        torch.testing.assert_close(retimed(f, -drift, largest), expected, atol=4e-3, rtol=0)


@pytest.mark.parametrize(("largest", "error"), [(0.02, 2e-3), (0.1, 6e-3), (0.25, 2e-2)])
@pytest.mark.parametrize("f", [-0.4, 0.0, 0.1, 0.3, 0.4])
def test_small_delays_are_as_accurate_as_stated(largest, error, f):
    delay = torch.linspace(-largest, largest, 500)[None]
    expected = tone(f, torch.arange(500) + delay)
    torch.testing.assert_close(retimed(f, delay, largest), expected, atol=error, rtol=0)


def test_no_delay_is_the_signal_itself():
    x = torch.randn((2, 100), dtype=torch.complex64, generator=generator(0, "clock"))
    still = clock.retime(x, torch.zeros((2, 100 - 2 * clock.REACH)), 0.2)
    torch.testing.assert_close(still, x[:, clock.REACH : -clock.REACH], atol=0, rtol=0)


def test_jitter_has_the_snr_of_the_closed_form():
    f, rms = 0.2, 0.002
    jitter = clock.draw_jitter(torch.tensor([rms]), 100_000, generator=generator(1, "jitter"))
    error = retimed(f, jitter, 6 * rms) - tone(f, torch.arange(100_000))
    snr_db = -10 * math.log10(float(error.abs().square().mean()))
    assert snr_db == pytest.approx(-20 * math.log10(2 * math.pi * f * rms), abs=0.1)
    assert snr_db != pytest.approx(-20 * math.log10(f * rms), abs=1)  # without 2 pi


@pytest.mark.parametrize("ratio", [0.37, 0.8, 1.0, math.pi])
def test_resampling_keeps_a_tone_and_its_phase_about_the_middle(ratio):
    num, f = 2001, 0.08
    y = clock.resample(tone(f, torch.arange(num) - (num - 1) / 2)[None], ratio)
    n = torch.arange(y.shape[1]) - (y.shape[1] - 1) / 2
    torch.testing.assert_close(y[0], tone(f / ratio, n), atol=5e-3, rtol=0)
    assert y.shape[1] == pytest.approx(num * ratio, rel=0.06)
    with pytest.raises(AssertionError):  # the inverse ratio must be caught
        torch.testing.assert_close(y[0], tone(f * ratio * 1.01, n), atol=5e-3, rtol=0)


def test_resampling_down_removes_what_would_fold_back():
    y = clock.resample(tone(0.3, torch.arange(2000))[None], 0.5)  # 0.3 lies above the new Nyquist frequency of 0.25
    assert float(y.abs().max()) < 1e-2


@pytest.mark.parametrize("ratio", [0.0, -2.0, math.nan, math.inf])
def test_senseless_ratios_are_refused(ratio):
    with pytest.raises(GroundwaveError, match="new sample rate over old"):
        clock.resample(torch.ones((1, 100), dtype=torch.complex64), ratio)


def test_records_shorter_than_the_filters_are_refused_and_just_long_enough_ones_are_not():
    x = torch.ones((1, 73), dtype=torch.complex64)
    assert clock.resample(x, 0.5).shape[1] >= 1
    with pytest.raises(GroundwaveError, match="longer records"):
        clock.resample(x[:, 1:], 0.5)
