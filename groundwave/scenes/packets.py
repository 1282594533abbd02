"""Packet radios with their true frames: ZigBee, Bluetooth Low Energy, ADS-B. The table `PACKETS`."""

import math

import torch
from torch import Generator, Tensor

from groundwave.scenes.air import Air, Waveform
from groundwave.signal import adsb, bluetooth, zigbee
from groundwave.signal.bits import draw_bytes
from groundwave.signal.bursts import cut, draw_start, repeat
from groundwave.signal.filters import upsample
from groundwave.signal.noise import unit_power

_OCTETS = 60  # of a ZigBee packet, its check included
_RAMP, _SILENT = 0, 2  # beside the levels -1 and 1 of Bluetooth's bits


def _plan(
    length: int, gap: tuple[int, int], num_records: int, num_samples: int, rate: int, generator: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw periods and starts of packets of `length` units: (period, first unit, samples into it)."""
    gaps = torch.randint(*gap, (num_records,), generator=generator, device=generator.device)
    period = length + gaps
    on_air = torch.full_like(period, length * rate)
    start = draw_start(on_air, period * rate, num_samples, generator=generator)
    return period, start.div(rate, rounding_mode="floor"), start.remainder(rate)


def _zigbee(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    """Send packets apart by the long interframe space and up to seven back-off periods of 20 symbols."""
    rate = zigbee.CHIPS_PER_SYMBOL * air.samples_per_symbol
    length = 2 * (6 + _OCTETS)
    space = zigbee.LONG_GAP_SYMBOLS
    period, first, into = _plan(length, (space, space + 141), num_records, num_samples, rate, generator)
    num_symbols = math.ceil(num_samples / rate) + 3
    packets = zigbee.draw_packets(num_records, num_symbols // length + 2, num_octets=_OCTETS, generator=generator)
    padded = torch.nn.functional.pad(packets, (0, 1), value=zigbee.GAP)
    x = zigbee.modulate(repeat(padded, first, period, num_symbols), air.samples_per_symbol)
    return unit_power(cut(x, into, num_samples))


def _bluetooth(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    """Send advertising packets of one channel, once or twice the interframe space apart, a smooth ramp around each."""
    sps, lead = air.samples_per_symbol, bluetooth.LEAD
    length = bluetooth.PACKET_BITS + 1
    space = bluetooth.SPACE_BITS
    period, first, into = _plan(length, (space - 1, 2 * space), num_records, num_samples, sps, generator)
    num_bits = math.ceil(num_samples / sps) + 1
    shape = (num_records, num_bits // length + 2)
    channel = torch.tensor(bluetooth.ADVERTISING_CHANNELS, device=generator.device)
    channel = channel[torch.randint(3, shape[:1], generator=generator, device=generator.device)]
    payload = draw_bytes(*shape, bluetooth.NUM_OCTETS, generator=generator)
    packets = 2 * bluetooth.encode(payload, channel[:, None].expand(shape)).to(torch.int8) - 1
    ends = torch.tensor([_RAMP, _SILENT], dtype=torch.int8, device=packets.device)
    padded = torch.cat([packets, ends.expand(*packets.shape[:-1], 2)], -1)
    sent = repeat(padded, first - lead, period, num_bits + 2 * lead)
    silent = sent == _SILENT
    x = bluetooth.modulate(sent.masked_fill(silent, 0).float(), sps)
    gate = bluetooth.ramp((~silent[:, lead : lead + num_bits + 1]).float(), sps)
    return unit_power(cut(x * gate, into, num_samples))


def _adsb(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    """Send extended squitters 10 to 400 us apart; records shorter than a preamble begin within a pulse."""
    rate, length = air.samples_per_symbol, adsb.FRAME_CHIPS
    period, first, into = _plan(length, (20, 800), num_records, num_samples, rate, generator)
    num_chips = math.ceil(num_samples / rate) + 2
    chips = adsb.to_chips(adsb.draw_frames(num_records, num_chips // length + 2, generator=generator))
    if num_samples < len(adsb.PREAMBLE) * rate:
        first = _first_pulse(chips, generator)
    taps = adsb.chip_pulse(rate)
    sent = repeat(torch.nn.functional.pad(chips, (0, 1)), first - len(taps) // rate, period, num_chips)
    x = upsample(sent.float(), taps, rate)
    return unit_power(cut(x, into, num_samples) + 0j)


def _first_pulse(chips: Tensor, generator: Generator) -> Tensor:
    """Draw a bit of each record's first frame and return the place of its pulse."""
    bit = torch.randint(adsb.LONG_BITS, (len(chips), 1), generator=generator, device=generator.device)
    early = len(adsb.PREAMBLE) + 2 * bit
    return (early + 1 - chips[:, 0].gather(1, early).long()).squeeze(1)


PACKETS: dict[str, Waveform] = {
    "ZigBee": Waveform("packet", _zigbee, "offset QPSK on 32-chip symbols, 2.45 GHz", "IEEE 802.15.4-2020, 12", 2e6),
    "BLE": Waveform("packet", _bluetooth, "GFSK advertising packets, 1 Mbit/s", "Bluetooth Core 5.4, volume 6, B", 1e6),
    "ADS-B": Waveform("packet", _adsb, "extended squitters of Mode S, 1090 MHz", "ICAO Annex 10, IV, 3.1.2", 2e6),
}
