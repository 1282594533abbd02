"""Chirps and radar codes against closed forms: sweep rates, LoRa's error rate in noise, sidelobes."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import ive

from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.radar import RADAR
from groundwave.scenes.spread import SPREAD
from groundwave.signal import chirp, radar
from groundwave.signal.noise import awgn


def frequency(x: torch.Tensor) -> torch.Tensor:
    """Return the instantaneous frequency between samples, cycles per sample."""
    return (x[..., 1:] * x[..., :-1].conj()).angle() / (2 * math.pi)


def lora(symbols: torch.Tensor, factor: int, rate: int) -> torch.Tensor:
    """Modulate whole symbols."""
    num_samples = symbols.shape[1] * rate << factor
    return chirp.lora_at(symbols, symbols.new_zeros(len(symbols)), num_samples, factor, rate)


def slow_lora(symbol: int, factor: int, rate: int) -> np.ndarray:
    """Add up the frequency (s + t) mod N over N chips, from -1/2 to 1/2 cycle per chip, in tiny steps."""
    chips, fine = 2**factor, 64
    t = (np.arange(chips * rate * fine) + 0.5) / (rate * fine)
    steps = (((symbol + t) % chips) / chips - 0.5) / (rate * fine)
    phase = np.concatenate([[0.0], np.cumsum(steps)[:-1]])[::fine]
    return np.exp(2j * np.pi * phase)


@pytest.mark.parametrize("symbol", [0, 1, 77, 127])
@pytest.mark.parametrize("rate", [1, 3])
def test_lora_symbols_equal_their_slow_twin(symbol, rate):
    fast = lora(torch.tensor([[symbol]]), 7, rate)[0].numpy()
    np.testing.assert_allclose(fast, slow_lora(symbol, 7, rate), atol=2e-3)
    assert np.abs(fast - slow_lora((symbol + 1) % 128, 7, rate)).mean() > 0.5


@pytest.mark.parametrize("rate", [1, 4])
@pytest.mark.parametrize("factor", [7, 9])
def test_every_lora_value_demodulates(factor, rate):
    values = torch.arange(2**factor).reshape(2, -1)
    torch.testing.assert_close(chirp.lora_symbols(lora(values, factor, rate), factor, rate), values)


def test_lora_symbols_join_without_a_jump():
    symbols = torch.randint(128, (1, 40), generator=generator(0, "joins"))
    x = lora(symbols, 7, 8)
    assert frequency(x).abs().max() < 0.5 / 8 + 1e-3
    turned = torch.cat([x[:, :1024], -x[:, 1024:2048]], 1)  # a symbol that does not begin at phase zero is caught
    assert frequency(turned).abs().max() > 0.4


def symbol_error_rate(num_symbols: int, es_n0: float) -> float:
    """Return the error rate of non-coherent orthogonal signalling (Proakis 2008, eq. 4.5-43, as an integral)."""

    def density(y: float) -> float:  # of the right bin's power: non-central chi-squared, two degrees of freedom
        return math.exp(-((math.sqrt(y) - math.sqrt(es_n0)) ** 2)) * ive(0, 2 * math.sqrt(y * es_n0))

    right, _ = quad(lambda y: density(y) * (1 - math.exp(-y)) ** (num_symbols - 1), 0, es_n0 + 60, limit=200)
    return 1 - right


def lora_errors(snr_db: float, loss: float = 1.0) -> tuple[int, int]:
    symbols = torch.randint(128, (20, 300), generator=generator(0, "lora"))
    x = awgn(lora(symbols, 7, 1), torch.full((20,), snr_db + 10 * math.log10(loss)), generator=generator(1, "n"))
    return int((chirp.lora_symbols(x, 7, 1) != symbols).sum()), symbols.numel()


@pytest.mark.parametrize("snr_db", [-12.0, -10.0, -9.0])
def test_lora_errors_follow_theory(snr_db):
    errors, count = lora_errors(snr_db)
    rate = symbol_error_rate(128, 128 * 10 ** (snr_db / 10))
    assert abs(errors - rate * count) < 4 * math.sqrt(rate * (1 - rate) * count)


def test_lora_error_check_catches_half_a_decibel():
    errors, count = lora_errors(-10.0, loss=10**-0.05)
    rate = symbol_error_rate(128, 128 * 0.1)
    assert abs(errors - rate * count) > 4 * math.sqrt(rate * (1 - rate) * count)


@pytest.mark.parametrize("name", [name for name in SPREAD if name.startswith("LoRa")])
def test_lora_records_sweep_at_their_rate(name):
    factor = int(name.removeprefix("LoRa-SF"))
    x = SPREAD[name](50, 1024, Air(8), generator(0, name))
    slope = frequency(x).diff(dim=-1).median()
    torch.testing.assert_close(slope, torch.tensor(1 / 64 / 2**factor), rtol=0.02, atol=1e-7)


@pytest.mark.parametrize(("length", "bandwidth"), [(400.0, 0.2), (300.0, -0.1)])
def test_sweeps_have_their_rate_and_band(length, bandwidth):
    t = torch.arange(int(length), dtype=torch.float64)
    f = frequency(chirp.sweep(t, torch.full_like(t, length), bandwidth))
    expected = bandwidth * ((torch.arange(len(f)) + 0.5) / length - 0.5)
    torch.testing.assert_close(f, expected, atol=1e-4, rtol=0)
    assert (f + expected).abs().max() > 0.09  # a sweep the wrong way is caught


@pytest.mark.parametrize(("name", "sign"), [("FMCW-up", 1), ("FMCW-down", -1)])
def test_sawtooth_records_sweep_one_way(name, sign):
    slope = frequency(RADAR[name](50, 1024, Air(8), generator(0, name))).diff(dim=-1).median(dim=1).values
    assert (slope * sign > 0).all()
    rate = slope.abs() * 64  # bandwidth over time, in bandwidths squared: 1 / product
    assert (1 / rate).min() > 23
    assert (1 / rate).max() < 98


def test_triangles_sweep_both_ways_without_a_jump():
    x = RADAR["FMCW-triangle"](50, 4096, Air(8), generator(0, "triangle"))
    slope = frequency(x).diff(dim=-1)
    assert slope.abs().max() < 1 / 64 / 23
    torch.testing.assert_close((slope > 0).float().mean(), torch.tensor(0.5), atol=0.03, rtol=0)


def sidelobe(code: torch.Tensor) -> float:
    """Return the largest sidelobe of the aperiodic autocorrelation over its peak."""
    lags = np.abs(np.correlate(code.numpy(), code.numpy(), "full"))[len(code) - 1 :]
    return float(lags[1:].max() / lags[0])


@pytest.mark.parametrize("length", radar.BARKER)
def test_barker_sidelobes_are_at_most_one(length):
    code = radar.barker(length)
    np.testing.assert_allclose(sidelobe(code) * length, 1, atol=1e-5)
    for k in range(1, length - 1):  # any other sign spoils it (those at the ends may not)
        wrong = code.clone()
        wrong[k] *= -1
        assert sidelobe(wrong) * length > 1.5


@pytest.mark.parametrize(
    ("code", "level_db"),  # 1 / (pi M) for Frank's, sqrt(2 / N) / pi for P4, both for many chips (Lewis 1982)
    [(radar.frank(8), -28.0), (radar.p4(64), -25.0)],
    ids=["Frank64", "P4-64"],
)
def test_polyphase_codes_are_perfect_when_repeated(code, level_db):
    periodic = torch.fft.ifft(torch.fft.fft(code).abs().square())
    assert periodic[1:].abs().max() < 1e-3  # Frank 1963; Lewis and Kretschmer 1982
    np.testing.assert_allclose(20 * math.log10(sidelobe(code)), level_db, atol=1)
    noise = torch.polar(torch.ones(64), 6.2831 * torch.rand(64, generator=generator(0, "code")))
    assert 20 * math.log10(sidelobe(noise)) > -20


@pytest.mark.parametrize("name", ["Pulse", "LFM-pulse", "Barker13", "Frank64", "P4-64"])
@pytest.mark.parametrize("num_samples", [1, 60, 1024, 9000])
def test_records_always_hold_a_pulse(name, num_samples):
    x = RADAR[name](100, num_samples, Air(4), generator(0, name))
    torch.testing.assert_close(x.abs().square().mean(-1), torch.ones(100), atol=1e-4, rtol=0)
    if num_samples == 9000:  # several periods: the duty cycle is what the table says
        duty = (x.abs() > 0.3 * x.abs().amax(1, keepdim=True)).float().mean(1)
        assert duty.min() > 0.01
        assert duty.max() < 0.35


@pytest.mark.parametrize(("name", "code"), [("Barker13", radar.barker(13)), ("P4-64", radar.p4(64))])
def test_pulses_compress_to_their_length(name, code):
    x = RADAR[name](4, 4000, Air(2), generator(1, name))
    pulse = radar.coded_pulse(code, 2)
    match = torch.nn.functional.conv1d(torch.view_as_real(x).mT, torch.view_as_real(pulse).T[None])[:, 0]
    peak = match.amax(1) / x.abs().amax(1)
    energy = pulse.abs().square().sum() / pulse.abs().max()
    torch.testing.assert_close(peak, energy.expand(4), rtol=0.02, atol=0)


def test_linear_pulses_sweep_their_band_and_little_else():
    x = radar.linear_pulse(512, 1 / 8)
    spectrum = torch.fft.fft(x, 4096).abs().square()
    far = torch.fft.fftfreq(4096).abs() > 1 / 8  # twice the sweep
    assert spectrum[far].mean() / spectrum[~far].mean() < 2e-4
    hard = torch.fft.fft(x / x.abs(), 4096).abs().square()  # edges that were cut are caught
    assert hard[far].mean() / hard[~far].mean() > 4e-4
    slope = frequency(x)[100:-100].diff().mean()
    torch.testing.assert_close(slope, torch.tensor(1 / 8 / 512), rtol=0.01, atol=0)


def test_long_sawtooths_keep_their_phase():
    x = RADAR["FMCW-up"](1, 1_000_000, Air(4), generator(0, "long"))[0]
    slope = frequency(x).diff()
    torch.testing.assert_close(slope[-50_000:].median(), slope[:50_000].median(), atol=1e-6, rtol=1e-3)
    assert slope[-50_000:].abs().quantile(0.9) < 1.01 * slope[:50_000].abs().quantile(0.9)
