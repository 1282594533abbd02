"""Who sends at 2.4 GHz, against the standards: channels, timing, bandwidths, and packets that can be decoded."""

import numpy as np
import pytest
import torch

from groundwave.rng import generator
from groundwave.scenes.ism_emitters import EMITTERS, View
from groundwave.scenes.waterfall import Emission
from groundwave.signal import bluetooth, oven, video, zigbee
from groundwave.signal.spectrum import occupied_bandwidth

WIDE = View(centre_mhz=2440.0, cells_per_mhz=3, num_freqs=256, duration_s=40e-3)  # 85 MHz: all of the band


def sent(name: str, seed: int) -> tuple[list[tuple[float, float, Emission]], float]:
    """Return (start in seconds, centre in MHz, emission) of each, in order, and the nominal bandwidth."""
    emissions, mhz = EMITTERS[name](WIDE, generator(seed, name))
    rows = [(e.start / rate_hz(e), 2440.0 + e.centre * WIDE.span_mhz, e) for e in emissions]
    return sorted(rows, key=lambda row: row[0]), mhz


def rate_hz(emission: Emission) -> float:
    return emission.width / WIDE.cells_per_mhz * 1e6


@pytest.mark.parametrize("name", EMITTERS)
def test_the_loudest_emissions_have_unit_power(name: str) -> None:
    powers = [[float(e.x.abs().square().mean()) for _, _, e in sent(name, seed)[0]] for seed in range(4)]
    for found in powers:
        assert max(found) == pytest.approx(1.0, abs=0.2)
        assert min(found) > 0.02


def test_wifi_channels_and_widths_are_the_standards() -> None:
    widths = set()
    for seed in range(12):
        rows, mhz = sent("WiFi", seed)
        centres = {round(centre, 3) for _, centre, _ in rows}
        assert len(centres) == 1
        assert (centres.pop() - 2407) / 5 in range(1, 14)
        longest = max((e for _, _, e in rows), key=lambda e: len(e.x))
        measured = float(occupied_bandwidth(longest.x)) * rate_hz(longest) / 1e6
        expected = {20: 57, 40: 117}[round(rate_hz(longest) / 1e6)] * 0.3125  # subcarriers, IEEE 802.11-2020, 19.3.7
        assert measured == pytest.approx(expected, rel=0.04)
        assert mhz == expected
        widths.add(round(mhz))
        stops = [start + len(e.x) / rate_hz(e) for start, _, e in rows]
        gaps = np.array([row[0] for row in rows[1:]]) - np.array(stops[:-1])
        assert gaps.min() > 9e-6  # nobody talks over another
    assert widths == {18, 37}


def test_bluetooth_hops_from_slot_to_slot_over_many_channels() -> None:
    for seed in range(4):
        rows, _ = sent("Bluetooth", seed)
        starts = np.array([start for start, _, _ in rows])
        np.testing.assert_allclose((starts - starts[0]) / 625e-6, np.round((starts - starts[0]) / 625e-6), atol=2e-3)
        centres = [centre for _, centre, _ in rows]
        np.testing.assert_allclose(centres, np.round(centres), atol=1e-6)
        assert min(centres) >= 2402
        assert max(centres) <= 2480
        assert len(set(np.round(centres))) > len(rows) / 3
        width = np.mean([float(occupied_bandwidth(e.x)) * rate_hz(e) for _, _, e in rows])
        assert 0.7e6 < width < 1.1e6
        assert max(len(e.x) / rate_hz(e) for _, _, e in rows) < 5 * 625e-6


def test_advertisements_can_be_decoded_on_their_channels() -> None:
    channels = {2402: 37, 2426: 38, 2480: 39}
    decoded = []
    for seed in range(6):
        rows, _ = sent("BLE", seed)
        for _, centre, e in rows:
            bits = bluetooth.demodulate(e.x[None], 4)[0]
            channel = channels.get(round(centre))
            if channel is not None:
                payload = bluetooth.decode(bits, channel)
                assert payload is not None
                assert len(payload) == 37
                assert bluetooth.decode(bits, channel - 1) is None
                decoded.append(channel)
    assert set(decoded) == {37, 38, 39}


def test_zigbee_packets_can_be_decoded_and_are_acknowledged() -> None:
    rows, _ = sent("ZigBee", 1)
    centres = {round(centre, 3) for _, centre, _ in rows}
    assert len(centres) == 1
    assert (centres.pop() - 2405) / 5 in range(16)
    sizes = []
    for _, _, e in rows:
        chips = e.x / e.x.abs().max()
        octets = zigbee.decode(zigbee.demodulate(chips[None], 4)[0])
        assert octets is not None
        sizes.append(len(octets) + 2)
    assert sizes[1::2] == [5] * len(sizes[1::2])
    assert min(sizes[::2]) >= 20
    data, answer = rows[0], rows[1]
    assert answer[0] - data[0] - len(data[2].x) / rate_hz(data[2]) == pytest.approx(192e-6, abs=1e-6)


def test_ovens_are_on_for_less_than_half_of_a_mains_period_and_sweep_an_arch() -> None:
    for seed in range(4):
        rows, _ = sent("oven", seed)
        periods = np.diff([start for start, _, _ in rows])
        assert np.allclose(periods, 1 / 50, atol=1e-6) or np.allclose(periods, 1 / 60, atol=1e-6)
        on_s = len(rows[0][2].x) / rate_hz(rows[0][2])
        assert 0.35 <= on_s / periods[0] <= 0.5
    x = oven.magnetron(400_000, 40e6, 10e6, generator=generator(1)).numpy()
    frequency = np.angle((x[1:] * x[:-1].conj())[:399_000].reshape(-1, 3000).sum(1)) / (2 * np.pi) * 40e6
    place = (np.arange(133) + 0.5) * 3000 / 400_000
    steady = (place > 0.3) & (place < 0.7)
    expected = 10e6 * (np.sin(np.pi * place) - 0.5)
    np.testing.assert_allclose(frequency[steady], expected[steady], atol=0.4e6)
    with pytest.raises(AssertionError):  # a straight sweep
        np.testing.assert_allclose(frequency[steady], (10e6 * place)[steady], atol=0.4e6)


def test_analog_video_has_its_lines() -> None:
    rate = 40e6
    volts = video.picture_lines(400_000, rate, generator=generator(2))
    x = video.frequency_modulate(volts, 6e6, rate).numpy()
    frequency = np.angle(x[1:] * x[:-1].conj()) / (2 * np.pi) * rate
    np.testing.assert_allclose(frequency, (volts[1:].numpy() - 0.2) * 6e6, atol=2e3)
    sync = frequency < -2.5e6  # the tips, -0.3 V
    falls = (np.diff(sync.astype(int)) == 1).nonzero()[0]
    np.testing.assert_allclose(np.diff(falls), 64e-6 * rate, atol=1)  # ITU-R BT.1700
    assert sync.mean() == pytest.approx(4.7 / 64, abs=0.005)
    assert torch.unique(volts).numel() > 1000


def test_what_lies_out_of_sight_is_not_made() -> None:
    narrow = View(2440.0, 24, 256, 40e-3)
    inside = [e for seed in range(6) for e in EMITTERS["Bluetooth"](narrow, generator(seed))[0]]
    assert all(abs(e.centre) < 0.5 + 1 / narrow.span_mhz for e in inside)
    assert len(inside) < 0.5 * sum(len(EMITTERS["Bluetooth"](WIDE, generator(seed))[0]) for seed in range(6))
