"""Every waveform of the table keeps the same contract, whichever file it comes from."""

import numpy as np
import pytest
import torch

from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.waveforms import WAVEFORMS

LENGTHS = (1, 100, 1024)
# 90 % of the power lies within this many nominal bandwidths, the carrier of AM left out: subcarriers do not fill the
# rate of their transform, speech falls off with frequency, rectangular pulses have sidelobes
NARROWEST, WIDEST = 0.3, 1.3


def make(name: str, num_records: int, num_samples: int, samples_per_symbol: int, seed: int = 0) -> torch.Tensor:
    waveform = WAVEFORMS[name]
    rate = samples_per_symbol * waveform.bandwidth_hz if waveform.bandwidth_hz else 200e3
    return waveform(num_records, num_samples, Air(samples_per_symbol, rate), generator(seed, "waveforms", name))


@pytest.mark.parametrize("samples_per_symbol", [2, 3, 4, 8, 16])
@pytest.mark.parametrize("name", WAVEFORMS)
def test_records_have_their_shape_and_are_never_empty(name, samples_per_symbol):
    for num_samples in LENGTHS:
        x = make(name, 3, num_samples, samples_per_symbol)
        assert (x.shape, x.dtype) == ((3, num_samples), torch.complex64)
        assert torch.view_as_real(x).isfinite().all()
        assert (x != 0).any(-1).all()


@pytest.mark.parametrize("name", WAVEFORMS)
def test_the_generator_alone_decides(name):
    first = make(name, 4, 100, 8)
    torch.rand(7)  # the global generator must not matter
    torch.testing.assert_close(make(name, 4, 100, 8), first, rtol=0, atol=0)
    other = make(name, 4, 100, 8, seed=1)
    assert not torch.equal(other, first)
    assert len(torch.view_as_real(first).unique(dim=0)) == 4


def mean_power(x: torch.Tensor) -> tuple[float, float]:
    """Return the mean power and its standard error over records."""
    power = x.abs().square().mean(-1).double()
    return float(power.mean()), float(power.std() / len(power) ** 0.5)


@pytest.mark.parametrize("name", WAVEFORMS)
def test_mean_power_is_one(name):
    mean, error = mean_power(make(name, 64, 2048, 8))
    assert abs(mean - 1) < 4.5 * error + 0.05


def test_power_check_catches_a_half():
    mean, error = mean_power(make("QAM64", 64, 2048, 8) * 0.5**0.5)
    assert abs(mean - 1) > 4.5 * error + 0.05


def bandwidth(x: torch.Tensor) -> float:
    """Return the band that holds 90 % of the power around the mean, in cycles per sample."""
    tapered = (x - x.mean(-1, keepdim=True)) * torch.hann_window(x.shape[-1])
    spectrum = torch.fft.fftshift(torch.fft.fft(tapered).abs().square().mean(0)).double()
    cumulative = (spectrum.cumsum(0) / spectrum.sum()).numpy()
    low, high = np.interp([0.05, 0.95], cumulative, np.arange(len(cumulative)) / len(cumulative))
    return float(high - low)


@pytest.mark.parametrize("samples_per_symbol", [4, 16])
@pytest.mark.parametrize("name", WAVEFORMS)
def test_bandwidth_is_about_the_nominal_one(name, samples_per_symbol):
    x = make(name, 32, 4096, samples_per_symbol)
    assert NARROWEST < bandwidth(x) * samples_per_symbol < WIDEST


def test_bandwidth_check_catches_half_the_symbol_length():
    assert bandwidth(make("QPSK", 32, 4096, 4)) * 8 > WIDEST
    assert bandwidth(make("GMSK", 32, 4096, 16)) * 8 < NARROWEST + 0.05


@pytest.mark.parametrize("name", WAVEFORMS)
def test_a_waveform_says_what_it_is(name):
    waveform = WAVEFORMS[name]
    for words in (waveform.family, waveform.text, waveform.source):
        assert words.strip() == words != ""
        assert len(words) < 100
        assert "\n" not in words


def test_the_table_is_as_large_as_promised():
    assert len(WAVEFORMS) >= 45
