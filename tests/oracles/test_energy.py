"""The energy detector against noise, closed forms and SciPy's chi-square; wrong thresholds are caught."""

import math

import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from groundwave.metrics import roc
from groundwave.rng import generator
from groundwave.signal.energy import (
    energy_detection,
    energy_occupancy,
    energy_over_floor,
    energy_threshold,
    noise_floor,
)
from groundwave.signal.spectrum import spectrogram_db

CELLS = 64


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.complex64, generator=generator(seed, "energy"))


def spectrogram(iq: Tensor) -> Tensor:
    return spectrogram_db(iq, CELLS, CELLS)


@pytest.mark.parametrize("num_cells", [1, 5])
def test_the_threshold_is_that_of_chi_square(num_cells: int) -> None:
    expected = chi2.isf(0.01, 2 * num_cells) / (2 * num_cells)
    assert energy_threshold(0.01, num_cells) == pytest.approx(expected)
    assert energy_threshold(0.01, num_cells) != pytest.approx(chi2.isf(0.01, num_cells) / num_cells)  # real samples
    assert energy_threshold(0.02) == pytest.approx(-math.log(0.02))


@pytest.mark.parametrize(("false_alarm", "num_frames"), [(0.1, 1), (0.01, 1), (0.05, 5)])
def test_noise_raises_as_many_alarms_as_promised(false_alarm: float, num_frames: int) -> None:
    spec = spectrogram(noise(16, CELLS * 128)) + 37.0  # the gain of the receiver does not matter
    found = float(energy_occupancy(spec, false_alarm, num_frames).float().mean())
    assert found == pytest.approx(false_alarm, rel=0.1)


def test_spectrograms_of_averaged_windows_keep_the_rate() -> None:
    windows = noise(4, CELLS, 256, 4).abs().square().mean(-1)
    spec = 10 * windows.log10() - 50
    found = float(energy_occupancy(spec, 0.05, num_averaged=4).float().mean())
    assert found == pytest.approx(0.05, rel=0.1)
    assert float(energy_occupancy(spec, 0.05).float().mean()) < 0.01  # taken for single windows


@pytest.mark.parametrize(("share", "snr_db"), [(0.0, 0.0), (0.3, 20.0), (0.7, 40.0)])
def test_the_floor_is_found_under_signals(share: float, snr_db: float) -> None:
    power = noise(4, 20_000, seed=1).abs().square()
    loud = round(share * power.shape[1])
    power[:, :loud] *= 1 + 10 ** (snr_db / 10)
    found = 10 * noise_floor(power).log10()
    assert found.abs().max() < 0.4
    quantile = power.quantile(0.1, dim=1) / -math.log(0.9)  # what a low quantile alone would say
    assert share < 0.5 or (10 * quantile.log10()).min() > 1


@pytest.mark.parametrize("num_cells", [1, 4])
def test_gaussian_signals_are_detected_as_often_as_the_closed_form_says(num_cells: int) -> None:
    snr_db = 6.0
    power = noise(50_000, num_cells, seed=2).abs().square().mean(1) * (1 + 10 ** (snr_db / 10))
    found = float((power > energy_threshold(0.05, num_cells)).float().mean())
    assert found == pytest.approx(energy_detection(0.05, snr_db, num_cells), abs=0.01)
    assert energy_detection(0.05, snr_db) == pytest.approx(0.05 ** (1 / (1 + 10 ** (snr_db / 10))))


@pytest.mark.parametrize("snr_db", [0.0, 10.0])
def test_the_area_under_the_curve_is_the_closed_form(snr_db: float) -> None:
    """Detection at a false-alarm rate p has the probability p^(1 / (1 + snr)); integrated, (1 + snr) / (2 + snr)."""
    snr = 10 ** (snr_db / 10)
    power = noise(2, 50_000, seed=3).abs().square()
    power[1] *= 1 + snr
    levels = (10 * power.log10()).clamp(-30, 30).add(30).mul(20).round().long()
    no, yes = (torch.bincount(row, minlength=1201) for row in levels)
    assert roc(yes, no).area == pytest.approx((1 + snr) / (2 + snr), abs=0.005)


def test_averages_at_the_ends_are_of_fewer_frames() -> None:
    energy, count = energy_over_floor(spectrogram(noise(2, CELLS * 8)), 5)
    assert count.tolist() == [3, 4, 5, 5, 5, 5, 4, 3]
    assert energy.shape == (2, CELLS, 8)
    torch.testing.assert_close(energy_over_floor(spectrogram(noise(2, CELLS * 8)))[0][..., :3].mean(-1), energy[..., 0])
