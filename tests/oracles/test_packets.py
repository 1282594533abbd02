"""Packet radios: published frames and check values, decoders on what the transmitters send, and a real recording."""

import numpy as np
import pytest
import torch

from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.packets import PACKETS
from groundwave.signal import adsb, bluetooth, zigbee
from groundwave.signal.bits import Crc, draw_bits, draw_bytes, to_bits, to_bytes
from groundwave.signal.noise import awgn

DIGITS = torch.tensor(list(b"123456789"), dtype=torch.uint8)

# Known frames: Sun, The 1090 Megahertz Riddle (2021), and the tests of its pyModeS.
SQUITTERS = [
    "8D4840D6202CC371C32CE0576098",
    "8D406B902015A678D4D220AA4BDA",
    "8D40621D58C382D690C8AC2863A7",
    "8D40621D58C386435CC412692AD6",
    "8D485020994409940838175B284F",
    "8DA05F219B06B6AF189400CBC33F",
]


def slow_crc(bits: list[int], width: int, polynomial: int, initial: int = 0) -> int:
    """Shift bit by bit through the register."""
    register = initial
    for bit in bits:
        feedback = ((register >> (width - 1)) & 1) ^ bit
        register = (register << 1) & ((1 << width) - 1)
        if feedback:
            register ^= polynomial
    return register


@pytest.mark.parametrize("crc", [bluetooth.CRC, zigbee.FCS, adsb.PARITY])
@pytest.mark.parametrize("num_bits", [1, 23, 88, 300])
def test_checks_equal_their_slow_twin(crc, num_bits):
    bits = draw_bits(3, num_bits, generator=generator(0, "crc"))
    slow = [slow_crc(row, crc.width, crc.polynomial, crc.initial) for row in bits.tolist()]
    assert adsb.number(crc(bits)).tolist() == slow
    assert crc.holds(crc.append(bits)).all()


@pytest.mark.parametrize(
    ("crc", "value"),  # CRC catalogue (G. Cook): CRC-24/BLE and CRC-16/KERMIT of "123456789"; both are read reversed
    [(bluetooth.CRC, 0xC25A56), (zigbee.FCS, 0x2189)],
)
def test_checks_have_their_catalogue_value(crc, value):
    assert int(adsb.number(crc(to_bits(DIGITS)).flip(-1))) == value
    wrong = Crc(crc.width, crc.polynomial ^ 0x10, crc.initial)
    assert int(adsb.number(wrong(to_bits(DIGITS)).flip(-1))) != value


# --- Bluetooth Low Energy


def test_whitening_is_the_published_sequence():
    # channel 37, the bytes that reference implementations list
    published = "8dd257a13da766b0753111489677f8e346e9abd09e5333d8ba980824cb3bfc71a3f45568cfa9196c5d4c"
    assert bytes(to_bytes(bluetooth.whitening(37, 8 * len(published) // 2)).tolist()).hex() == published
    assert (bluetooth.whitening(38, 127) != bluetooth.whitening(37, 127)).any()
    assert (bluetooth.whitening(9, 254)[127:] == bluetooth.whitening(9, 127)).all()


def test_preamble_alternates_into_the_access_address():
    bits = bluetooth.encode(torch.zeros(6, dtype=torch.uint8), torch.tensor(37))
    assert bits[:8].tolist() == [0, 1] * 4  # the address begins with a 0
    assert bits[8:40].tolist() == [int(b) for b in f"{0x8E89BED6:032b}"[::-1]]


def test_bluetooth_packets_decode():
    payload = draw_bytes(37, generator=generator(0, "ble"))
    bits = bluetooth.encode(payload, torch.tensor(38))
    assert len(bits) == bluetooth.PACKET_BITS
    noise = draw_bits(70, generator=generator(0, "before"))
    got = bluetooth.decode(torch.cat([noise, bits, noise]), 38)
    assert got is not None
    torch.testing.assert_close(got, payload)
    assert bluetooth.decode(bits, 37) is None  # another channel's whitening
    bits[100] ^= 1
    assert bluetooth.decode(bits, 38) is None


def test_bluetooth_records_decode_in_noise():
    x = PACKETS["BLE"](8, 4096, Air(4), generator(3, "ble"))
    x = awgn(x, torch.full((8,), 15.0), generator=generator(4, "noise"))
    payloads = [
        bluetooth.decode(bluetooth.demodulate(row[phase:], 4), channel)
        for row in x
        for channel in bluetooth.ADVERTISING_CHANNELS
        for phase in range(4)
    ]
    held = {tuple(p.tolist()) for p in payloads if p is not None}
    assert len(held) >= 8  # 1024 bits hold a whole packet of 376 with at most 300 between two
    wrong = [bluetooth.decode(bluetooth.demodulate(row.conj(), 4), c) for row in x for c in (37, 38, 39)]
    assert all(p is None for p in wrong)  # a mirrored spectrum


def test_bluetooth_deviates_by_a_quarter_of_the_bit_rate():
    ones = bluetooth.modulate(torch.ones(1, 20), 8)[0]
    steps = (ones[1:] * ones[:-1].conj()).angle() / (2 * torch.pi) * 8
    torch.testing.assert_close(steps, torch.full_like(steps, 0.25), atol=1e-4, rtol=0)


# --- ZigBee


def test_chips_are_the_standards():
    rows = ["".join("1" if c > 0 else "0" for c in row) for row in zigbee.chip_table()[:16].tolist()]
    assert rows[0] == "11011001110000110101001000101110"  # IEEE 802.15.4-2020, table 12-1
    assert rows[1] == "11101101100111000011010100100010"
    assert rows[7] == "10011100001101010010001011101101"
    assert rows[8] == "10001100100101100000011101111011"
    assert rows[15] == "11001001011000000111011110111000"


def test_chips_are_cyclic_and_far_apart():
    table = zigbee.chip_table()[:16]
    for k in range(7):
        assert (table[k + 1] == table[k].roll(4)).all()
        assert (table[k + 9] == table[k + 8].roll(4)).all()
    distance = ((table[:, None] != table).sum(-1) + 99 * torch.eye(16, dtype=torch.long)).min()
    assert distance == 12


def slow_oqpsk(chips: np.ndarray, rate: int) -> np.ndarray:
    """Put each chip's half sine where it belongs: even chips on I, odd ones on Q."""
    x = np.zeros((len(chips) + 1) * rate, dtype=complex)
    pulse = np.sin(np.pi * (np.arange(2 * rate) + 0.5) / (2 * rate))
    for k, chip in enumerate(chips):
        x[k * rate : (k + 2) * rate] += chip * pulse * (1j if k % 2 else 1)
    return x


def test_offset_qpsk_equals_its_slow_twin():
    symbols = torch.tensor([[3, 12, 0, 7]])
    chips = zigbee.chip_table()[symbols[0]].flatten().numpy()
    fast = zigbee.modulate(symbols, 5)[0].numpy()
    np.testing.assert_allclose(fast, slow_oqpsk(chips, 5)[5:][: len(fast)], atol=1e-5)
    np.testing.assert_allclose(np.abs(fast), 1, atol=1e-5)
    with pytest.raises(AssertionError, match="Not equal"):
        np.testing.assert_allclose(fast, slow_oqpsk(-chips, 5)[5:][: len(fast)], atol=1e-5)


def test_zigbee_symbols_demodulate_in_noise():
    symbols = torch.randint(16, (4, 200), generator=generator(0, "zigbee"))
    x = zigbee.modulate(torch.cat([symbols, symbols[:, :1]], 1), 4)
    received = awgn(x, torch.full((4,), 0.0), generator=generator(0, "n"))
    assert (zigbee.demodulate(received, 4)[:, :200] != symbols).float().mean() < 0.01
    late = zigbee.demodulate(received[:, 8:], 4)[:, :200]  # two chips late
    assert (late != symbols).float().mean() > 0.5


def test_zigbee_records_hold_packets_whose_check_holds():
    rate = 2
    x = PACKETS["ZigBee"](4, 2 * 2 * 132 * 32 * rate, Air(rate), generator(0, "zb"))
    header = zigbee.modulate(torch.tensor([[0] * 8 + [7, 10, 0]]), rate)[0, : 10 * 32 * rate]
    for row in x:
        match = torch.nn.functional.conv1d(
            torch.view_as_real(row).T[None], torch.view_as_real(header).T[None].contiguous()
        )[0, 0]
        begin = int(match[: len(row) - 140 * 32 * rate].argmax())
        symbols = zigbee.demodulate(row[begin:], rate)
        octets = zigbee.decode(symbols)
        assert octets is not None
        assert len(octets) == 58
        symbols[40] ^= 1
        assert zigbee.decode(symbols) is None


# --- Mode S


@pytest.mark.parametrize("text", SQUITTERS)
def test_published_squitters_hold(text):
    bits = adsb.from_hex(text)
    assert adsb.number(bits[:5]) == adsb.EXTENDED_SQUITTER
    assert adsb.PARITY.holds(bits)
    assert slow_crc(bits.tolist(), 24, 0xFFF409) == 0  # the remainder of the whole frame
    for k in range(112):
        flipped = bits.clone()
        flipped[k] ^= 1
        assert not adsb.PARITY.holds(flipped)


def test_frames_survive_their_chips():
    frames = adsb.draw_frames(20, generator=generator(0, "frames"))
    chips = adsb.to_chips(frames)
    assert chips.shape[-1] == 240  # 120 us
    assert chips[0, :16].nonzero().flatten().tolist() == [0, 2, 7, 9]  # pulses at 0, 1, 3.5 and 4.5 us
    torch.testing.assert_close(adsb.from_chips(chips[:, 16:].float()), frames)


def rise_us(envelope: torch.Tensor, samples_per_chip: int) -> float:
    """Return the time from 10 to 90 % of the amplitude."""
    rising = np.append(0.0, envelope[: len(envelope) // 2].numpy())
    return float(np.diff(np.interp([0.1, 0.9], rising, np.arange(len(rising))))[0]) / samples_per_chip / 2


@pytest.mark.parametrize("samples_per_chip", [8, 16, 32])
def test_adsb_pulses_rise_as_the_annex_asks(samples_per_chip):
    pulse = adsb.chip_pulse(samples_per_chip)
    assert rise_us(pulse, samples_per_chip) == pytest.approx(0.1, abs=1e-3)
    assert rise_us(torch.ones(samples_per_chip), samples_per_chip) < 0.051
    assert rise_us(adsb.chip_pulse(4), 4) == pytest.approx(0.2, abs=1e-3)  # two samples: the least there is


def test_adsb_records_hold_frames_that_decode():
    x = PACKETS["ADS-B"](20, 4 * 1800, Air(4), generator(0, "adsb"))  # 1800 chips hold a frame after any gap
    x = awgn(x, torch.full((20,), 25.0), generator=generator(0, "n"))
    found = [max(len(adsb.find_frames(row[phase::4])) for phase in range(4)) for row in x]
    assert min(found) >= 1


def test_the_decoder_finds_aircraft_in_a_real_recording(shared_data):
    raw = np.fromfile(shared_data / "iq" / "dump1090_modes1_1090MHz_2Msps.cu8", dtype=np.uint8)
    x = torch.from_numpy((raw.astype(np.float32) - 127.5) / 127.5).view(torch.complex64)
    found = adsb.find_frames(x)
    long = [bits for _, bits in found if len(bits) == 112]
    short = [bits for _, bits in found if len(bits) == 56]
    assert len(long) > 120
    assert len(short) > 50
    for bits in long + short:
        assert slow_crc(bits.tolist(), 24, 0xFFF409) == 0
    assert {int(adsb.number(bits[8:32])) for bits in long + short} == {0x4D2023}  # one aircraft, in both formats
    assert adsb.find_frames(x, Crc(24, 0xFFF40B)) == []


@pytest.mark.parametrize("name", PACKETS)
@pytest.mark.parametrize("num_samples", [1, 7, 100, 1024, 5000])
def test_records_are_never_silent(name, num_samples):
    x = PACKETS[name](64, num_samples, Air(8), generator(0, name))
    torch.testing.assert_close(x.abs().square().mean(-1), torch.ones(64), atol=1e-4, rtol=0)


def test_zigbee_decoder_refuses_what_is_cut_short():
    symbols = zigbee.draw_packets(num_octets=20, generator=generator(0, "cut"))
    assert zigbee.decode(symbols) is not None
    for length in (0, 1, 11, 12, 14, 51):
        assert zigbee.decode(symbols[:length]) is None
