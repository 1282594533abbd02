"""Interference: powers, statistics and places against closed forms."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import poisson

from groundwave.rng import generator
from groundwave.signal.interference import Sweep, add_interferer, draw_impulses, draw_sweep, draw_tone, jammer
from groundwave.signal.noise import power


def noise(seed: int, shape: tuple[int, ...] = (4, 4096)) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.complex64, generator=generator(seed, "noise"))


@pytest.mark.parametrize("offset", [None, torch.tensor([0.0, 0.1, -0.2, 0.45])])
def test_every_record_has_its_ratio_in_power(offset: torch.Tensor | None) -> None:
    x, sir_db = 3 * noise(0), torch.tensor([-20.0, 0.0, 3.0, 30.0])
    mixed = add_interferer(x, noise(1) * torch.tensor([[1.0], [2.0], [0.1], [5.0]]), sir_db, offset)

    def measured(decade: float) -> torch.Tensor:
        return decade * (power(x) / power(mixed - x)).log10()

    torch.testing.assert_close(measured(10), sir_db, atol=0.01, rtol=0)
    with pytest.raises(AssertionError):  # decibels of amplitude must be caught
        torch.testing.assert_close(measured(20), sir_db, atol=0.01, rtol=0)


def test_an_adjacent_channel_lies_beside() -> None:
    narrow = torch.fft.ifft(torch.fft.fft(noise(1)) * (torch.fft.fftfreq(4096).abs() < 0.05))
    x = torch.zeros_like(narrow) + 1e-3
    mixed = add_interferer(x, narrow, torch.full((4,), -60.0), torch.full((4,), 0.25)) - x
    spectrum, frequency = torch.fft.fft(mixed).abs().square().mean(0), torch.fft.fftfreq(4096)

    def share(centre: float) -> float:
        return float(spectrum[(frequency - centre).abs() < 0.055].sum() / spectrum.sum())

    assert share(0.25) > 0.999
    assert share(-0.25) < 0.001
    assert share(0.0) < 0.001


def test_a_silent_interferer_stays_silent() -> None:
    x = noise(0)
    torch.testing.assert_close(add_interferer(x, torch.zeros_like(x), torch.zeros(4)), x)


def moments(sample_powers: np.ndarray, counts: np.ndarray) -> float:
    """Return E|n|^4 of complex Gaussians whose powers are drawn with probabilities `counts`."""
    return float(2 * (sample_powers**2 * counts).sum())


@pytest.mark.parametrize(("index", "background"), [(0.02, 0.01), (0.3, 0.1), (1.0, 0.1)])
def test_impulses_have_the_moments_of_class_a(index: float, background: float) -> None:
    n = draw_impulses(40, 50_000, impulses_per_sample=index, background=background, generator=generator(0, "impulses"))
    squares = n.abs().square().double().numpy()
    m = np.arange(200)

    def fourth(a: float) -> float:
        return moments((m / a + background) / (1 + background), poisson.pmf(m, a))

    assert squares.mean() == pytest.approx(1, rel=0.03)
    assert (squares**2).mean() == pytest.approx(fourth(index), rel=0.1)
    assert (squares**2).mean() != pytest.approx(fourth(2 * index), rel=0.1)
    assert abs((n**2).mean()) < 0.05 * math.sqrt((squares**2).mean())  # circular


def test_impulses_have_the_distribution_of_class_a() -> None:
    index, background = 0.1, 0.02
    n = draw_impulses(20, 50_000, impulses_per_sample=index, background=background, generator=generator(3, "impulses"))
    levels, m = np.geomspace(0.01, 20, 15), np.arange(100)
    measured = (n.abs().square().flatten().numpy() > levels[:, None]).mean(1)

    def exceeding(rate: float) -> np.ndarray:
        return np.exp(-levels[:, None] / ((m / index + background) / (1 + background))) @ poisson.pmf(m, rate)

    np.testing.assert_allclose(measured, exceeding(index), atol=2e-3)
    with np.testing.assert_raises(AssertionError):  # a tenth more impulses must show
        np.testing.assert_allclose(measured, exceeding(1.1 * index), atol=2e-3)


def slow_jammer(sweep: Sweep, row: int, num: int, wrap: Callable[[float], float]) -> np.ndarray:
    """Step the oscillator sample by sample."""
    low, high, period, start, phase = (float(t[row]) for t in vars(sweep).values())
    out = np.zeros(num, dtype=complex)
    for n in range(num):
        phase += 2 * math.pi * (low + (high - low) * wrap(n / period + start))
        out[n] = np.exp(1j * phase)
    return out


def test_jammers_equal_their_slow_twin() -> None:
    low, high = torch.tensor([-0.4, 0.3]), torch.tensor([0.4, -0.1])
    sweep = draw_sweep(low, high, torch.tensor([313.7, 50.2]), generator=generator(0, "sweep"))
    fast = jammer(sweep, 1000)
    for row in range(2):
        np.testing.assert_allclose(fast[row], slow_jammer(sweep, row, 1000, lambda u: u % 1), atol=5e-3)
        with np.testing.assert_raises(AssertionError):  # back and forth is no saw-tooth
            np.testing.assert_allclose(fast[row], slow_jammer(sweep, row, 1000, lambda u: abs(u % 2 - 1)), atol=5e-3)
    torch.testing.assert_close(fast.abs(), torch.ones(2, 1000))


def test_a_sweep_covers_its_band_evenly_and_a_tone_stays_where_it_is() -> None:
    sweep = draw_sweep(
        torch.full((50,), -0.1), torch.full((50,), 0.3), torch.full((50,), 2048.0), generator=generator(0, "sweep")
    )
    spectrum, frequency = torch.fft.fft(jammer(sweep, 2048)).abs().square().mean(0), torch.fft.fftfreq(2048)

    def share(low: float, high: float) -> float:
        return float(spectrum[(frequency > low) & (frequency < high)].sum() / spectrum.sum())

    assert share(-0.1, 0.3) > 0.97
    assert share(0.0, 0.1) == pytest.approx(0.25, abs=0.02)
    tones = jammer(draw_tone(torch.tensor([0.125, -0.25]), generator=generator(0, "tone")), 64)
    assert torch.fft.fft(tones).abs().argmax(1).tolist() == [8, 48]
    assert float(torch.fft.fft(tones).abs().max()) == pytest.approx(64, rel=1e-4)
    several = jammer(draw_tone(torch.zeros(2000), generator=generator(0, "phase")), 1)
    assert float(several.mean().abs()) < 0.06  # any phase
