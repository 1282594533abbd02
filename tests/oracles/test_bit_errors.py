"""Symbol and bit errors of modulator, noise and receiver against theory (Proakis, Digital Communications, 2008)."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import comb, erfc
from scipy.stats import ncx2

from groundwave.rng import generator
from groundwave.signal import constellation as con
from groundwave.signal import demodulate, modulate, pulse
from groundwave.signal.noise import awgn

SPS, SPAN = 4, 48
RRC, LATE = (pulse.root_raised_cosine(SPS, SPAN, 0.35, delay) for delay in (0.0, 0.5))
RECORDS, SYMBOLS = 20, 2500
Count = tuple[int, int]


def q(x: float) -> float:
    return float(0.5 * erfc(x / math.sqrt(2)))


def linear_(ratio: float) -> float:
    return 10 ** (ratio / 10)


def noisy(x: torch.Tensor, esn0_db: float, sps: int, draw: torch.Generator) -> torch.Tensor:
    """Add noise at a ratio of symbol energy to noise density; the band is `sps` symbol rates wide."""
    return awgn(x, torch.full((len(x),), esn0_db - 10 * math.log10(sps)), generator=draw)


def symbol_errors(name: str, esn0_db: float) -> Count:
    """Send labels through pulse, noise and matched filter; return (errors, symbols)."""
    draw, points = generator(1, name), con.constellation(name)
    labels = con.draw_labels(len(points), RECORDS, SYMBOLS, generator=draw)
    y = noisy(modulate.linear(con.symbols_of(points, labels), RRC, SPS), esn0_db, SPS, draw)
    decided = con.nearest_label(points, demodulate.matched(y, RRC, SPS))
    return int((decided != labels[:, SPAN : SPAN + decided.shape[1]]).sum()), decided.numel()


def assert_rate(count: Count, rate: float) -> None:
    """Check the number of errors against the binomial distribution, 4.5 standard deviations wide."""
    errors, total = count
    assert total * rate > 200, "too few errors to tell anything"
    assert abs(errors - total * rate) < 4.5 * math.sqrt(total * rate * (1 - rate)), (errors / total, rate)


def psk_rate(num_points: int, es: float) -> float:
    """Craig's integral (1991), exact."""
    edge = math.sin(math.pi / num_points) ** 2
    return quad(lambda t: math.exp(-es * edge / math.sin(t) ** 2), 0, math.pi * (1 - 1 / num_points))[0] / math.pi


def axis_rate(num_levels: int, distance: float, es: float) -> float:
    """Errors along one axis of equally spaced levels, `distance` apart at unit symbol energy."""
    return 2 * (1 - 1 / num_levels) * q(distance * math.sqrt(es / 2))


def pam_rate(num_levels: int, es: float) -> float:
    return axis_rate(num_levels, math.sqrt(12 / (num_levels**2 - 1)), es)


def ask_rate(num_levels: int, es: float) -> float:
    return axis_rate(num_levels, math.sqrt(6 / ((num_levels - 1) * (2 * num_levels - 1))), es)


def grid_rate(columns: int, rows: int, es: float) -> float:
    distance = math.sqrt(12 / (columns**2 + rows**2 - 2))
    return 1 - (1 - axis_rate(columns, distance, es)) * (1 - axis_rate(rows, distance, es))


EXACT: dict[str, tuple[float, Callable[[float], float]]] = {
    "BPSK": (4.0, partial(psk_rate, 2)),
    "QPSK": (7.0, partial(psk_rate, 4)),
    "8PSK": (11.0, partial(psk_rate, 8)),
    "16PSK": (16.0, partial(psk_rate, 16)),
    "32PSK": (22.0, partial(psk_rate, 32)),
    "64PSK": (28.0, partial(psk_rate, 64)),
    "PAM4": (10.0, partial(pam_rate, 4)),
    "PAM8": (16.0, partial(pam_rate, 8)),
    "OOK": (7.0, partial(ask_rate, 2)),
    "ASK4": (14.0, partial(ask_rate, 4)),
    "ASK8": (20.0, partial(ask_rate, 8)),
    "QAM8": (10.0, partial(grid_rate, 4, 2)),
    "QAM16": (13.0, partial(grid_rate, 4, 4)),
    "QAM64": (19.0, partial(grid_rate, 8, 8)),
    "QAM256": (25.0, partial(grid_rate, 16, 16)),
    "QAM1024": (31.0, partial(grid_rate, 32, 32)),
}


@pytest.mark.parametrize("name", EXACT)
def test_symbol_errors_are_those_of_theory(name):
    esn0_db, rate = EXACT[name]
    assert_rate(symbol_errors(name, esn0_db), rate(linear_(esn0_db)))


@pytest.mark.parametrize("name", EXACT)
def test_half_a_decibel_off_is_caught(name):
    esn0_db, rate = EXACT[name]
    with pytest.raises(AssertionError):
        assert_rate(symbol_errors(name, esn0_db - 0.5), rate(linear_(esn0_db)))


# cross and ring shapes have no closed form: the sum over pairs of points is a bound, nearly met when errors are rare
BOUNDED = sorted(set(con.CONSTELLATIONS) - set(EXACT))


def union_bound(points: torch.Tensor, esn0_db: float) -> float:
    """Return the bound on the symbol error rate (Proakis 2008, 4.2-3)."""
    distance = (points[:, None] - points).abs().double().numpy() + 99 * np.eye(len(points))
    return float((0.5 * erfc(distance * math.sqrt(linear_(esn0_db)) / 2)).sum(1).mean())


def assert_bound(count: Count, bound: float) -> None:
    """Check that errors lie between the union bound and four fifths of it."""
    (errors, total), most = count, bound * count[1]
    assert 0.8 * most - 4.5 * math.sqrt(most) < errors < most + 4.5 * math.sqrt(most), (errors / total, bound)


@pytest.mark.parametrize("name", BOUNDED)
def test_symbol_errors_nearly_meet_the_union_bound(name):
    points = con.constellation(name)
    esn0_db = brentq(lambda db: union_bound(points, db) - 0.025, 0, 50)
    assert_bound(symbol_errors(name, esn0_db), 0.025)
    with pytest.raises(AssertionError):  # a receiver that is a decibel off
        assert_bound(symbol_errors(name, esn0_db - 1), 0.025)


def flips(decided: torch.Tensor, sent: torch.Tensor, bits: int) -> Count:
    """Count wrong bits."""
    wrong = decided ^ sent
    return sum(int(((wrong >> b) & 1).sum()) for b in range(bits)), decided.numel() * bits


@pytest.mark.parametrize("ebn0_db", [2.0, 5.0])
def test_offset_qpsk_has_the_bit_errors_of_bpsk(ebn0_db):
    draw, points = generator(2, "OQPSK"), con.square_qam(4)
    labels = con.draw_labels(4, RECORDS, SYMBOLS, generator=draw)
    x = modulate.offset_linear(con.symbols_of(points, labels), RRC, LATE, SPS)
    y = demodulate.matched_offset(noisy(x, ebn0_db + 10 * math.log10(2), SPS, draw), RRC, LATE, SPS)
    decided = con.nearest_label(points, y)
    skipped = math.ceil(len(RRC) / SPS) - 1
    assert_rate(flips(decided, labels[:, skipped : skipped + decided.shape[1]], 2), q(math.sqrt(2 * linear_(ebn0_db))))


def differential_rate(eb: float) -> float:
    """Bit errors of differential detection of Gray labelled quadrants (Proakis 2008, 4.5-5)."""
    a, b = (math.sqrt(2 * eb * (1 + sign * math.sqrt(0.5))) for sign in (-1, 1))
    marcum = ncx2.sf(b * b, 2, a * a)
    return float(marcum - 0.5 * np.i0(a * b) * math.exp(-(a * a + b * b) / 2))


def differential_errors(ebn0_db: float, turn: float = 0.0) -> Count:
    draw = generator(3, "pi/4")
    labels = con.draw_labels(4, RECORDS, SYMBOLS, generator=draw)
    x = modulate.linear(modulate.differential_quadrants(labels), RRC, SPS)
    y = demodulate.matched(noisy(x, ebn0_db + 10 * math.log10(2), SPS, draw), RRC, SPS)
    y = y * torch.polar(torch.ones(y.shape[1]), turn * torch.arange(y.shape[1]))
    decided = demodulate.differential_labels(y)
    return flips(decided, labels[:, SPAN + 1 : SPAN + 1 + decided.shape[1]], 2)


@pytest.mark.parametrize("ebn0_db", [3.0, 6.0])
def test_differential_quadrants_have_the_bit_errors_of_theory(ebn0_db):
    assert_rate(differential_errors(ebn0_db), differential_rate(linear_(ebn0_db)))
    with pytest.raises(AssertionError):  # a carrier that turns 10 degrees a symbol
        assert_rate(differential_errors(ebn0_db, turn=math.radians(10)), differential_rate(linear_(ebn0_db)))


def noncoherent_rate(num_tones: int, es: float) -> float:
    """Symbol errors of orthogonal tones by envelope (Proakis 2008, 4.5-3)."""
    n = np.arange(1, num_tones)
    return float(((-1.0) ** (n + 1) * comb(num_tones - 1, n) / (n + 1) * np.exp(-n * es / (n + 1))).sum())


def coherent_rate(num_tones: int, es: float) -> float:
    """Symbol errors of orthogonal tones with known phase (Proakis 2008, 4.4-1)."""

    def right(y: float) -> float:
        return math.exp(-y * y / 2) / math.sqrt(2 * math.pi) * (1 - q(y + math.sqrt(2 * es))) ** (num_tones - 1)

    return 1 - quad(right, -10, 10)[0]


def tone_errors(num_tones: int, esn0_db: float, coherent: bool, shift: float = 0.0) -> Count:
    sps, draw = 4 * num_tones, generator(4, "fsk", num_tones)
    labels = con.draw_labels(num_tones, RECORDS, 1000, generator=draw)
    levels = modulate.keying_levels(labels, num_tones)
    x = modulate.frequency_shift_keying(levels, pulse.rectangular(sps), sps, 1.0)
    y = noisy(x, esn0_db, sps, draw) * torch.polar(torch.tensor(1.0), torch.tensor(shift))
    correlations = demodulate.correlate_tones(y, num_tones, sps)
    decided = demodulate.coherent_labels(correlations) if coherent else demodulate.noncoherent_labels(correlations)
    return int((decided != labels).sum()), labels.numel()


@pytest.mark.parametrize(("num_tones", "esn0_db"), [(2, 8.0), (4, 8.5), (8, 9.0), (16, 9.0)])
def test_tones_have_the_errors_of_theory(num_tones, esn0_db):
    assert_rate(tone_errors(num_tones, esn0_db, coherent=False), noncoherent_rate(num_tones, linear_(esn0_db)))
    esn0_db -= 1.5
    assert_rate(tone_errors(num_tones, esn0_db, coherent=True), coherent_rate(num_tones, linear_(esn0_db)))


def test_tone_check_catches_the_other_receiver_and_an_unknown_phase():
    with pytest.raises(AssertionError):
        assert_rate(tone_errors(4, 8.5, coherent=False), coherent_rate(4, linear_(8.5)))
    with pytest.raises(AssertionError):
        assert_rate(tone_errors(2, 7.0, coherent=True, shift=0.5), coherent_rate(2, linear_(7.0)))
    assert_rate(tone_errors(2, 7.0, coherent=False, shift=0.5), noncoherent_rate(2, linear_(7.0)))
