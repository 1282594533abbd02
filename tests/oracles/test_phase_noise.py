"""Oscillators against closed forms: spectrum equals mask, rms phase, random walks, carrier offset, long ramps."""

import math

import numpy as np
import pytest
import torch

from groundwave.rng import generator
from groundwave.signal import impair, oscillators
from groundwave.signal.impair import shift_frequency

RATE = 1e6
MASK = ((1e3, -80.0), (1e4, -80.0), (1e5, -100.0), (1e6, -120.0))


def measured_dbc(phase: torch.Tensor, offsets_hz: list[float]) -> np.ndarray:
    """Two-sided density of the phase around each offset, by windowed periodograms (Hann) averaged over records."""
    num = phase.shape[1]
    window = torch.hann_window(num)
    power = torch.fft.rfft((phase - phase.mean(1, keepdim=True)) * window).abs().square().mean(0)
    density = power / (window.square().sum() * RATE)
    bins = [round(f * num / RATE) for f in offsets_hz]
    return 10 * np.log10([float(density[int(0.95 * b) : int(1.05 * b) + 2].mean()) for b in bins])


def by_hand_dbc(f: float) -> float:
    """MASK: level up to 10 kHz, then 20 dB per decade."""
    return -80.0 if f <= 1e4 else -80 - 20 * math.log10(f / 1e4)


OFFSETS = [2e3, 5e3, 2e4, 5e4, 1e5, 3e5]


def test_phase_noise_has_the_spectrum_of_the_mask():
    phase = oscillators.draw_phase_noise(200, 8192, MASK, RATE, generator=generator(0, "mask"))
    expected = [by_hand_dbc(f) for f in OFFSETS]
    np.testing.assert_allclose(measured_dbc(phase, OFFSETS), expected, atol=0.6)
    one_sided = oscillators.draw_phase_noise(
        200, 8192, [(f, level + 3.01) for f, level in MASK], RATE, generator=generator(0, "mask")
    )
    with np.testing.assert_raises(AssertionError):  # the mask taken as a one-sided density is 3 dB off
        np.testing.assert_allclose(measured_dbc(one_sided, OFFSETS), expected, atol=0.6)


def test_rms_phase_is_the_integral_of_the_mask():
    num = 8192
    phase = oscillators.draw_phase_noise(300, num, MASK, RATE, generator=generator(1, "mask"))
    f = np.linspace(RATE / (1.5 * num) / 2, RATE / 2, 400_000)
    levels = np.interp(np.log10(f), np.log10([c for c, _ in MASK]), [level for _, level in MASK])
    variance = 2 * np.sum(10 ** (levels / 10)) * (f[1] - f[0])
    assert float(phase.square().mean()) == pytest.approx(variance, rel=0.02)
    assert float(phase.square().mean()) != pytest.approx(variance / 2, rel=0.1)  # one side only


def test_a_mask_is_read_in_straight_lines_over_log_frequency():
    f = torch.tensor([1.0, 1e3, 3e3, 1e4, math.sqrt(10) * 1e4, 1e7])
    expected = torch.tensor([-80.0, -80.0, -80.0, -80.0, -90.0, -120.0])
    torch.testing.assert_close(oscillators.mask_dbc(MASK, f), expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(oscillators.mask_dbc([(1e3, -70.0)], f), torch.full((6,), -70.0))


def test_a_random_walk_is_leesons_oscillator():
    std = oscillators.walk_step_std(-90.0, 1e5, RATE)
    phase = oscillators.draw_phase_walk(torch.full((300,), std), 8192, generator=generator(2, "walk"))
    expected = [-90 - 20 * math.log10(f / 1e5) for f in (1e4, 3e4)]
    np.testing.assert_allclose(measured_dbc(phase, [1e4, 3e4]), expected, atol=0.6)
    with np.testing.assert_raises(AssertionError):  # a step that forgets 2 pi
        np.testing.assert_allclose(measured_dbc(phase / (2 * math.pi), [1e4, 3e4]), expected, atol=0.6)


def test_walks_have_their_own_steps():
    walk = oscillators.draw_phase_walk(torch.tensor([0.0, 0.1]), 50_000, generator=generator(3, "walk"))
    torch.testing.assert_close(walk.diff(dim=1).std(1), torch.tensor([0.0, 0.1]), atol=1e-3, rtol=0)


def test_parts_per_million_of_a_carrier():
    offset = oscillators.ppm_to_cycles(torch.tensor([10.0]), 2.4e9, 1e6)  # 24 kHz
    torch.testing.assert_close(offset, torch.tensor([0.024]))
    y = shift_frequency(torch.ones((1, 1000), dtype=torch.complex64), offset)
    assert int(torch.fft.fft(y).abs().argmax()) == 24


def test_long_ramps_stay_exact():
    f = torch.tensor([0.1234567, -0.02])
    ramp = impair.phase_ramp(f, 1_000_003)
    cycles = f.double()[:, None] * torch.arange(1_000_003)
    exact = torch.polar(torch.ones_like(cycles), 2 * math.pi * cycles)
    torch.testing.assert_close(impair.phasor(ramp), exact.to(torch.complex64), atol=1e-4, rtol=0)
    naive = 2 * math.pi * f[:, None] * torch.arange(1_000_003)  # all in float32
    with pytest.raises(AssertionError):
        torch.testing.assert_close(impair.phasor(naive), exact.to(torch.complex64), atol=1e-4, rtol=0)
