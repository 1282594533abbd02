"""Cellular carriers against the tables and the timing of their standards. Each test also catches a lie."""

import numpy as np
import pytest
import torch
from scipy.ndimage import maximum_filter1d
from scipy.signal import find_peaks

from groundwave.rng import generator
from groundwave.scenes.carriers import Carrier, Fading, Radar, Traffic, carriers, transmit, transmit_filter
from groundwave.signal import grids
from groundwave.signal.profiles import PROFILES

FULL = Traffic(idle=(0.0, 0.0), load=(1.0, 1.0), tdd=0.0)
IDLE = Traffic(idle=(1.0, 1.0), load=(1.0, 1.0), tdd=0.0)
# resource blocks of 12 subcarriers: TS 36.101 table 5.6-1; TS 38.101-1 table 5.3.2-1
LTE = {5: 25, 10: 50, 15: 75, 20: 100}
NR = {15: {10: 52, 15: 79, 20: 106, 25: 133, 30: 160, 40: 216, 50: 270}}
NR[30] = {10: 24, 15: 38, 20: 51, 25: 65, 30: 78, 40: 106, 50: 133}
ALL = [("LTE", carrier) for carrier in carriers("LTE")] + [("NR", carrier) for carrier in carriers("NR")]
NAMES = [f"{name}-{c.channel_mhz}-{c.layout.numerology.spacing_hz / 1e3:g}" for name, c in ALL]


def blocks(name: str, carrier: Carrier) -> int:
    spacing = round(carrier.layout.numerology.spacing_hz / 1e3)
    return LTE[carrier.channel_mhz] if name == "LTE" else NR[spacing][carrier.channel_mhz]


@pytest.mark.parametrize(("name", "carrier"), ALL, ids=NAMES)
def test_a_loaded_carrier_is_as_wide_as_its_table_says(name: str, carrier: Carrier) -> None:
    sizes = carrier.layout.numerology
    x = transmit(carrier, 2e-3, FULL, None, generator=generator(1)).numpy()
    window = np.hanning(4096)
    frames = x[: len(x) // 4096 * 4096].reshape(-1, 4096) * window
    power = (np.abs(np.fft.fftshift(np.fft.fft(frames), axes=1)) ** 2).mean(0) / (window**2).sum()
    frequency_hz = (np.arange(4096) / 4096 - 0.5) * sizes.sample_rate_hz
    inside = power > 0.25
    measured = frequency_hz[inside].max() - frequency_hz[inside].min()
    expected = 12 * blocks(name, carrier) * sizes.spacing_hz
    assert measured == pytest.approx(expected, abs=0.45 * 12 * sizes.spacing_hz)
    assert carrier.bandwidth_hz == expected
    assert measured != pytest.approx(expected - 12 * sizes.spacing_hz, abs=0.45 * 12 * sizes.spacing_hz)
    # an element of data has unit power: the density of white noise of unit power
    assert 10 * np.log10(power[np.abs(frequency_hz) < 0.4 * expected].mean()) == pytest.approx(0.0, abs=0.4)
    gain = transmit_filter(carrier, torch.tensor([0.0, 0.49 * expected, 0.5e6 * carrier.channel_mhz])).abs()
    torch.testing.assert_close(gain, torch.tensor([1.0, 1.0, 1e-3]))


def lone_bursts_s(carrier: Carrier, duration_s: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return starts and lengths of what an idle carrier sends."""
    rate = carrier.layout.numerology.sample_rate_hz
    x = transmit(carrier, duration_s, IDLE, None, generator=generator(seed))
    on = maximum_filter1d(x.abs().numpy(), 5) > 1e-6
    edges = np.diff(np.concatenate([[0], on.astype(int), [0]]))
    starts, stops = (edges == 1).nonzero()[0], (edges == -1).nonzero()[0]
    inner = (starts > 0) & (stops < len(on))
    return starts[inner] / rate, (stops - starts)[inner] / rate


@pytest.mark.parametrize("spacing_khz", [15, 30])
def test_an_idle_nr_carrier_sends_bursts_of_four_synchronisation_blocks_every_20_ms(spacing_khz: int) -> None:
    carrier = next(c for c in carriers("NR") if c.layout.numerology.spacing_hz == spacing_khz * 1e3)
    starts, lengths = lone_bursts_s(carrier, 50e-3, 2)
    symbol = 1e-3 / 14 * 15 / spacing_khz
    np.testing.assert_allclose(lengths, 4 * symbol, rtol=0.01)
    gaps = np.diff(starts) / symbol
    short, period = gaps[gaps < 100], 20e-3 / symbol
    assert set(np.round(short)) == {6, 8}  # TS 38.213, 4.1: symbols 2 and 8 of consecutive slots
    first = starts[1:][gaps > 100]
    if len(first) > 1:
        np.testing.assert_allclose(np.diff(first) / symbol, period, rtol=1e-3)
    np.testing.assert_allclose(gaps[gaps > 100], period - 20, rtol=1e-3)
    blocks, fft = grids.NR_WIDTHS[spacing_khz][10], carrier.layout.numerology.num_fft
    often = Carrier(grids.nr_carrier(spacing_khz, blocks, fft, 4, 10), carrier.num_steps, carrier.bandwidth_hz, 10)
    gaps = np.diff(lone_bursts_s(often, 50e-3, 2)[0]) / symbol
    with pytest.raises(AssertionError):  # every frame
        np.testing.assert_allclose(gaps[gaps > 100], period - 20, rtol=1e-3)


def test_an_idle_lte_carrier_synchronises_every_5_ms_and_broadcasts_every_10() -> None:
    carrier = carriers("LTE")[0]
    sizes = carrier.layout.numerology
    x = transmit(carrier, 30e-3, IDLE, None, generator=generator(4)).numpy()
    peaks = []
    for identity in range(3):
        grid = np.zeros(sizes.num_fft, complex)
        grid[np.r_[-31:0, 1:32]] = grids.zadoff_chu_pss(identity).numpy()
        peaks.append(np.abs(np.correlate(x, np.fft.ifft(grid, norm="ortho"))))
    best = max(peaks, key=np.max)
    places = find_peaks(best, height=0.8 * best.max(), distance=1000)[0]
    np.testing.assert_allclose(np.diff(places), 5e-3 * sizes.sample_rate_hz, atol=1)
    grid = IDLE.grid(carrier, 0, 2 * 140, generator=generator(4)).abs() > 0
    centre = grid[:, 150 - 36 : 150 + 37].float().sum(1).reshape(2, 140)  # without the carrier: 72
    expected = torch.tensor([140 * [1.0]] * 2)  # TS 36.211, 6.6.4: the first four symbols of slot 1 of each frame
    expected[:, 7:11] = 72
    broadcast = torch.where(centre == 72, 72.0, 1.0)
    torch.testing.assert_close(broadcast, expected)
    with pytest.raises(AssertionError):  # a slot early
        torch.testing.assert_close(broadcast.roll(-7), expected)


def test_uplink_slots_of_tdd_are_silent() -> None:
    carrier = next(c for c in carriers("NR") if c.layout.numerology.spacing_hz == 30e3)

    def silence(tdd: float) -> np.ndarray:
        traffic = Traffic(FULL.idle, FULL.load, tdd)
        return transmit(carrier, 20e-3, traffic, None, generator=generator(5)).abs().numpy() < 1e-6

    silent = silence(1.0)
    assert silent.mean() == pytest.approx(18 / 70, abs=0.01)  # a slot and 4 symbols of five slots
    period = round(2.5e-3 * carrier.layout.numerology.sample_rate_hz)
    assert (silent[period:] == silent[:-period]).mean() > 0.999
    assert (silent[period // 2 :] == silent[: -(period // 2)]).mean() < 0.8
    assert silence(0.0).mean() < 1e-4


@pytest.mark.parametrize("load", [0.2, 0.6])
def test_schedules_carry_the_load_and_are_idle_as_often_as_asked(load: float) -> None:
    traffic = Traffic((0.3, 0.3), (load, load), 0.0)
    draws = [traffic.schedule(200, 100, generator=generator(6, i)) for i in range(40)]
    on = torch.stack(draws).float()
    assert float((on.sum(2) == 0).float().mean()) == pytest.approx(0.3, abs=0.05)
    assert float(on.mean()) == pytest.approx(0.7 * load, abs=0.03)
    stays = (on[:, 1:] == on[:, :-1]).all(2).float().mean()
    assert float(stays) == pytest.approx(0.75 + 0.25 * 0.3**2, abs=0.04)  # a mean run of 4, or idle again


@pytest.mark.parametrize("profile", ["EPA", "TDL-A"])
def test_fading_leaves_the_mean_power_and_is_coherent_over_what_its_delays_say(profile: str) -> None:
    known = PROFILES[profile]
    fading = Fading(known, 100e-9 if known.normalised else None, 70.0)
    sizes = carriers("LTE")[3].layout.numerology
    response = torch.stack([fading.response(sizes, 14, generator=generator(7, i))[0] for i in range(600)])
    power = response.abs().square().mean()
    assert float(power) == pytest.approx(1.0, abs=0.13)
    lag = 40  # subcarriers of 15 kHz
    measured = (response[:, lag:] * response[:, :-lag].conj()).mean() / power
    scale = 100e-9 if known.normalised else 1.0
    expected = sum(
        p * np.exp(-2j * np.pi * lag * 15e3 * d * scale) for p, d in zip(known.powers, known.delays, strict=True)
    )
    assert abs(complex(measured) - expected) < 0.06
    assert abs(complex(measured) - expected.conjugate()) > 0.1


def test_radar_pulses_repeat_and_sweep_their_band() -> None:
    radar = Radar(pulse_s=100e-6, interval_s=1e-3, chirp_hz=5e6)
    rate = 15.36e6
    pulses = radar.pulses(10e-3, 64, 0.1, generator=generator(8))
    np.testing.assert_allclose(np.diff([p.start for p in pulses]), 1e-3 * rate, atol=1)
    x = pulses[0].x.numpy()
    assert len(x) == round(100e-6 * rate)
    frequency = np.angle(x[1:] * x[:-1].conj()) / (2 * np.pi) * rate
    np.testing.assert_allclose(np.diff(frequency[20:-20]), 5e6 / len(x), rtol=0.2)
    assert pulses[0].start <= 0 < pulses[1].start
