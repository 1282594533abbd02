"""Tone and noise: one line anywhere in the nominal band, and Gaussian samples with the spectrum of QPSK."""

import torch

from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.waveforms import WAVEFORMS


def test_a_tone_is_one_line_within_the_band() -> None:
    x = WAVEFORMS["Tone"](200, 500, Air(8), generator(0, "tone"))
    steps = x[:, 1:] * x[:, :-1].conj()
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps), atol=2e-4, rtol=0)
    frequency = steps[:, 0].angle() / (2 * torch.pi) * 8
    assert frequency.abs().max() < 0.501
    assert frequency.min() < -0.45
    assert frequency.max() > 0.45


def kurtosis(x: torch.Tensor) -> float:
    power = x.abs().square()
    return float(power.square().mean() / power.mean().square())


def symbol_clock(x: torch.Tensor) -> float:
    """Return the line that power shows at the symbol rate, of 4 samples, relative to the mean power."""
    power = x.abs().square()
    clock = torch.exp(2j * torch.pi * torch.arange(x.shape[-1]) / 4)
    return float((power * clock).mean().abs() / power.mean())


def test_noise_is_stationary_and_qpsk_is_not() -> None:
    noise, qpsk = (WAVEFORMS[name](64, 8192, Air(4), generator(0, name)) for name in ("Noise", "QPSK"))
    assert symbol_clock(noise) < 0.01
    assert symbol_clock(qpsk) > 0.05


def test_noise_is_gaussian_and_qpsk_is_not() -> None:
    noise, qpsk = (WAVEFORMS[name](64, 8192, Air(4), generator(0, name)) for name in ("Noise", "QPSK"))
    assert abs(kurtosis(noise) - 2) < 0.03
    assert kurtosis(qpsk) < 1.5
    spectra = [torch.fft.fft(x).abs().square().mean(0).reshape(-1, 64).mean(1) for x in (noise, qpsk)]
    torch.testing.assert_close(spectra[0], spectra[1], rtol=0.1, atol=0.01 * float(spectra[1].max()))


def test_a_long_tone_keeps_its_phase() -> None:
    x = WAVEFORMS["Tone"](1, 2_000_000, Air(2), generator(0, "long"))[0]
    steps = x[1:] * x[:-1].conj()
    torch.testing.assert_close(steps[-1000:], steps[:1000].mean().expand(1000), atol=1e-4, rtol=0)
