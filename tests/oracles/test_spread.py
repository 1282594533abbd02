"""Spread spectrum: published code words, despreading, processing gain, hops."""

import math

import numpy as np
import pytest
import torch

from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.spread import SPREAD
from groundwave.signal import pulse, spread
from groundwave.signal.bits import shift_register
from groundwave.signal.constellation import psk
from groundwave.signal.filters import fir
from groundwave.signal.noise import awgn

BARKER = torch.tensor(spread.BARKER_80211, dtype=torch.float32)
# First ten chips of satellites 1 ... 32 in octal: IS-GPS-200, table 3-Ia.
GPS_FIRST = ["1440", "1620", "1710", "1744", "1133", "1455", "1131", "1454"]
GPS_FIRST += ["1626", "1504", "1642", "1750", "1764", "1772", "1775", "1776"]
GPS_FIRST += ["1156", "1467", "1633", "1715", "1746", "1763", "1063", "1706"]
GPS_FIRST += ["1743", "1761", "1770", "1774", "1127", "1453", "1625", "1712"]


@pytest.mark.parametrize("satellite", range(1, 33))
def test_gps_codes_begin_as_published(satellite):
    bits = (spread.gps_ca(satellite)[:10] < 0).long().tolist()
    octal = f"{int(''.join(map(str, bits)), 2):04o}"
    assert octal == GPS_FIRST[satellite - 1]
    assert octal not in GPS_FIRST[: satellite - 1] + GPS_FIRST[satellite:]


def test_gps_codes_correlate_as_gold_codes():
    one, two = (torch.fft.fft(spread.gps_ca(k).double()) for k in (1, 2))
    own = torch.fft.ifft(one * one.conj()).real.round().long()
    other = torch.fft.ifft(one * two.conj()).real.round().long()
    assert own[0] == 1023
    assert set(own[1:].tolist()) == {-65, -1, 63}  # Gold 1967, n = 10
    assert set(other.tolist()) == {-65, -1, 63}
    pair = shift_register((3, 10), (1,) * 10, 1023) ^ shift_register((7, 10), (1,) * 10, 1023)
    wrong = torch.fft.fft(1.0 - 2.0 * pair.double())  # two m-sequences that are no preferred pair
    assert not set(torch.fft.ifft(wrong * wrong.conj()).real.round().long()[1:].tolist()) <= {-65, -1, 63}


def test_barker_code_of_wlan_has_low_sidelobes():
    both = np.correlate(BARKER.numpy(), BARKER.numpy(), "full")
    assert both[10] == 11
    assert np.abs(np.delete(both, 10)).max() == 1
    wrong = BARKER.clone().index_fill_(0, torch.tensor([3]), -1)
    assert np.abs(np.delete(np.correlate(wrong.numpy(), wrong.numpy(), "full"), 10)).max() > 1


@pytest.mark.parametrize("code", [BARKER, spread.gps_ca(7)], ids=["Barker", "GPS"])
def test_despreading_undoes_spreading_and_lowers_noise_by_the_code(code):
    symbols = psk(4)[torch.randint(4, (4, 100), generator=generator(0, "dsss"))]
    chips = spread.spread(symbols, code)
    torch.testing.assert_close(spread.despread(chips, code), symbols)
    noisy = awgn(chips, torch.zeros(4), generator=generator(0, "noise"))
    error = (spread.despread(noisy, code) - symbols).abs().square().mean()
    torch.testing.assert_close(error * len(code), torch.tensor(1.0), atol=0.2, rtol=0)
    assert spread.despread(chips, code.roll(1)).abs().mean() < 0.2


def chips_of(x: torch.Tensor, sps: int, timing: int) -> torch.Tensor:
    """Return chips behind a matched filter that begins `timing` samples late."""
    return fir(x, pulse.root_raised_cosine(sps, 16, 0.35) / math.sqrt(sps))[:, timing::sps]


@pytest.mark.parametrize(("name", "phases"), [("DSSS-DBPSK", 2), ("DSSS-DQPSK", 4)])
def test_wlan_records_despread_to_their_constellation(name, phases):
    x = SPREAD[name](6, 4000, Air(4), generator(0, name))
    clean = []
    for row in x:
        tries = [chips_of(row[None], 4, timing)[0, first:] for timing in range(4) for first in range(11)]
        symbols = [spread.despread(t[: len(t) // 11 * 11], BARKER) for t in tries]
        best = max(symbols, key=lambda s: float(s.abs().mean()))
        step = best[1:] * best[:-1].conj()
        clean.append((step**phases - 1).abs().max())
        assert (step ** (phases // 2) - 1).abs().max() > 1  # all phases are used
    assert max(clean) < 0.2


def test_gps_records_are_a_satellites_code():
    x = SPREAD["GPS-CA"](8, 4 * 1100, Air(4), generator(0, "gps"))
    codes = torch.stack([spread.gps_ca(k) for k in range(1, 33)])
    for row in x:
        peaks = []
        for timing in range(4):
            chips = chips_of(row[None], 4, timing)[0, :1023].real
            circular = torch.fft.ifft(torch.fft.fft(codes) * torch.fft.fft(chips).conj()).real.abs()
            peaks.append(circular.amax(1))
        best = torch.stack(peaks).amax(0).sort(descending=True).values
        assert best[0] > 900
        assert best[1] < 350


def test_walsh_codes_are_orthogonal():
    codes = spread.walsh(16)
    torch.testing.assert_close(codes @ codes.T, 16 * torch.eye(16))
    assert (codes.abs() == 1).all()


def test_code_division_gives_each_user_its_symbols():
    draw = generator(0, "users")
    symbols = psk(4)[torch.randint(4, (3, 4, 20), generator=draw)]
    codes = torch.rand((3, 16), generator=draw).argsort(1)[:, :4]
    amplitudes = torch.rand((3, 4), generator=draw) + 0.1
    chips = spread.code_division(symbols, codes, amplitudes, 16)
    for record in range(3):
        for user in range(4):
            got = spread.despread(chips[record], spread.walsh(16)[codes[record, user]])
            torch.testing.assert_close(got, symbols[record, user] * amplitudes[record, user])
        unused = next(k for k in range(16) if k not in codes[record].tolist())
        assert spread.despread(chips[record], spread.walsh(16)[unused]).abs().max() < 1e-5


def channels(x: torch.Tensor, length: int) -> tuple[torch.Tensor, float]:
    """Return each hop's mean frequency in channels, and its bits' deviation from it, at the timing that fits best."""
    steps = (x[1:] * x[:-1].conj()).angle() * 64 / (2 * math.pi) + 3.5
    tries = []
    for begin in range(0, length, 8):
        bits = steps[begin:][: (len(steps) - begin) // length * length].reshape(-1, length // 64, 64).mean(-1)
        tries.append((bits.mean(1), float((bits - bits.mean(1, keepdim=True)).abs().max())))
    return min(tries, key=lambda pair: pair[1])


def test_hops_last_four_bits_and_fill_the_band():
    records = SPREAD["FHSS"](20, 64 * 80, Air(8), generator(0, "hops"))
    held = [channels(x, 256) for x in records]
    assert max(deviation for _, deviation in held) < 0.4  # a sixth of a channel up or down, about the mean of four bits
    means = torch.cat([mean for mean, _ in held])
    assert (means - means.round()).abs().max() < 0.25
    assert means.round().unique().tolist() == list(range(8))
    assert min(channels(x, 320)[1] for x in records) > 0.4  # hops of five bits would straddle two channels


def test_channels_fill_the_band():
    centres = spread.channel_frequency(torch.arange(8), 8, 0.25)
    torch.testing.assert_close(centres, (torch.arange(8) * 2 - 7) / 64)
