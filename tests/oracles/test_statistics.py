"""Cumulants and spectra against closed forms."""

import math

import numpy as np
import pytest
import torch

from groundwave.rng import generator
from groundwave.signal import constellation as con
from groundwave.signal import spectrum, statistics
from groundwave.signal.noise import noise_like

# Swami and Sadler (2000), table I, for unit-power constellations; QPSK here has its points on the axes
FOURTH = {
    "BPSK": (-2.0, -2.0, -2.0),
    "PAM4": (-1.36, -1.36, -1.36),
    "QPSK": (1.0, 0.0, -1.0),
    "8PSK": (0.0, 0.0, -1.0),
    "QAM16": (-0.68, 0.0, -0.68),
    "QAM64": (-0.619, 0.0, -0.619),
}
SIXTH = {"BPSK": (16.0, 16.0), "QPSK": (0.0, 4.0), "8PSK": (0.0, 4.0), "QAM16": (0.0, 2.08), "QAM64": (0.0, 1.797)}


def all_points(name: str) -> torch.Tensor:
    """Return a record in which every point is equally frequent, so that its moments are exact."""
    return con.constellation(name).repeat(64)[None]


@pytest.mark.parametrize("name", FOURTH)
def test_fourth_order_cumulants(name):
    c = statistics.cumulant(all_points(name))
    measured = [c[k].real.item() for k in ("C40", "C41", "C42")]
    np.testing.assert_allclose(measured, FOURTH[name], atol=2e-3)


@pytest.mark.parametrize("name", SIXTH)
def test_sixth_order_cumulants(name):
    c = statistics.cumulant(all_points(name))
    np.testing.assert_allclose([c["C60"].abs().item(), c["C63"].real.item()], SIXTH[name], atol=4e-3)


def test_cumulants_are_not_moments():
    x = all_points("BPSK")
    with np.testing.assert_raises(AssertionError):
        np.testing.assert_allclose((x**4).mean().real.item(), FOURTH["BPSK"][0], atol=2e-3)


def test_gaussian_noise_has_no_higher_cumulants():
    x = noise_like(torch.empty(1, 400_000, dtype=torch.complex64), generator=generator(0, "gauss"))
    c = statistics.cumulant(x)
    for name in ("C40", "C41", "C42", "C60", "C61", "C62", "C63"):
        assert c[name].abs().item() < 0.12, name


def test_known_noise_power_gives_the_cumulants_of_the_signal():
    draw = generator(0, "robust")
    x = con.draw_symbols(con.constellation("QPSK"), 1, 400_000, generator=draw)
    y = x + noise_like(x, generator=draw)
    biased, robust = statistics.cumulant(y), statistics.cumulant(y, torch.tensor([1.0]))
    assert robust["C42"].real.item() == pytest.approx(-1.0, abs=0.05)
    assert biased["C42"].real.item() == pytest.approx(-0.25, abs=0.02)


def test_white_noise_fills_the_spectrogram_evenly_and_keeps_its_power():
    x = noise_like(torch.empty(8, 20_000, dtype=torch.complex64), generator=generator(0, "white"))
    per_bin = spectrum.stft(x, 64).abs().square().mean((0, 2))
    np.testing.assert_allclose(per_bin.numpy(), 1.0, atol=0.1)
    torch.testing.assert_close(spectrum.power_spectrum(x).mean(), torch.tensor(1.0), atol=0.02, rtol=0)


@pytest.mark.parametrize(("frequency", "row"), [(0.0, 32), (0.25, 48), (-0.25, 16)])
def test_spectrogram_has_direct_current_in_the_middle(frequency, row):
    phase = 2 * math.pi * frequency * torch.arange(1024)
    picture = spectrum.spectrogram_db(torch.polar(torch.ones(1024), phase), 64)
    assert picture.shape == (64, 31)
    assert set(picture.argmax(0).tolist()) == {row}
    assert spectrum.spectral_centroid(torch.polar(torch.ones(1024), phase)).item() == pytest.approx(frequency, abs=1e-5)


def test_occupied_bandwidth_of_a_brick():
    bins = torch.zeros(2, 1000, dtype=torch.complex64)
    bins[0, 100:300], bins[1, 450:550] = 1, 1
    x = torch.fft.ifft(torch.fft.ifftshift(bins, dim=-1))
    torch.testing.assert_close(spectrum.occupied_bandwidth(x, 0.9), torch.tensor([0.18, 0.09]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("num_samples", [16, 100, 1024, 9000])
@pytest.mark.parametrize("features", [statistics.cumulants, statistics.expert_features])
def test_features_are_finite_and_as_many_for_every_length(features, num_samples):
    x = noise_like(torch.empty(3, num_samples, dtype=torch.complex64), generator=generator(0, "length"))
    x[2] = 0  # a silent record must not spoil a batch
    out = features(x)
    assert out.shape == (3, 35 if features is statistics.cumulants else 273)
    assert bool(out.isfinite().all())


def test_expert_features_ignore_gain_and_phase():
    x = noise_like(torch.empty(3, 512, dtype=torch.complex64), generator=generator(0, "gain"))
    x = x + 1
    torch.testing.assert_close(
        statistics.expert_features(x * (3 * torch.exp(torch.tensor(1j)))),
        statistics.expert_features(x),
        atol=2e-3,
        rtol=2e-3,
    )
