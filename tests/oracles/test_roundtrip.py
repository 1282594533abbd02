"""What is modulated comes back: every digital class without noise, the analog ones within rounding."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch

from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.keying import KEYING
from groundwave.scenes.linear import LINEAR
from groundwave.signal import analog, demodulate, modulate, pulse, spread
from groundwave.signal import constellation as con
from groundwave.signal.filters import fir, pre_emphasis_taps
from groundwave.signal.impair import oscillator
from groundwave.signal.message import speech

SPS, SPAN = 8, 32
RRC, LATE = (pulse.root_raised_cosine(SPS, SPAN, 0.35, delay) for delay in (0.0, 0.5))
Received = tuple[torch.Tensor, torch.Tensor]
DIAGONAL = con.square_qam(4)


def linear(name: str, late: int) -> Received:
    """Return what was received and what was sent, by a receiver that is `late` samples late."""
    points = con.constellation(name)
    labels = con.draw_labels(len(points), 4, 300, generator=generator(0, name))
    x = modulate.linear(con.symbols_of(points, labels), RRC, SPS)[:, late:]
    return con.nearest_label(points, demodulate.matched(x, RRC, SPS)), labels[:, SPAN:]


def offset(late: int) -> Received:
    labels = con.draw_labels(4, 4, 300, generator=generator(0, "offset"))
    x = modulate.offset_linear(con.symbols_of(DIAGONAL, labels), RRC, LATE, SPS)[:, late:]
    return con.nearest_label(DIAGONAL, demodulate.matched_offset(x, RRC, LATE, SPS)), labels[:, SPAN:]


def differential(late: int) -> Received:
    labels = con.draw_labels(4, 4, 300, generator=generator(0, "differential"))
    x = modulate.linear(modulate.differential_quadrants(labels), RRC, SPS)[:, late:]
    return demodulate.differential_labels(demodulate.matched(x * 1j, RRC, SPS)), labels[:, SPAN + 1 :]


def keyed(num_levels: int, taps: torch.Tensor, sps: int, index: float) -> Received:
    labels = con.draw_labels(num_levels, 4, 100, generator=generator(0, "keyed", num_levels))
    levels = modulate.keying_levels(labels, num_levels)
    return modulate.frequency_shift_keying(levels, taps, sps, index), labels


def tones(num_tones: int, coherent: bool, late: int) -> Received:
    sps = SPS * num_tones
    x, labels = keyed(num_tones, pulse.rectangular(sps), sps, 1.0)
    correlations = demodulate.correlate_tones(x[:, late:], num_tones, sps)
    return (demodulate.coherent_labels if coherent else demodulate.noncoherent_labels)(correlations), labels


def phases(num_levels: int, taps: torch.Tensor, sps: int, index: float, late: int) -> Received:
    x, labels = keyed(num_levels, taps, sps, index)
    soft = demodulate.frequency_levels(x[:, late:], sps, index)
    return demodulate.nearest_levels(soft, num_levels), labels[:, 1 + (math.ceil(len(taps) / sps) - 1) // 2 :]


CHANNELS = 8
BARKER = torch.tensor(spread.BARKER_80211, dtype=torch.float32)


def spread_out(num_phases: int, late: int) -> Received:
    """Spread differential phases by the Barker code, four samples a chip."""
    steps = con.draw_labels(num_phases, 4, 110, generator=generator(0, "spread", num_phases))
    taps = pulse.root_raised_cosine(4, 11, 0.35)
    x = modulate.linear(spread.differential(steps, num_phases, BARKER), taps, 4)
    chips = demodulate.matched(x[:, len(BARKER) * late :], taps, 4)
    symbols = spread.despread(chips[:, : chips.shape[1] // len(BARKER) * len(BARKER)], BARKER)
    turn = (symbols[:, 1:] * symbols[:, :-1].conj()).angle() * num_phases / (2 * math.pi)
    return turn.round().long().remainder(num_phases), steps[:, 2:]


def hopped(late: int) -> Received:
    """Hop every four bits over channels as wide as the bit rate; the receiver knows the hops."""
    length, index = CHANNELS * SPS, 0.32
    taps = pulse.gaussian_frequency(length, 4, 0.5)
    labels = con.draw_labels(2, 4, 104, generator=generator(0, "hopped"))
    channel = con.draw_labels(CHANNELS, 4, 25, generator=generator(0, "channel"))
    centre = spread.channel_frequency(channel, CHANNELS, 1 / SPS)
    frequency = spread.hopping_frequency(modulate.keying_levels(labels, 2), centre, taps, length, index)
    still = oscillator(frequency) * oscillator(-centre.repeat_interleave(4 * length, 1))
    soft = demodulate.frequency_levels(still[:, CHANNELS * late :], length, index)
    return demodulate.nearest_levels(soft, 2), labels[:, 3:]


TWO = pulse.rectangular(SPS)
GAUSSIAN = {bt: pulse.gaussian_frequency(SPS, 4, bt) for bt in (0.3, 0.35)}
ROUND_TRIPS: dict[str, Callable[[int], Received]] = {
    **{name: partial(linear, name) for name in con.CONSTELLATIONS},
    "OQPSK": offset,
    "PI4-DQPSK": differential,
    **{f"FSK{num}": partial(tones, num, False) for num in (2, 4, 8, 16)},
    **{f"FSK{num} coherent": partial(tones, num, True) for num in (2, 4, 8, 16)},
    "MSK": partial(phases, 2, TWO, SPS, 0.5),
    "CPFSK": partial(phases, 2, TWO, SPS, 0.5),
    "CPFSK4": partial(phases, 4, pulse.rectangular(2 * SPS), 2 * SPS, 0.5),
    "GMSK": partial(phases, 2, GAUSSIAN[0.3], SPS, 0.5),
    "GFSK": partial(phases, 2, GAUSSIAN[0.35], SPS, 0.8 / math.pi),
    "DSSS-DBPSK": partial(spread_out, 2),
    "DSSS-DQPSK": partial(spread_out, 4),
    "FHSS": hopped,
}


def test_every_digital_waveform_has_a_round_trip():
    assert {*LINEAR, *KEYING} <= ROUND_TRIPS.keys()


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_labels_come_back(name):
    received, sent = ROUND_TRIPS[name](0)
    assert received.shape[1] >= 90
    torch.testing.assert_close(received, sent[:, : received.shape[1]])


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_a_late_receiver_is_caught(name):
    received, sent = ROUND_TRIPS[name](SPS * (int(name.split()[0][3:]) if name.startswith("FSK") else 2))
    with pytest.raises(AssertionError):
        torch.testing.assert_close(received, sent[:, : received.shape[1]])


def error_vector(x: torch.Tensor, points: torch.Tensor) -> float:
    """Return the RMS distance of received symbols from the nearest point."""
    symbols = demodulate.matched(x, pulse.root_raised_cosine(SPS, 16, 0.35), SPS)
    return float((symbols[..., None] - points).abs().amin(-1).square().mean().sqrt())


@pytest.mark.parametrize("name", [name for name in LINEAR if name in con.CONSTELLATIONS])
def test_records_hold_the_symbols_of_their_class(name):
    points = con.constellation(name)
    x = LINEAR[name](8, 1024, Air(SPS), generator(0, name))
    assert error_vector(x, points) < 0.012
    assert error_vector(x[:, SPS // 2 :], points) > 0.025  # half a symbol late


def audio(num_samples: int = 2000) -> torch.Tensor:
    return 0.3 * speech(3, num_samples, 80e3, generator=generator(0, "audio"))


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (lambda m: analog.am_dsb(m.real), demodulate.envelope),
        (lambda m: analog.am_dsb_sc(m.real), demodulate.product),
        (lambda m: analog.am_ssb(m, "upper"), demodulate.product),
        (lambda m: analog.am_ssb(m, "lower"), demodulate.product),
    ],
)
def test_amplitude_modulated_messages_come_back(sent, received):
    message = audio()
    torch.testing.assert_close(received(sent(message)), message.real, atol=1e-5, rtol=0)
    turned = sent(message) * torch.polar(torch.tensor(1.0), torch.tensor(0.5))
    if received is demodulate.product:
        torch.testing.assert_close(demodulate.product(turned, 0.5), message.real, atol=1e-5, rtol=0)
        with pytest.raises(AssertionError):
            torch.testing.assert_close(demodulate.product(turned), message.real, atol=1e-5, rtol=0)
    else:
        torch.testing.assert_close(received(turned), message.real, atol=1e-5, rtol=0)


def test_frequency_modulated_messages_come_back():
    message = audio().real
    narrow = demodulate.frequency(analog.nbfm(message, 80e3, 5e3), 80e3, 5e3)
    torch.testing.assert_close(narrow.atanh(), message[:, 1:], atol=1e-3, rtol=0)
    wide = demodulate.frequency(analog.wbfm(message, 200e3), 200e3, 75e3)
    expected = fir(message, pre_emphasis_taps(75e-6, 200e3)).tanh()
    torch.testing.assert_close(wide, expected[:, 1:], atol=1e-4, rtol=0)
    with pytest.raises(AssertionError):  # a receiver that expects another deviation
        torch.testing.assert_close(demodulate.frequency(analog.nbfm(message, 80e3, 5e3), 80e3, 2.5e3), narrow)
