"""Doppler spectra and their gains against closed forms."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import erf, j0

from groundwave.rng import generator
from groundwave.signal.doppler import SPECTRA, draw_scatter, nodes, num_sinusoids
from groundwave.signal.multipath import draw_paths, path_gains
from groundwave.signal.profiles import profile

# Autocorrelation at a lag of `turns` periods of the largest Doppler shift.
CORRELATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "jakes": lambda turns: j0(2 * math.pi * turns),
    "flat": lambda turns: np.sinc(2 * turns),
    "gaussian": lambda turns: np.exp(-((math.pi * turns) ** 2)),
}
# Share of the power within 0.9 of the largest Doppler shift.
INNER_POWER = {"jakes": 2 / math.pi * math.asin(0.9), "flat": 0.9, "gaussian": float(erf(0.9))}
OTHER = {"jakes": "flat", "flat": "gaussian", "gaussian": "jakes"}


def scatter(spectrum: str, num_records: int, times: torch.Tensor, doppler: float, num: int) -> torch.Tensor:
    draw = generator(5, "scatter")
    return draw_scatter(num_records, 1, times, torch.tensor([doppler]), nodes(spectrum, num), generator=draw)[:, 0]


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("cycles", [0.01, 0.5, 3.0, 40.0])
def test_sinusoids_stand_for_the_spectrum_over_the_whole_record(spectrum: str, cycles: float) -> None:
    lags = np.linspace(0, cycles, 400)

    def correlation(num: int) -> np.ndarray:
        frequencies, powers = (t.numpy() for t in nodes(spectrum, num))
        return np.cos(2 * np.pi * np.outer(lags, frequencies)) @ powers

    expected = CORRELATIONS[spectrum](lags)
    np.testing.assert_allclose(correlation(num_sinusoids(cycles)), expected, atol=2e-3)
    if cycles > 1:  # a third of the sinusoids must be seen to be too few
        with np.testing.assert_raises(AssertionError):
            np.testing.assert_allclose(correlation(num_sinusoids(cycles) // 3), expected, atol=2e-3)


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_gains_have_the_autocorrelation_of_their_spectrum(spectrum: str) -> None:
    doppler, num_samples = 1e-3, 1500
    draw = generator(1, "autocorrelation")
    paths = draw_paths(
        profile("rayleigh"),
        6000,
        num_samples,
        sample_rate_hz=1.0,
        doppler_hz=doppler,
        spectrum=spectrum,
        generator=draw,
    )
    h = path_gains(paths, num_samples)[:, 0, ::50]
    measured = (h * h[:, :1].conj()).mean(0)
    turns = doppler * np.arange(0, num_samples, 50)
    np.testing.assert_allclose(measured.numpy(), CORRELATIONS[spectrum](turns), atol=0.05)
    for wrong in (CORRELATIONS[OTHER[spectrum]](turns), CORRELATIONS[spectrum](2 * turns)):
        with np.testing.assert_raises(AssertionError):
            np.testing.assert_allclose(measured.numpy(), wrong, atol=0.05)


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_power_lies_where_the_doppler_spectrum_says(spectrum: str) -> None:
    doppler, num_samples = 0.05, 2048
    h = scatter(spectrum, 100, torch.arange(float(num_samples)), doppler, num_sinusoids(doppler * num_samples))
    window = torch.hann_window(num_samples)
    density = torch.fft.fft(h * window).abs().square().mean(0)
    frequency = torch.fft.fftfreq(num_samples).abs()

    def share(limit: float) -> float:
        return float(density[frequency <= limit * doppler].sum() / density.sum())

    assert share(0.9) == pytest.approx(INNER_POWER[spectrum], abs=0.03)
    assert share(0.9) != pytest.approx(INNER_POWER[OTHER[spectrum]], abs=0.05)
    if spectrum != "gaussian":  # sharp edges; the Gaussian has none
        assert share(1.05) > 1 - 1e-4
        assert share(0.95) < 0.97


def test_gains_are_rayleigh_at_any_instant() -> None:
    h = scatter("jakes", 40_000, torch.tensor([0.0, 700.0]), 1e-3, num_sinusoids(1.0))

    def distribution(x: torch.Tensor) -> np.ndarray:
        levels = torch.linspace(0.1, 4, 20)
        return (x[:, None] < levels).double().mean(0).numpy()

    expected = 1 - np.exp(-np.linspace(0.1, 4, 20))  # |h|^2 is exponential
    for instant in range(2):
        np.testing.assert_allclose(distribution(h[:, instant].abs().square()), expected, atol=0.01)
    with np.testing.assert_raises(AssertionError):
        np.testing.assert_allclose(distribution(h[:, 0].abs()), expected, atol=0.01)


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("cycles", [0.015, 0.08, 0.16, 3.0, 60.0])
def test_polynomials_between_knots_follow_the_gains(spectrum: str, cycles: float) -> None:
    num_samples = 3000
    doppler = cycles / num_samples
    paths = draw_paths(
        profile("rayleigh"),
        200,
        num_samples,
        sample_rate_hz=1.0,
        doppler_hz=doppler,
        spectrum=spectrum,
        generator=generator(5, "scatter"),
    )
    exact = scatter(spectrum, 200, torch.arange(float(num_samples)), doppler, num_sinusoids(cycles))
    error = path_gains(paths, num_samples)[:, 0] - exact
    assert 10 * math.log10(error.abs().square().mean()) < -57
    knots = torch.arange(paths.gains.shape[-1]) * paths.spacing
    held = paths.gains[:, 0, torch.bucketize(torch.arange(num_samples), knots, right=True) - 1] - exact
    assert 10 * math.log10(held.abs().square().mean()) > -35  # gains that jump from knot to knot must show


def test_no_doppler_stands_still_and_one_record_may_move_alone() -> None:
    still = draw_paths(profile("EVA"), 4, 100, sample_rate_hz=1e6, generator=generator(0, "still"))
    assert still.gains.shape[-1] == 1
    draw = generator(0, "mixed")
    shifts = torch.tensor([0.0, 200.0])
    mixed = draw_paths(profile("EVA"), 2, 1000, sample_rate_hz=1e6, doppler_hz=shifts, generator=draw)
    h = path_gains(mixed, 1000)
    torch.testing.assert_close(h[0], h[0, :, :1].expand(-1, 1000), atol=1e-5, rtol=0)
    assert float((h[1, :, -1] - h[1, :, 0]).abs().min()) > 0.01
