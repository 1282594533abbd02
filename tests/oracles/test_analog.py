"""Analog modulators and the speech source against closed forms."""

import math

import pytest
import torch

from groundwave.rng import generator
from groundwave.signal import analog
from groundwave.signal.message import speech


def tone(frequency: float, num_samples: int = 4000) -> torch.Tensor:
    return torch.cos(2 * math.pi * frequency * torch.arange(num_samples))[None]


def lines(x: torch.Tensor) -> dict[int, float]:
    """Return the powers of the spectral lines that carry at least a thousandth of the power, by bin."""
    power = (torch.fft.fft(x[0]) / x.shape[-1]).abs().square()
    n = x.shape[-1]
    return {(int(k) + n // 2) % n - n // 2: float(power[k]) for k in (power > 1e-3 * power.sum()).nonzero()[:, 0]}


def test_amplitude_modulation_has_a_carrier_and_two_sidebands():
    assert lines(analog.am_dsb(0.5 * tone(0.01))) == pytest.approx({0: 1.0, 40: 0.0625, -40: 0.0625}, abs=1e-4)


@pytest.mark.parametrize(("sideband", "bin_"), [("upper", 40), ("lower", -40)])
def test_single_sideband_has_one_line_on_its_side(sideband, bin_):
    assert lines(analog.am_ssb(analog.analytic(tone(0.01)), sideband)) == pytest.approx({bin_: 1.0}, abs=1e-4)


def test_sideband_check_catches_a_message_without_its_hilbert_transform():
    assert set(lines(tone(0.01).to(torch.complex64))) == {40, -40}


def test_analytic_signal_keeps_the_message_for_odd_and_even_lengths():
    for num_samples in (999, 1000):
        message = torch.randn(2, num_samples, generator=generator(0, "message"))
        torch.testing.assert_close(analog.analytic(message).real, message, atol=1e-5, rtol=0)


def peak_deviation(x: torch.Tensor) -> float:
    """Return the peak of the instantaneous frequency, cycles per sample."""
    return float((x[:, 1:] * x[:, :-1].conj()).angle().abs().max() / (2 * math.pi))


@pytest.mark.parametrize("hertz", [500.0, 5000.0])
def test_frequency_modulation_deviates_as_pre_emphasis_says(hertz):
    rate, amplitude = 200e3, 0.02
    x = analog.wbfm(amplitude * tone(hertz / rate), rate)
    expected = 75e3 / rate * amplitude * math.sqrt(1 + (2 * math.pi * hertz * 75e-6) ** 2)
    assert peak_deviation(x) == pytest.approx(expected, rel=0.03)


def test_frequency_modulation_has_unit_envelope_and_never_passes_its_deviation():
    x = analog.wbfm(3 * tone(0.01), 200e3)
    torch.testing.assert_close(x.abs(), torch.ones_like(x.abs()))
    assert peak_deviation(x) <= 75 / 200 + 1e-4


def test_speech_has_unit_power_one_sideband_and_no_direct_current():
    message = speech(100, 60_000, 200e3, generator=generator(0, "speech"))
    torch.testing.assert_close(message.real.square().mean(), torch.tensor(1.0), rtol=0.05, atol=0)
    power = torch.fft.fft(message).abs().square().mean(0)
    assert float(power[30_000:].sum() / power.sum()) < 0.01  # negative frequencies
    within = power[15:1900].sum() / power.sum()  # 50 Hz to 6.3 kHz
    assert float(within) > 0.97


def test_speech_is_never_silent():
    message = speech(400, 1024, 200e3, generator=generator(1, "speech")).real
    assert float(message.square().mean(-1).sqrt().min()) > 0.1


def test_speech_has_pitch():
    message = speech(40, 40_000, 200e3, generator=generator(2, "speech")).real[:, ::16]
    spectrum = torch.fft.rfft(message, 8192).abs().square()
    correlation = torch.fft.irfft(spectrum)
    # somewhere between 1 / 300 Hz and 1 / 70 Hz (42 and 178 audio samples) the record resembles itself
    periodic = correlation[:, 42:178].amax(1) / correlation[:, 0]
    assert float(periodic.median()) > 0.4
    noise = torch.fft.irfft(torch.fft.rfft(torch.randn(40, 2500, generator=generator(0, "hiss")), 8192).abs().square())
    assert float((noise[:, 42:178].amax(1) / noise[:, 0]).median()) < 0.2
