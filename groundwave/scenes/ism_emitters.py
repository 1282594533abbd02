"""Who sends at 2.4 GHz: each a maker of emissions during a recording. The table `EMITTERS`."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from groundwave.scenes.waterfall import Emission
from groundwave.signal import bluetooth, grids, ofdm, oven, video, zigbee
from groundwave.signal.bits import draw_bits, draw_bytes
from groundwave.signal.noise import unit_power

_SIFS_S, _DIFS_S, _ACK_S = 10e-6, 28e-6, 32e-6  # IEEE 802.11-2020, 19.4.4; a short control frame
_SLOT_S = 625e-6  # Bluetooth Core 5.4, volume 2, B, 2.2.1
_BASIC_INDEX = 0.32  # modulation index of basic rate, the same volume, A, 3.1
_GFSK_RATE_MHZ, _ZIGBEE_RATE_MHZ, _OVEN_RATE_MHZ, _LINK_RATE_MHZ = 4, 8, 40, 16


@dataclass(frozen=True)
class View:
    """What a receiver sees: a stretch of the band, `num_freqs` / `cells_per_mhz` MHz wide, for a while."""

    centre_mhz: float
    cells_per_mhz: int
    num_freqs: int
    duration_s: float

    @property
    def span_mhz(self) -> float:
        """Its width."""
        return self.num_freqs / self.cells_per_mhz

    def shows(self, frequency_mhz: float, half_mhz: float) -> bool:
        """Return whether any of a channel is seen."""
        return abs(frequency_mhz - self.centre_mhz) < 0.5 * self.span_mhz + half_mhz

    def emission(self, x: Tensor, rate_mhz: int, start_s: float, frequency_mhz: float) -> Emission:
        """Place samples at a rate in the record."""
        centre = (frequency_mhz - self.centre_mhz) / self.span_mhz
        return Emission(x, rate_mhz * self.cells_per_mhz, round(start_s * rate_mhz * 1e6), centre)


def _uniform(low: float, high: float, generator: Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _choice(known: list[float], generator: Generator) -> float:
    return known[int(torch.randint(len(known), (), generator=generator))]


def _exponential(mean: float, generator: Generator) -> float:
    return -mean * math.log(1 - _uniform(0.0, 1 - 1e-6, generator))


def _ramped(x: Tensor, ramp: int) -> Tensor:
    """Return a burst whose first and last `ramp` samples rise and fall as a raised cosine."""
    edge = torch.sin(0.5 * torch.pi * (torch.arange(ramp) + 0.5) / ramp).square()
    return torch.cat([x[:ramp] * edge, x[ramp:-ramp], x[-ramp:] * edge.flip(0)])


def _level(low_db: float, generator: Generator) -> float:
    """Draw the amplitude of the station that answers."""
    return 10 ** (_uniform(low_db, 0.0, generator) / 20)


def _csma(duration_s: float, generator: Generator) -> list[tuple[float, float]]:
    """Draw (start, length) of frames: sessions of back-to-back frames, silence between them (Markov on and off)."""
    gap_s, silence_s = (10 ** _uniform(*limits, generator) for limits in ((-4.5, -3.3), (-3.0, -2.0)))
    typical_s, stays = 10 ** _uniform(-3.9, -2.8, generator), _uniform(0.5, 0.95, generator)
    frames, now = [], -_uniform(0.0, 5e-3, generator)
    while now < duration_s:
        length_s = min(max(typical_s * math.exp(0.6 * float(torch.randn((), generator=generator))), 60e-6), 5e-3)
        frames.append((now, length_s))
        again = _uniform(0.0, 1.0, generator) < stays
        wait_s = _exponential(gap_s if again else silence_s, generator)
        now += length_s + _SIFS_S + _ACK_S + _DIFS_S + wait_s
    return frames


def _wifi(view: View, generator: Generator) -> tuple[list[Emission], float]:
    """Send data frames and their acknowledgements on one channel of 20 or 40 MHz."""
    mhz = 40 if _uniform(0.0, 1.0, generator) < 0.25 else 20
    channels = [2407.0 + 5 * k for k in range(1, 14)]
    channel = _choice([f for f in channels if view.shows(f, 0.0)] or channels, generator)
    layout = grids.wifi_ht(mhz)
    answer = _level(-15.0, generator)
    sent = []
    for start_s, length_s in _csma(view.duration_s, generator):
        for begin_s, long_s, level in ((start_s, length_s, 1.0), (start_s + length_s + _SIFS_S, _ACK_S, answer)):
            x = _symbols(layout, round(long_s * mhz * 1e6), generator)
            sent.append(view.emission(level * _ramped(x, mhz // 10), mhz, begin_s, channel))
    return sent, 312.5e-3 * layout.numerology.num_subcarriers


def _symbols(layout: grids.Layout, num_samples: int, generator: Generator) -> Tensor:
    """Return `num_samples` of OFDM from the start of a frame on."""
    sizes, zero = layout.numerology, torch.zeros(1, dtype=torch.long)
    grid = grids.draw_grid(layout, zero, sizes.num_symbols(num_samples), generator=generator)
    return ofdm.stretch(grid, sizes, zero, num_samples)[0]


def _gfsk(num_bits: int, index: float, generator: Generator) -> Tensor:
    """Return a burst of random bits at 1 Mbit/s, sampled at 4 MHz."""
    bits = draw_bits(1, num_bits + 2 * bluetooth.LEAD, generator=generator).float()
    x = bluetooth.modulate((2 * bits - 1) * (index / 0.5), _GFSK_RATE_MHZ)[0]
    return _ramped(x, _GFSK_RATE_MHZ)


def _bluetooth(view: View, generator: Generator) -> tuple[list[Emission], float]:
    """Hop from slot to slot over at least 20 of 79 channels, central and peripheral in turn, 1, 3 or 5 slots long."""
    used = torch.randperm(79, generator=generator)[: int(torch.randint(20, 80, (), generator=generator))]
    load, kind = _uniform(0.3, 1.0, generator), int(torch.randint(3, (), generator=generator))
    levels = (1.0, _level(-15.0, generator))
    slot, sent, turn = -_uniform(0.0, 6.0, generator), [], 0
    while slot * _SLOT_S < view.duration_s:
        slots, num_bits = ((1, 366), (3, 1622), (5, 2870))[kind if turn == 0 else 0]
        frequency = 2402.0 + int(used[int(torch.randint(len(used), (), generator=generator))])
        if _uniform(0.0, 1.0, generator) < load and view.shows(frequency, 1.0):
            x = levels[turn] * _gfsk(num_bits, _BASIC_INDEX, generator)
            sent.append(view.emission(x, _GFSK_RATE_MHZ, slot * _SLOT_S, frequency))
        slot, turn = slot + slots, 1 - turn
    return sent, 1.0


def _ble(view: View, generator: Generator) -> tuple[list[Emission], float]:
    """Advertise on channels 37, 38 and 39 in turn, or, as often, hop through a connection's data channels."""
    advertised = [(37, 2402.0), (38, 2426.0), (39, 2480.0)]
    if any(view.shows(f, 1.0) for _, f in advertised) and _uniform(0.0, 1.0, generator) < 0.5:
        return _advertising(view, advertised, generator), 1.0
    # data channels: 2404 ... 2424 and 2428 ... 2478 MHz (Core 5.4, volume 6, B, 1.4.1 and 4.5.8)
    data = [2404.0 + 2 * k for k in range(11)] + [2428.0 + 2 * k for k in range(26)]
    channel, hop = (int(torch.randint(*limits, (), generator=generator)) for limits in ((0, 37), (5, 17)))
    answer, now, sent = _level(-15.0, generator), -_uniform(0.0, 1.25e-3, generator), []
    while now < view.duration_s:
        begin_s = now
        for exchange in range(2 * int(torch.randint(1, 4, (), generator=generator))):
            x = _gfsk(int(torch.randint(80, 376, (), generator=generator)), 0.5, generator)
            if view.shows(data[channel], 1.0):
                sent.append(view.emission((1.0, answer)[exchange % 2] * x, _GFSK_RATE_MHZ, begin_s, data[channel]))
            begin_s += len(x) / _GFSK_RATE_MHZ * 1e-6 + bluetooth.SPACE_BITS * 1e-6
        channel, now = (channel + hop) % 37, now + 7.5e-3
    return sent, 1.0


def _advertising(view: View, channels: list[tuple[int, float]], generator: Generator) -> list[Emission]:
    """Send the packets of one to six advertisers, each every 20 ms and up to 10 ms more (volume 6, B, 4.4.2.2)."""
    sent = []
    for number in range(int(torch.randint(1, 7, (), generator=generator))):
        now, gap_s = _uniform(-2e-3, view.duration_s, generator), _uniform(0.4e-3, 1e-3, generator)
        level = _level(-15.0, generator) if number else 1.0
        while now < view.duration_s:
            for k, (channel, frequency) in enumerate(channels):
                payload = draw_bytes(1, bluetooth.NUM_OCTETS, generator=generator)
                bits = 2 * bluetooth.encode(payload, torch.tensor([channel])).float() - 1
                x = bluetooth.modulate(torch.nn.functional.pad(bits, (bluetooth.LEAD,) * 2), _GFSK_RATE_MHZ)[0]
                x = level * _ramped(x, _GFSK_RATE_MHZ)
                if view.shows(frequency, 1.0):
                    sent.append(view.emission(x, _GFSK_RATE_MHZ, now + k * gap_s, frequency))
            now += 20e-3 + _uniform(0.0, 10e-3, generator)
    return sent


def _zigbee(view: View, generator: Generator) -> tuple[list[Emission], float]:
    """Send packets of 20 to 127 octets on one channel, each acknowledged after 192 us."""
    channels = [2405.0 + 5 * k for k in range(16)]
    channel = _choice([f for f in channels if view.shows(f, 0.0)] or channels, generator)
    answer, pause_s = _level(-15.0, generator), 10 ** _uniform(-3.0, -2.0, generator)
    now, sent = -_uniform(0.0, 2e-3, generator), []
    while now < view.duration_s:
        for num_octets, level in ((int(torch.randint(20, 128, (), generator=generator)), 1.0), (5, answer)):
            symbols = zigbee.draw_packets(1, num_octets=num_octets, generator=generator)
            x = zigbee.modulate(torch.nn.functional.pad(symbols, (0, 1), value=zigbee.GAP), _ZIGBEE_RATE_MHZ // 2)
            x = level * unit_power(x[:, : symbols.shape[1] * 16 * _ZIGBEE_RATE_MHZ])[0]
            sent.append(view.emission(x, _ZIGBEE_RATE_MHZ, now, channel))
            now += len(x) / _ZIGBEE_RATE_MHZ * 1e-6 + 192e-6
        now += _exponential(pause_s, generator)
    return sent, 2.0


def _oven(view: View, generator: Generator) -> tuple[list[Emission], float]:
    """Heat: on for 0.35 to 0.5 of each period of 50 or 60 Hz mains, sweeping 2 to 15 MHz around 2.43 to 2.47 GHz."""
    mains_hz = _choice([50.0, 60.0], generator)
    on_s, sweep_hz = _uniform(0.35, 0.5, generator) / mains_hz, 1e6 * _uniform(2.0, 15.0, generator)
    near = [f for f in torch.arange(2430.0, 2470.1).tolist() if view.shows(f, 0.0)]
    frequency = _choice(near or [2450.0], generator) + _uniform(-0.5, 0.5, generator)
    now, sent = -_uniform(0.0, 1 / mains_hz, generator), []
    while now < view.duration_s:
        num_samples = round(on_s * _OVEN_RATE_MHZ * 1e6)
        x = oven.magnetron(num_samples, _OVEN_RATE_MHZ * 1e6, sweep_hz, generator=generator)
        sent.append(view.emission(x, _OVEN_RATE_MHZ, now, frequency))
        now += 1 / mains_hz
    return sent, 1.0


def _video(view: View, generator: Generator) -> tuple[list[Emission], float]:
    """Send pictures all the time: analog on wide FM, or an OFDM downlink that leaves gaps for its control link."""
    near = [f for f in torch.arange(2410.0, 2475.0).tolist() if view.shows(f, 0.0)]
    frequency = _choice(near or [2440.0], generator)
    if _uniform(0.0, 1.0, generator) < 0.5:
        rate = _OVEN_RATE_MHZ * 1e6
        volts = video.picture_lines(round(view.duration_s * rate), rate, generator=generator)
        x = video.frequency_modulate(volts, 1e6 * _uniform(4.0, 10.0, generator), rate)
        return [view.emission(x, _OVEN_RATE_MHZ, 0.0, frequency)], 8.0
    layout = replace(grids.lte("10"), num_blocks=1)  # every block carries data
    period_s, share = _uniform(2e-3, 10e-3, generator), _uniform(0.7, 0.95, generator)
    now, sent = -_uniform(0.0, 1.0, generator) * period_s, []
    while now < view.duration_s:
        x = _symbols(layout, round(share * period_s * _LINK_RATE_MHZ * 1e6), generator)
        sent.append(view.emission(_ramped(x, 8), _LINK_RATE_MHZ, now, frequency))
        now += period_s
    return sent, _LINK_RATE_MHZ * 600 / 1024


Maker = Callable[[View, Generator], tuple[list[Emission], float]]

EMITTERS: Mapping[str, Maker] = {
    "WiFi": _wifi,
    "Bluetooth": _bluetooth,
    "BLE": _ble,
    "ZigBee": _zigbee,
    "oven": _oven,
    "video": _video,
}
"""Return emissions of unit mean power (of the louder side) and the bandwidth, in MHz, that they have it over."""
