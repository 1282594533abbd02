"""Agreement of the clean waveforms with the output of GNU Radio 3.10, an independent implementation."""

import numpy as np
import pytest
import torch

from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.published import _QUIET
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.signal import modulate, pulse
from groundwave.signal.constellation import constellation, draw_symbols
from groundwave.signal.noise import unit_power

DIGITAL = ("8PSK", "BPSK", "CPFSK", "GFSK", "PAM4", "QAM16", "QAM64", "QPSK")
ANALOG = ("AM-DSB", "AM-SSB", "WBFM")


@pytest.fixture(scope="module")
def clean(shared_data):
    with np.load(shared_data / "reference" / "gr_clean.npz", allow_pickle=False) as file:
        x, name = file["X"], file["mod"]
    iq = torch.complex(torch.from_numpy(x[:, 0].copy()), torch.from_numpy(x[:, 1].copy()))
    return {k: iq[torch.from_numpy(name == k)] for k in (*DIGITAL, *ANALOG)}


def ours(name: str) -> torch.Tensor:
    air = Air(8, 220.5e3 if name == "WBFM" else 200e3, _QUIET)
    return WAVEFORMS[name](400, 1024, air, generator(0, "gnuradio", name))


def bandwidths_khz(x: torch.Tensor) -> np.ndarray:
    """Return B99 and B90 of the mean periodogram at a nominal 200 kHz."""
    spectrum = torch.fft.fftshift(torch.fft.fft(x).abs().square().mean(0)).double()
    cumulative, bins = (spectrum.cumsum(0) / spectrum.sum()).numpy(), np.arange(x.shape[-1])
    edge = [np.interp((1 + q) / 2, cumulative, bins) - np.interp((1 - q) / 2, cumulative, bins) for q in (0.99, 0.9)]
    return np.array(edge) / x.shape[-1] * 200


def envelope(x: torch.Tensor) -> np.ndarray:
    """Return mean |x|, var |x| and kurtosis at unit power."""
    a = unit_power(x).abs().double()
    return np.array([a.mean(), a.var(), a.pow(4).mean()])


def assert_same_envelope(a: torch.Tensor, b: torch.Tensor) -> None:
    """Compare mean and variance within 0.005, about four standard errors of 100 records; kurtosis varies more."""
    np.testing.assert_allclose(envelope(a)[:2], envelope(b)[:2], rtol=0, atol=0.005)
    np.testing.assert_allclose(envelope(a)[2], envelope(b)[2], rtol=0, atol=0.03)


@pytest.mark.parametrize("name", DIGITAL)
def test_digital_modulations_have_the_same_bandwidth(clean, name):
    np.testing.assert_allclose(bandwidths_khz(ours(name)), bandwidths_khz(clean[name]), rtol=0.02)


@pytest.mark.parametrize("name", DIGITAL)
def test_digital_modulations_have_the_same_envelope(clean, name):
    assert_same_envelope(ours(name), clean[name])


def test_agreement_is_sharp_enough_to_tell_modulations_apart(clean):
    for one, other in (("QAM16", "QAM64"), ("QPSK", "8PSK"), ("BPSK", "PAM4")):
        with np.testing.assert_raises(AssertionError):
            assert_same_envelope(ours(one), clean[other])
    with np.testing.assert_raises(AssertionError):
        np.testing.assert_allclose(bandwidths_khz(ours("CPFSK")), bandwidths_khz(clean["GFSK"]), rtol=0.02)
    with np.testing.assert_raises(AssertionError):  # a rolloff of 0.3 instead of 0.35
        draw = generator(0, "rolloff")
        symbols = draw_symbols(constellation("QPSK"), 300, 144, generator=draw)
        narrow = modulate.linear(symbols, pulse.root_raised_cosine(8, 16, 0.3), 8)[:, :1024]
        np.testing.assert_allclose(bandwidths_khz(narrow), bandwidths_khz(clean["QPSK"]), rtol=0.02)


def modulation_index(x: torch.Tensor) -> float:
    """Return h from the largest phase step: pi h / 8 radians per sample."""
    step = (x[:, 1:] * x[:, :-1].conj()).angle().abs()
    return float(step.quantile(0.99) * 8 / torch.pi)


@pytest.mark.parametrize(("name", "index"), [("GFSK", 0.8 / np.pi), ("CPFSK", 0.5)])
def test_modulation_indices(clean, name, index):
    assert modulation_index(ours(name)) == pytest.approx(index, abs=0.001)
    assert modulation_index(clean[name]) == pytest.approx(index, abs=0.001)
    assert modulation_index(ours("CPFSK4")) != pytest.approx(index, abs=0.1)


def test_amplitude_modulation_has_the_same_carrier_envelope_and_bandwidth(clean):
    def carrier(x: torch.Tensor) -> float:
        return float((unit_power(x).mean(-1).abs().square()).mean())

    assert carrier(ours("AM-DSB")) == pytest.approx(carrier(clean["AM-DSB"]), abs=0.001)
    np.testing.assert_allclose(envelope(ours("AM-DSB")), envelope(clean["AM-DSB"]), rtol=0, atol=0.002)
    np.testing.assert_allclose(bandwidths_khz(ours("AM-DSB")), bandwidths_khz(clean["AM-DSB"]), rtol=0.01)
    louder = WAVEFORMS["AM-DSB"](300, 1024, Air(8, 200e3, (0.1, 0.1)), generator(0, "louder"))
    assert carrier(louder) != pytest.approx(carrier(clean["AM-DSB"]), abs=0.001)


def test_frequency_modulation_has_a_constant_envelope_in_both(clean):
    for x in (ours("WBFM"), clean["WBFM"]):
        np.testing.assert_allclose(envelope(x), [1, 0, 1], atol=1e-4)


@pytest.mark.parametrize("name", ["AM-SSB", "WBFM"])
def test_audio_modulations_resemble_those_of_a_podcast(clean, name):
    # another voice says other words, and bootstrapping its 100 records moves its B90 by a quarter: only the order of
    # magnitude is physics
    np.testing.assert_allclose(bandwidths_khz(ours(name)), bandwidths_khz(clean[name]), rtol=0.4)
    np.testing.assert_allclose(envelope(ours(name)), envelope(clean[name]), rtol=0.1, atol=0.02)
