"""Spectra of real systems against the masks of their standards: what each may send outside its band, and a twin that
sends too much."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
import torch

from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.keying import KEYING
from groundwave.scenes.linear import LINEAR
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.signal import analog, modulate, pulse
from groundwave.signal.constellation import draw_symbols, psk
from groundwave.signal.message import speech

NUM = 8192


def waveform(name: str, sps: int, num_records: int = 32) -> torch.Tensor:
    air = Air(sps, sps * (WAVEFORMS[name].bandwidth_hz or 1.0))
    return WAVEFORMS[name](num_records, NUM, air, generator(0, "masks", name))


def density(x: torch.Tensor, sps: int, resolution: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return frequency in nominal bandwidths and the mean tapered periodogram, smoothed over `resolution`."""
    power = torch.fft.fft(x * torch.blackman_window(x.shape[-1])).abs().square().mean(0).double()
    frequency = np.fft.fftshift(np.fft.fftfreq(x.shape[-1])) * sps
    wide = max(1, round(resolution / (frequency[1] - frequency[0])))
    return frequency, np.convolve(np.fft.fftshift(power.numpy()), np.ones(wide) / wide, "same")


class Mask(NamedTuple):
    """Corners (offset from the carrier, decibels below the highest density), straight lines between.

    `unit` is the nominal bandwidth in the unit of the offsets, and `resolution` in that unit; nothing is asked below
    the first offset, and the last level holds beyond.
    """

    corners: tuple[tuple[float, float], ...]
    unit: float = 1.0
    resolution: float = 0.05
    sps: int = 8


def excess_db(x: torch.Tensor, mask: Mask) -> float:
    """Return by how much the density exceeds its mask where it does so most; negative when it keeps it."""
    frequency, power = density(x, mask.sps, mask.resolution / mask.unit)
    offsets, levels = zip(*mask.corners, strict=True)
    away = np.abs(frequency) * mask.unit
    level = 10 * np.log10(power / power.max()) - np.interp(away, offsets, levels)
    return float(level[away >= offsets[0]].max())


WLAN = Mask(((9, 0), (11, -20), (20, -28), (30, -40)), 20, 0.1)  # IEEE 802.11-2020, 17.3.9.3
DSSS = Mask(((11, -30), (22, -30), (22.001, -50)), 11, 0.1)  # IEEE 802.11-2020, 15: transmit spectrum mask
ZIGBEE = Mask(((3.5, -20),), 2, 0.1)  # IEEE 802.15.4-2020, 12: transmit density, relative limit
GSM = Mask(((100, 0.5), (200, -30), (250, -33), (400, -60)), 1625 / 6, 30, 16)  # 3GPP TS 45.005, A.1, in kHz
SQUITTER = Mask(((7, -20), (23, -40)), 2, 0.1, 32)  # ICAO Annex 10, IV: 20 dB down at 7 MHz, 40 at 23
# Bluetooth Core 5.4, volume 6, A, 3.2.2, at 1 mW: -20 dB two channels off, -30 from three on
BLUETOOTH = Mask(((1.5, -20), (2.5, -20), (2.501, -30)), 1, 1.0)
# ITU-R SM.1541, annex 8: 40 dB down at half of 6.2 / sqrt(t t_r), the rise time t_r (10 to 90 %) of a raised cosine of
# one chip being 0.59 chips, then 20 dB a decade; for a linear-FM pulse of 16 chips, 2 (1 + 0.105 / t_r) wider
CHIPS = Mask(((6.2 / math.sqrt(0.59) / 2, -40), (8, -46)), sps=16)
CHIRPS = Mask(((6.2 / math.sqrt(16 * 0.59) / 2 + 1 + 0.105 / 0.59, -40), (8, -51)), sps=16)
SWEEPS = Mask(((1.0, -25), (4.0, -50)), sps=16)  # joined phase: the frequency alone jumps
KEYED = Mask(((1.5, -25), (6.0, -48)), sps=16)  # continuous phase: MSK has -31 and -55, and aliases at that rate
GAUSSIAN = Mask(((1.0, -40), (1.5, -60)), sps=16)  # own: BT 0.35 has 15 dB to spare, no filter fails
ROOT = Mask(((0.5 * 1.45, -32),))  # root raised cosine of rolloff 0.35
IMAGES = Mask(((1.0, -60),), sps=4)  # nothing of the next Nyquist zone


def held(name: str, sps: int) -> torch.Tensor:
    """Hold the samples of the critical rate instead of interpolating them."""
    return waveform(name, sps)[:, ::sps].repeat_interleave(sps, 1)


def rectangular_qpsk(sps: int) -> torch.Tensor:
    symbols = draw_symbols(psk(4), 32, NUM // sps, generator=generator(0, "box"))
    return symbols.repeat_interleave(sps, 1)


def hard_pulses(name: str, sps: int) -> torch.Tensor:
    """Switch on and off at once wherever the envelope passes one half of its peak."""
    x = waveform(name, sps)
    level = x.abs()
    return torch.where(level > 0.5 * level.amax(1, keepdim=True), x / level.clamp(min=1e-9), 0)


def keyed(taps: torch.Tensor, sps: int, index: float) -> torch.Tensor:
    levels = 2.0 * torch.randint(2, (32, NUM // sps + 8), generator=generator(0, "keyed")) - 1
    return modulate.frequency_shift_keying(levels, taps, sps, index)[:, :NUM]


def torn(name: str, length: int) -> torch.Tensor:
    """Turn the carrier at random every `length` samples."""
    x = waveform(name, 16)
    angle = 2 * math.pi * torch.rand((len(x), NUM // length + 1), generator=generator(0, "torn"))
    return x * torch.polar(torch.ones_like(angle), angle).repeat_interleave(length, 1)[:, :NUM]


CASES: dict[str, tuple[Mask, Callable[[], torch.Tensor]]] = {
    "802.11a": (WLAN, lambda: held("802.11a", 8)),
    "DSSS-DBPSK": (DSSS, lambda: rectangular_qpsk(8)),
    "DSSS-DQPSK": (DSSS, lambda: rectangular_qpsk(8)),
    "ZigBee": (ZIGBEE, lambda: rectangular_qpsk(8)),
    "BLE": (BLUETOOTH, lambda: keyed(pulse.rectangular(8), 8, 1.5)),
    "GMSK": (GSM, lambda: keyed(pulse.gaussian_frequency(16, 4, 0.5), 16, 0.5)),
    "ADS-B": (SQUITTER, lambda: hard_pulses("ADS-B", 32)),
    "Pulse": (CHIPS, lambda: hard_pulses("Pulse", 16)),
    "Barker13": (CHIPS, lambda: hard_pulses("Barker13", 16)),
    "Frank64": (CHIPS, lambda: hard_pulses("Frank64", 16)),
    "P4-64": (CHIPS, lambda: hard_pulses("P4-64", 16)),
    "LFM-pulse": (CHIRPS, lambda: hard_pulses("LFM-pulse", 16)),
    **{name: (SWEEPS, partial(torn, name, 60 * 16)) for name in ("FMCW-up", "FMCW-down", "FMCW-triangle")},
    "LoRa-SF7": (SWEEPS, partial(torn, "LoRa-SF7", 128 * 16)),
    "LoRa-SF9": (SWEEPS, partial(torn, "LoRa-SF9", 128 * 16)),
    "LoRa-SF12": (SWEEPS, partial(torn, "LoRa-SF12", 64 * 16)),
    **{name: (KEYED, partial(torn, name, 32)) for name in KEYING if name not in ("GMSK", "GFSK")},
    "GFSK": (GAUSSIAN, lambda: keyed(pulse.rectangular(16), 16, 0.8 / math.pi)),
    **{name: (ROOT, partial(rectangular_qpsk, 8)) for name in (*LINEAR, "GPS-CA", "CDMA", "Noise")},
    **{name: (IMAGES, partial(held, name, 4)) for name in WAVEFORMS if WAVEFORMS[name].family in ("lte", "nr", "dvb")},
}


def test_every_waveform_has_a_mask_or_a_channel():
    assert {*CASES, *OCCUPIED} == {*WAVEFORMS} - {"Tone"}


@pytest.mark.parametrize("name", CASES)
def test_waveforms_keep_their_mask_and_wrong_pulses_do_not(name):
    mask, twin = CASES[name]
    assert excess_db(waveform(name, mask.sps), mask) < -2
    assert excess_db(twin(), mask) > 1


def outside(x: torch.Tensor, edge: float, sps: int = 4) -> float:
    """Return the share of the power, the carrier left out, beyond `edge` nominal bandwidths."""
    frequency, power = density(x - x.mean(-1, keepdim=True), sps)
    return float(power[np.abs(frequency) > edge].sum() / power.sum())


def overdeviated(name: str, hertz: float) -> torch.Tensor:
    """Modulate speech with another deviation."""
    rate = 4 * (WAVEFORMS[name].bandwidth_hz or 0)
    message = speech(32, NUM + 39, rate, generator=generator(0, "deviation")).real
    if name == "NBFM":
        return analog.nbfm(0.6 * message, rate, hertz)[:, :NUM]
    return analog.wbfm(0.2 * message, rate, hertz)


# Channel bandwidths in MHz, which 99 % of the power must lie within (3GPP TS 36.104, 6.6.1; 38.104, 6.6.2)
CHANNELS = {f"LTE-{width}": float(width) for width in ("1.4", "3", "5", "10", "15", "20")}
CHANNELS |= {"NR-15": 10.0, "NR-30": 40.0, "NR-60": 40.0, "DVB-T": 8.0}
OCCUPIED: dict[str, tuple[float, Callable[[], torch.Tensor]]] = {
    **{
        name: (width * 1e6 / 2 / (WAVEFORMS[name].bandwidth_hz or 1), partial(rectangular_qpsk, 4))
        for name, width in CHANNELS.items()
    },
    # Carson's rule: deviation and highest audio frequency on either side
    "NBFM": ((5 + 3) / 16, partial(overdeviated, "NBFM", 15e3)),
    "WBFM": ((75 + 5) / 100, partial(overdeviated, "WBFM", 200e3)),
    "AM-DSB": (0.5, partial(waveform, "AM-DSB", 2)),
    "AM-DSB-SC": (0.5, partial(waveform, "AM-DSB-SC", 2)),
    **{name: (1.2, partial(waveform, name, 2)) for name in ("AM-USB", "AM-LSB", "AM-SSB")},
    "FHSS": (0.5, partial(waveform, "FHSS", 2)),
}


@pytest.mark.parametrize("name", OCCUPIED)
def test_waveforms_occupy_their_channel_and_wider_ones_do_not(name):
    edge, twin = OCCUPIED[name]
    assert outside(waveform(name, 4), edge) < 0.01
    assert outside(twin(), edge) > 0.02
