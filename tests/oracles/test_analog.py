"""Analog modulators and the speech source against closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import hilbert

from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.analog import ANALOG
from groundwave.signal import analog
from groundwave.signal.message import _harmonics, speech


def tone(frequency: float, num_samples: int = 4000) -> torch.Tensor:
    return torch.cos(2 * math.pi * frequency * torch.arange(num_samples))[None]


def lines(x: torch.Tensor) -> dict[int, float]:
    """Return the powers of the spectral lines that carry at least a thousandth of the power, by bin."""
    power = (torch.fft.fft(x[0]) / x.shape[-1]).abs().square()
    n = x.shape[-1]
    return {(int(k) + n // 2) % n - n // 2: float(power[k]) for k in (power > 1e-3 * power.sum()).nonzero()[:, 0]}


def test_amplitude_modulation_has_a_carrier_and_two_sidebands():
    assert lines(analog.am_dsb(0.5 * tone(0.01))) == pytest.approx({0: 1.0, 40: 0.0625, -40: 0.0625}, abs=1e-4)


def analytic(message: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(hilbert(message.numpy()))


@pytest.mark.parametrize(("sideband", "bin_"), [("upper", 40), ("lower", -40)])
def test_single_sideband_has_one_line_on_its_side(sideband, bin_):
    assert lines(analog.am_ssb(analytic(tone(0.01)), sideband)) == pytest.approx({bin_: 1.0}, abs=1e-4)


def test_sideband_check_catches_a_message_without_its_hilbert_transform():
    assert set(lines(tone(0.01).to(torch.complex64))) == {40, -40}


def peak_deviation(x: torch.Tensor) -> float:
    """Return the peak of the instantaneous frequency, cycles per sample."""
    return float((x[:, 1:] * x[:, :-1].conj()).angle().abs().max() / (2 * math.pi))


def emphasised(hertz: float) -> float:
    """Return the gain of 75 microseconds of pre-emphasis."""
    return math.sqrt(1 + (2 * math.pi * hertz * 75e-6) ** 2)


@pytest.mark.parametrize("hertz", [500.0, 5000.0])
def test_frequency_modulation_deviates_as_pre_emphasis_says(hertz):
    rate, amplitude = 200e3, 0.02
    x = analog.wbfm(amplitude * tone(hertz / rate), rate)
    assert peak_deviation(x) == pytest.approx(75e3 / rate * amplitude * emphasised(hertz), rel=0.03)


def test_deviation_check_catches_missing_and_american_for_european_emphasis():
    rate, amplitude, message = 200e3, 0.02, tone(5000 / 200e3)
    expected = pytest.approx(75e3 / rate * amplitude * emphasised(5000.0), rel=0.03)
    assert peak_deviation(analog.wbfm(amplitude * message, rate, tau_s=50e-6)) != expected
    assert peak_deviation(analog.nbfm(amplitude * message, rate, deviation_hz=75e3)) != expected


@pytest.mark.parametrize("deviation_hz", [2.5e3, 5e3])
def test_narrow_frequency_modulation_deviates_alike_at_all_audio_frequencies(deviation_hz):
    for hertz in (300.0, 3000.0):
        x = analog.nbfm(0.1 * tone(hertz / 80e3), 80e3, deviation_hz)
        assert peak_deviation(x) == pytest.approx(deviation_hz / 80e3 * math.tanh(0.1), rel=0.01)
    assert peak_deviation(analog.nbfm(9 * tone(0.01), 80e3, deviation_hz)) <= deviation_hz / 80e3 + 1e-4


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


def waveform(name: str) -> torch.Tensor:
    rate = 8 * (ANALOG[name].bandwidth_hz or 0)
    return ANALOG[name](32, 4096, Air(8, rate), generator(0, "analog", name))


def sideband_share(x: torch.Tensor) -> float:
    """Return the share of the power at positive frequencies."""
    power = torch.fft.fft(x * torch.hann_window(x.shape[-1])).abs().square().mean(0)
    half = len(power) // 2
    return float(power[1:half].sum() / (power[1:half].sum() + power[half + 1 :].sum()))


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("AM-USB", 0.98, 1), ("AM-SSB", 0.98, 1), ("AM-LSB", 0, 0.02), ("AM-DSB-SC", 0.499, 0.501)],
)
def test_sidebands_lie_on_their_sides(name, low, high):
    share = sideband_share(waveform(name))
    assert low <= share <= high
    if name != "AM-DSB-SC":
        assert not low <= sideband_share(waveform(name).conj()) <= high


def wrong_side_db(name: str) -> float:
    """Return the power on the side that a single-sideband record should leave empty."""
    x = waveform(name).conj() if name == "AM-LSB" else waveform(name)
    power = torch.fft.fft(x * torch.blackman_window(x.shape[-1])).abs().square().mean(0)
    return float(10 * (power[len(power) // 2 + 1 :].sum() / power.sum()).log10())


def test_single_sideband_leaves_the_other_empty():
    assert wrong_side_db("AM-USB") < -65
    assert wrong_side_db("AM-LSB") < -65
    assert wrong_side_db("AM-SSB") > -50  # RadioML's, with images of the audio


def test_audio_without_images_is_otherwise_the_same():
    sharp, soft = (speech(8, 4000, 40e3, image_free=free, generator=generator(3, "same")) for free in (True, False))
    assert float((sharp - soft).abs().square().mean()) < 2e-4
    assert float((sharp[:, 1:] - soft[:, :-1]).abs().square().mean()) > 1e-2  # a sample late


@pytest.mark.parametrize(("name", "share"), [("AM-DSB", 0.955), ("AM-DSB-SC", 0.0), ("AM-USB", 0.0)])
def test_only_full_amplitude_modulation_has_a_carrier(name, share):
    x = waveform(name)
    carrier = x.mean(-1).abs().square().mean() / x.abs().square().mean()
    assert float(carrier) == pytest.approx(share, abs=0.015)


@pytest.mark.parametrize("name", ANALOG)
def test_amplitude_modulation_moves_the_envelope_and_frequency_modulation_does_not(name):
    spread = float(waveform(name).abs().std(-1).mean())
    if ANALOG[name].family == "fm":
        assert spread < 1e-4
    else:
        assert spread > 0.1


def slow_harmonics(first: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Add up the harmonics one by one, coefficients interpolated by NumPy."""
    knots = np.linspace(0, len(first) - 1, coefficients.shape[1])
    time, total = np.arange(len(first)), np.zeros(len(first), complex)
    for k, row in enumerate(coefficients):
        total += (np.interp(time, knots, row.real) + 1j * np.interp(time, knots, row.imag)) * first ** (k + 1)
    return total


@pytest.mark.parametrize(("num_samples", "num_knots"), [(12, 2), (76, 3), (1000, 9), (50, 50)])
def test_harmonics_equal_their_slow_twin(num_samples, num_knots):
    draw = generator(0, "harmonics")
    angle = 2 * math.pi * torch.rand(2, num_samples, generator=draw)
    first = torch.polar(torch.ones_like(angle), angle)
    coefficients = torch.randn(2, 32, num_knots, dtype=torch.complex64, generator=draw)
    fast = _harmonics(first, coefficients).numpy()
    slow = [
        slow_harmonics(*(t.numpy().astype(complex) for t in pair)) for pair in zip(first, coefficients, strict=True)
    ]
    np.testing.assert_allclose(fast, slow, atol=1e-4)
    with np.testing.assert_raises(AssertionError):  # an octave too high
        np.testing.assert_allclose(_harmonics(first * first, coefficients).numpy(), slow, atol=1e-4)
