"""Fading, oscillators and interpolation against closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy.special import j0

from groundwave.rng import generator
from groundwave.signal import fading, filters, impair

LAGS = torch.arange(0, 101, 5)
DOPPLER = 0.01


def gains(rician_k: float, times: torch.Tensor, num: int = 4000) -> torch.Tensor:
    faders = fading.draw_faders(num, [rician_k], DOPPLER, generator=generator(3, "fading"))
    return fading.fader_gains(faders, times.float().expand(num, -1))[:, 0]


@pytest.mark.parametrize("rician_k", [0.0, 4.0])
def test_fading_has_unit_mean_power(rician_k):
    h = gains(rician_k, torch.tensor([0.0, 500.0]))
    torch.testing.assert_close(h.abs().square().mean(), torch.tensor(1.0), atol=0.04, rtol=0)


def autocorrelation(h: torch.Tensor) -> np.ndarray:
    return (h * h[:, :1].conj()).mean(0).real.numpy()


def test_rayleigh_autocorrelation_is_bessel():
    expected = j0(2 * math.pi * DOPPLER * LAGS.numpy())
    np.testing.assert_allclose(autocorrelation(gains(0.0, LAGS)), expected, atol=0.05)
    with np.testing.assert_raises(AssertionError):  # twice the Doppler must be caught
        np.testing.assert_allclose(autocorrelation(gains(0.0, 2 * LAGS)), expected, atol=0.05)


def moment_k(h: torch.Tensor) -> float:
    """Estimate the Rician factor from the second and fourth moments (Greenstein 1999)."""
    power = h.abs().square()
    direct = (power.mean() ** 2 - power.var()).clamp(min=0).sqrt()
    return float(direct / (power.mean() - direct))


def test_rician_factor_by_moments():
    assert moment_k(gains(4.0, torch.tensor([0.0]), 40_000)) == pytest.approx(4.0, rel=0.1)
    assert moment_k(gains(0.0, torch.tensor([0.0]), 40_000)) < 0.5


def slow_paths(x: np.ndarray, h: np.ndarray, delays: list[float], num_taps: int) -> np.ndarray:
    """Sum path by path, tap by tap, sample by sample."""
    out = np.zeros(len(x) - num_taps + 1, dtype=complex)
    for n in range(len(out)):
        for path, delay in enumerate(delays):
            for k in range(num_taps):
                out[n] += h[path] * np.sinc(k - delay) * x[n + num_taps - 1 - k]
    return out


def test_paths_equal_their_slow_twin():
    draw = generator(0, "paths")
    x = torch.randn(1, 50, dtype=torch.complex64, generator=draw)
    h = torch.randn(1, 3, 1, dtype=torch.complex64, generator=draw).expand(-1, -1, 2)
    delays = [0.0, 0.9, 1.7]
    fast = fading.apply_paths(x, h, fading.delay_taps(delays, 8))[0].numpy()
    np.testing.assert_allclose(fast, slow_paths(x[0].numpy(), h[0, :, 0].numpy(), delays, 8), atol=1e-5)
    with np.testing.assert_raises(AssertionError):  # anticausal taps must be caught
        np.testing.assert_allclose(fast, slow_paths(x[0].numpy()[::-1], h[0, :, 0].numpy(), delays, 8), atol=1e-5)


def test_frequency_shift_is_undone_by_its_inverse():
    x = torch.randn(3, 500, dtype=torch.complex64, generator=generator(0, "cfo"))
    f = torch.tensor([0.01, -0.2, 0.37])
    shifted = impair.shift_frequency(x, f)
    torch.testing.assert_close(impair.shift_frequency(shifted, -f), x, atol=1e-4, rtol=0)
    with pytest.raises(AssertionError):  # applying it twice is no inverse
        torch.testing.assert_close(impair.shift_frequency(shifted, f), x, atol=1e-4, rtol=0)


def test_shifted_tone_lands_where_asked():
    tone = impair.shift_frequency(torch.ones(1, 1000, dtype=torch.complex64), torch.tensor([0.123]))
    assert int(torch.fft.fft(tone[0]).abs().argmax()) == 123


def test_walks_start_where_told_keep_their_limit_and_spread_as_the_square_root():
    start = torch.zeros(5000)
    walk = impair.draw_walk(start, 101, 0.1, 50.0, generator=generator(0, "walk"))
    torch.testing.assert_close(walk[:, 0], start)
    torch.testing.assert_close(walk[:, -1].std(), torch.tensor(1.0), rtol=0.05, atol=0)
    tight = impair.draw_walk(start + 0.9, 300, 0.3, 1.0, generator=generator(1, "walk"))
    assert float(tight.abs().max()) <= 1.0 + 1e-6
    assert float(tight.abs().max()) > 0.99


@pytest.mark.parametrize("frequency", [0.02, 0.1, 0.2, 0.3])
def test_interpolator_reads_tones_between_samples(frequency):
    t = torch.arange(300, dtype=torch.float64)
    at = 4 + 290 * torch.rand(1, 500, dtype=torch.float64, generator=generator(0, "at"))

    def tone(time: torch.Tensor) -> torch.Tensor:
        return torch.polar(torch.ones_like(time), 2 * math.pi * frequency * time).to(torch.complex64)

    error = filters.sample_at(tone(t)[None], at) - tone(at)
    assert 10 * math.log10(float(error.abs().square().mean())) < -50
    late = filters.sample_at(tone(t)[None], at + 0.1) - tone(at)  # a tenth of a sample late must show
    assert 10 * math.log10(float(late.abs().square().mean())) > -45


def test_upsampling_equals_zero_stuffing():
    draw = generator(0, "up")
    x, taps = torch.randn(2, 20, generator=draw), torch.randn(11, generator=draw)
    fast = filters.upsample(x, taps, 4)
    stuffed = np.zeros((2, 80))
    stuffed[:, ::4] = x
    for row in range(2):
        slow = np.convolve(stuffed[row], taps)[8:80]
        np.testing.assert_allclose(fast[row], slow, atol=1e-5)


def test_fir_equals_convolution():
    draw = generator(0, "fir")
    x, taps = torch.randn(40, dtype=torch.complex64, generator=draw), torch.randn(5, generator=draw)
    np.testing.assert_allclose(filters.fir(x, taps), np.convolve(x, taps, "valid"), atol=1e-5)


def test_pre_emphasis_follows_its_time_constant():
    taps = filters.pre_emphasis_taps(75e-6, 200e3)
    hertz = np.array([0.0, 1000.0, 2122.0, 5000.0, 10_000.0])
    response = np.abs(np.exp(-2j * np.pi * np.outer(hertz / 200e3, np.arange(len(taps)))) @ taps.numpy())
    np.testing.assert_allclose(response, np.sqrt(1 + (2 * np.pi * hertz * 75e-6) ** 2), rtol=0.02)
