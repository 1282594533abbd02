"""Fading, oscillators and interpolation against closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy.special import j0
from scipy.stats import ks_2samp

from groundwave.rng import generator
from groundwave.scenes.channel import RECIPE
from groundwave.scenes.published import Passes
from groundwave.scenes.radioml import RadioML
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


def clipped_walks(start: np.ndarray, num_steps: int, step: float, limit: float) -> np.ndarray:
    """Walk step by step and clip at the limit, as GNU Radio's clocks do; return where the walks end."""
    draw, at = np.random.default_rng(0), start.copy()
    for _ in range(num_steps):
        at = np.clip(at + step * draw.standard_normal(len(at)), -limit, limit)
    return at


def test_reflection_at_coarse_knots_is_clipping_at_every_sample():
    """The sum of a walk and its clipping has the law of a reflected walk, as steps get small (Skorokhod)."""
    start = np.full(20_000, 0.7)
    clipped = clipped_walks(start, 4096, 0.01, 1.0)
    knots = impair.draw_walk(torch.from_numpy(start).float(), 17, 0.16, 1.0, generator=generator(0, "law"))
    assert ks_2samp(clipped, knots[:, -1].numpy()).pvalue > 0.01
    coarse = clipped_walks(start, 16, 0.16, 1.0)  # clipping at the knots piles walks up at the limit
    assert ks_2samp(clipped, coarse).pvalue < 1e-6


def test_no_walk_of_the_published_recipe_comes_near_its_limit():
    scene = RadioML("as-published")
    longest = max(Passes(scene.classes, scene.air, RECIPE, 128, 0).length(name) for name in scene.classes)
    clocks = RECIPE.draw(2000, longest, timing=0, settled=False, generator=generator(0, "pass")).clocks
    assert float(clocks.drift.abs().max()) * RECIPE.sample_rate_hz < RECIPE.sro_max_hz / 3
    assert float(clocks.frequency.abs().max()) * RECIPE.sample_rate_hz < RECIPE.cfo_max_hz / 30


@pytest.mark.parametrize("num_samples", [300, 20_000])  # few knots and many
def test_clocks_add_up_their_rates(num_samples):
    clocks = RECIPE.draw(1, num_samples, timing=8, settled=True, generator=generator(0, "clock")).clocks
    at, time = np.linspace(0, clocks.num_samples - 1, clocks.drift.shape[1]), np.arange(clocks.num_samples)
    drift, frequency = (np.interp(time, at, knots[0].numpy()) for knots in (clocks.drift, clocks.frequency))
    np.testing.assert_allclose(clocks.offset()[0], float(clocks.start[0]) + np.cumsum(drift), atol=1e-9)
    phasor, turn = np.exp(1j * clocks.phase_rad()[0].numpy()), float(clocks.turn[0])
    np.testing.assert_allclose(phasor, np.exp(2j * np.pi * (turn + np.cumsum(frequency))), atol=1e-5)
    with np.testing.assert_raises(AssertionError):  # the frequency of now times time is not its sum
        np.testing.assert_allclose(phasor, np.exp(2j * np.pi * (turn + frequency * (time + 1))), atol=1e-5)


def test_a_drifting_clock_reads_as_at_single_positions():
    draw, time = generator(0, "drift"), torch.arange(400, dtype=torch.float64)
    x = filters.fir(torch.randn(4, 460, dtype=torch.complex64, generator=draw), filters.lowpass(31, 0.2))
    offset = 4 + torch.tensor([[1e-3], [-1e-3], [2e-4], [0.0]]) * time + torch.tensor([[0.0], [3.0], [0.99], [0.5]])
    slow = filters.sample_at(x, time + offset)
    torch.testing.assert_close(filters.sample_drifting(x, offset), slow, atol=1e-4, rtol=0)
    with pytest.raises(AssertionError):  # a hundredth of a sample late must show
        torch.testing.assert_close(filters.sample_drifting(x, offset + 0.01), slow, atol=1e-4, rtol=0)


def test_a_drifting_clock_reads_a_tone_between_samples():
    time = torch.arange(2000, dtype=torch.float64)
    offset = 4 + 1e-3 * time

    def tone(at: torch.Tensor) -> torch.Tensor:
        return torch.polar(torch.ones_like(at), 2 * math.pi * 0.2 * at).to(torch.complex64)

    error = filters.sample_drifting(tone(torch.arange(2100, dtype=torch.float64))[None], offset[None]) - tone(
        time + offset
    )
    assert 10 * math.log10(float(error.abs().square().mean())) < -50


@pytest.mark.parametrize("num_knots", [2, 6, 40])
def test_knots_are_joined_by_straight_lines(num_knots):
    knots = torch.randn(3, num_knots, dtype=torch.complex64, generator=generator(0, "knots"))
    lines = filters.interpolate_knots(knots, 333)[1].numpy()
    at, time = np.linspace(0, 332, num_knots), np.arange(333)
    slow = np.interp(time, at, knots[1].real) + 1j * np.interp(time, at, knots[1].imag)
    np.testing.assert_allclose(lines, slow, atol=1e-4)
    with np.testing.assert_raises(AssertionError):  # knots in the middle of their stretches, not at its ends
        middle = (np.arange(num_knots) + 0.5) * 333 / num_knots - 0.5
        np.testing.assert_allclose(lines.real, np.interp(time, middle, knots[1].real), atol=1e-4)


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
@pytest.mark.parametrize(("num_samples", "num_taps"), [(40, 5), (8, 8), (500, 101), (33, 1)])
def test_fir_equals_convolution(dtype, num_samples, num_taps):
    draw = generator(0, "fir")
    x, taps = torch.randn(2, num_samples, dtype=dtype, generator=draw), torch.randn(2, num_taps, generator=draw)
    for fast, row in zip(filters.fir_bank(x, taps), taps, strict=True):
        np.testing.assert_allclose(fast[1], np.convolve(x[1], row, "valid"), atol=1e-4)
    with np.testing.assert_raises(AssertionError):  # the other row's taps
        np.testing.assert_allclose(fast[1], np.convolve(x[1], taps[0], "valid"), atol=1e-4)


def test_pre_emphasis_follows_its_time_constant():
    taps = filters.pre_emphasis_taps(75e-6, 200e3)
    hertz = np.array([0.0, 1000.0, 2122.0, 5000.0, 10_000.0])
    response = np.abs(np.exp(-2j * np.pi * np.outer(hertz / 200e3, np.arange(len(taps)))) @ taps.numpy())
    np.testing.assert_allclose(response, np.sqrt(1 + (2 * np.pi * hertz * 75e-6) ** 2), rtol=0.02)
