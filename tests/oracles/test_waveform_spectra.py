"""Spectra of linear and continuous-phase waveforms: masks, closed forms, and where lines are and are not."""

import math

import numpy as np
import pytest
import torch

from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.keying import KEYING
from groundwave.scenes.linear import LINEAR
from groundwave.signal import constellation as con
from groundwave.signal import modulate, pulse

SPS, NUM = 8, 4096


def waveform(name: str, num_records: int = 48) -> torch.Tensor:
    return {**LINEAR, **KEYING}[name](num_records, NUM, Air(SPS), generator(0, "spectra", name))


def density(x: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return frequency in symbol rates and the mean tapered periodogram, of total power one, without its mean."""
    tapered = (x - x.mean()) * torch.blackman_window(x.shape[-1])
    power = torch.fft.fftshift(torch.fft.fft(tapered).abs().square().mean(0)).double().numpy()
    frequency = np.fft.fftshift(np.fft.fftfreq(x.shape[-1])) * SPS
    return frequency, power / power.sum() / (frequency[1] - frequency[0])


def mask_db(x: torch.Tensor) -> tuple[float, float]:
    """Return the highest density beyond the rolloff and the one at half the symbol rate, against the band's."""
    frequency, power = density(x)
    band = power[np.abs(frequency) < 0.25].mean()
    beyond = np.convolve(power, np.ones(9) / 9, "same")[np.abs(frequency) > 0.5 * 1.45].max()
    edge = power[np.abs(np.abs(frequency) - 0.5) < 0.02].mean()
    return 10 * math.log10(beyond / band), 10 * math.log10(edge / band)


@pytest.mark.parametrize("name", LINEAR)
def test_linear_waveforms_meet_their_mask(name):
    beyond, edge = mask_db(waveform(name, 160))
    assert beyond < -32
    assert edge == pytest.approx(10 * math.log10(0.5), abs=0.4)


def test_mask_catches_rectangular_pulses_and_another_rolloff():
    symbols = con.draw_symbols(con.constellation("QPSK"), 48, NUM // SPS, generator=generator(0, "box"))
    box = pulse.rectangular(SPS) * math.sqrt(SPS)
    assert mask_db(modulate.linear(symbols, box, SPS))[0] > -20
    wide = pulse.root_raised_cosine(SPS, 16, 0.6)
    assert mask_db(modulate.linear(symbols, wide, SPS))[0] > -20


def test_msk_has_the_density_of_theory():
    # Proakis 2008, 3.4-2: the squared transform of a half-sine over two symbols
    frequency, power = density(waveform("MSK"))
    theory = (16 / math.pi**2) * (np.cos(2 * math.pi * frequency) / (1 - 16 * frequency**2 + 1e-12)) ** 2
    near = np.abs(frequency) < 0.65
    smooth = [np.convolve(p, np.ones(15) / 15, "same")[near] for p in (power, theory)]
    np.testing.assert_allclose(*smooth, rtol=0.25)
    gaussian = np.convolve(density(waveform("GMSK"))[1], np.ones(15) / 15, "same")[near]
    with np.testing.assert_raises(AssertionError):
        np.testing.assert_allclose(gaussian, smooth[1], rtol=0.25)


def occupied(x: torch.Tensor) -> float:
    """Return the band of 99 % of the power in symbol rates."""
    frequency, power = density(x)
    cumulative = power.cumsum() / power.sum()
    return float(np.interp(0.995, cumulative, frequency) - np.interp(0.005, cumulative, frequency))


@pytest.mark.parametrize(("name", "expected"), [("MSK", 1.18), ("GMSK", 0.91)])
def test_minimum_shift_keying_occupies_what_is_published(name, expected):
    # Murota and Hirade 1981, table I (BT 0.3 between its rows)
    assert occupied(waveform(name)) == pytest.approx(expected, abs=0.03)
    assert occupied(waveform("GFSK")) < 0.75


def line(x: torch.Tensor, symbol_rates: float) -> float:
    """Return the share of the power in a spectral line at a frequency."""
    phase = -2 * math.pi * symbol_rates / SPS * torch.arange(x.shape[-1])
    at = (x * torch.polar(torch.ones_like(phase), phase)).mean(-1).abs().square().mean()
    return float(at / x.abs().square().mean())


@pytest.mark.parametrize(("name", "share"), [("OOK", 1 / 2), ("ASK4", 9 / 14), ("ASK8", 7 / 10), ("PAM4", 0)])
def test_amplitude_keying_without_reversal_has_a_carrier(name, share):
    assert line(waveform(name), 0.0) == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(
    ("name", "power", "symbol_rates"),
    [
        ("BPSK", 2, 0.0),
        ("PAM8", 2, 0.0),
        ("QPSK", 4, 0.0),
        ("8PSK", 8, 0.0),
        ("PI4-DQPSK", 4, 0.5),
        ("PI4-DQPSK", 4, -0.5),
        ("OQPSK", 2, 1.0),
        ("OQPSK", 2, -1.0),
        ("MSK", 2, 0.5),
        ("GMSK", 2, -0.5),
    ],
)
def test_powers_have_lines_where_theory_says_and_no_power_below_has(name, power, symbol_rates):
    x = waveform(name)
    assert line(x**power, symbol_rates) > 0.01
    assert line(x ** (power // 2), symbol_rates) < 0.005


@pytest.mark.parametrize(
    ("name", "power", "symbol_rates"),
    [("QPSK", 2, 0.0), ("QPSK", 2, 1.0), ("PI4-DQPSK", 4, 0.0), ("OQPSK", 2, 0.0), ("MSK", 2, 0.0), ("8PSK", 4, 0.0)],
)
def test_other_waveforms_lack_those_lines(name, power, symbol_rates):
    assert line(waveform(name) ** power, symbol_rates) < 0.005


@pytest.mark.parametrize("num_tones", [2, 4, 8])
def test_tones_of_index_one_are_lines(num_tones):
    # Sunde's FSK: of each tone's share of the power, one part in the number of tones is a line
    x = waveform(f"FSK{num_tones}")
    tones = [(2 * k - num_tones + 1) / (2 * num_tones) for k in range(num_tones)]
    shares = [line(x, f) for f in tones]
    assert shares == pytest.approx([num_tones**-2.0] * num_tones, abs=0.25 * num_tones**-2.0 + 0.002)
    assert line(x, 0.0) < 0.01


def test_index_one_half_has_no_lines_until_it_is_squared():
    x = waveform("MSK")
    assert line(x, 0.25) < 0.005
    assert line(x**2, 0.5) == pytest.approx(0.25, abs=0.02)


def test_offset_qpsk_stays_away_from_zero():
    low = {name: float(waveform(name).abs().quantile(0.001)) for name in ("OQPSK", "QPSK", "PI4-DQPSK")}
    assert low["QPSK"] < 0.1 < low["PI4-DQPSK"] < low["OQPSK"]


@pytest.mark.parametrize("name", KEYING)
def test_keyed_waveforms_have_a_constant_envelope_and_continuous_phase(name):
    x = waveform(name, 8)
    torch.testing.assert_close(x.abs(), torch.ones_like(x.abs()))
    step = (x[:, 1:] * x[:, :-1].conj()).angle().abs().max()
    assert float(step) <= math.pi / SPS + 1e-3
