"""Mixers against the physics of their branches: image rejection, leakage, DC."""

import math

import numpy as np
import pytest
import torch

from groundwave.rng import generator
from groundwave.signal import mixer

GAIN_DB, PHASE_DEG = torch.tensor([0.0, 0.5, -1.0]), torch.tensor([2.0, 0.0, 5.0])
SAMPLES = 512


def tone(cycles: int = 60) -> torch.Tensor:
    return torch.exp(2j * math.pi * cycles / SAMPLES * torch.arange(SAMPLES)).to(torch.complex64).expand(3, -1)


def measured_rejection_db(y: torch.Tensor, cycles: int = 60) -> torch.Tensor:
    lines = torch.fft.fft(y).abs()
    return 20 * (lines[:, cycles] / lines[:, -cycles]).log10()


def rejection_db(gain_db: torch.Tensor, phase_deg: torch.Tensor) -> torch.Tensor:
    g, phase = 10 ** (gain_db / 20), phase_deg * math.pi / 180
    return 10 * ((1 + 2 * g * phase.cos() + g**2) / (1 - 2 * g * phase.cos() + g**2)).log10()


@pytest.mark.parametrize("imbalance", [mixer.receive_imbalance, mixer.transmit_imbalance])
def test_image_rejection_is_the_closed_form(imbalance):
    mu, nu = imbalance(GAIN_DB, PHASE_DEG)
    expected = rejection_db(GAIN_DB, PHASE_DEG)
    torch.testing.assert_close(20 * (mu.abs() / nu.abs()).log10(), expected, atol=0.01, rtol=0)
    measured = measured_rejection_db(mixer.apply_imbalance(tone(), mu, nu))
    torch.testing.assert_close(measured, expected, atol=0.02, rtol=0)
    with pytest.raises(AssertionError):  # decibels of power in place of amplitude must be caught
        torch.testing.assert_close(measured, rejection_db(GAIN_DB / 2, PHASE_DEG), atol=0.02, rtol=0)


def mixed_down(x: np.ndarray, gain: float, phase: float, transmit: bool) -> np.ndarray:
    """Mix up to a carrier and down again at 32 times the rate; one of the mixers has a faulty Q branch."""
    rate, carrier = 32, 8  # samples, cycles per baseband sample
    t = np.arange(len(x) * rate) / rate
    fine = np.repeat(x, rate)
    up = gain * np.sin(2 * np.pi * carrier * t + phase) if transmit else np.sin(2 * np.pi * carrier * t)
    down = np.sin(2 * np.pi * carrier * t) if transmit else gain * np.sin(2 * np.pi * carrier * t + phase)
    passband = fine.real * np.cos(2 * np.pi * carrier * t) - fine.imag * up
    i, q = 2 * passband * np.cos(2 * np.pi * carrier * t), -2 * passband * down
    return (i + 1j * q).reshape(-1, rate).mean(1)


@pytest.mark.parametrize("transmit", [False, True])
def test_imbalance_is_what_a_faulty_quadrature_branch_does(transmit):
    x = torch.randn((1, 50), dtype=torch.complex64, generator=generator(0, "mixer"))
    gain_db, phase_deg = torch.tensor([1.5]), torch.tensor([7.0])
    imbalances = {True: mixer.transmit_imbalance, False: mixer.receive_imbalance}
    expected = mixed_down(x[0].numpy(), 10 ** (1.5 / 20), math.radians(7.0), transmit)
    y = mixer.apply_imbalance(x, *imbalances[transmit](gain_db, phase_deg))[0]
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-5)
    other = mixer.apply_imbalance(x, *imbalances[not transmit](gain_db, phase_deg))[0]
    with np.testing.assert_raises(AssertionError):  # transmitter and receiver are not the same
        np.testing.assert_allclose(other.numpy(), expected, atol=1e-5)


def test_leakage_and_dc_have_the_stated_power():
    constant = mixer.offset(torch.tensor([-20.0, -30.0, -math.inf]), torch.tensor([0.0, 1.0, 2.0]))
    y = mixer.add_offset(tone(), constant)
    torch.testing.assert_close(y.mean(-1).abs().square(), torch.tensor([0.01, 0.001, 0.0]), atol=1e-6, rtol=1e-3)
    assert float(y[1].mean().angle()) == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(AssertionError):  # an amplitude of 10^(dB / 10) must be caught
        torch.testing.assert_close(y.mean(-1).abs()[:2], torch.tensor([0.01, 0.001]), atol=1e-6, rtol=1e-3)
