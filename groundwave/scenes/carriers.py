"""Cellular carriers and radars as they use their time: subframes with loads, broadcast, duplex; trains of pulses."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from groundwave.scenes.waterfall import Emission
from groundwave.signal import grids, ofdm
from groundwave.signal.multipath import draw_paths, frequency_response, path_gains
from groundwave.signal.profiles import Profile
from groundwave.signal.radar import linear_pulse

RATE_STEP_HZ = 7.68e6  # all carriers are sampled at multiples of it
_FILL = 0.85  # of its sample rate a carrier takes no more
_FAST = (1, 2, 3, 4, 5, 6, 8)  # multiples whose FFTs are fast
_RUN = 4.0  # mean number of subframes that an allocation lasts
_GROUP = 4  # resource blocks that are scheduled together
_TDD_SLOTS, _TDD_SYMBOLS = 5, 52  # DDDSU: 3 slots and 10 symbols of 5 slots are downlink (TS 38.213, 11.1)
_STOPBAND = 1e-3
_RADAR_STEPS = 2  # of the sample rate
_PULSES_S, _CHIRPS_HZ, _INTERVAL_S = (20e-6, 40e-6, 60e-6, 80e-6, 100e-6), (1e6, 2e6, 5e6, 10e6), (0.4e-3, 2e-3)


@dataclass(frozen=True)
class Carrier:
    """An LTE or NR downlink.

    Args:
        layout: what lies where in its frame.
        num_steps: its sample rate in `RATE_STEP_HZ`.
        bandwidth_hz: from its lowest to its highest subcarrier.
        channel_mhz: the channel's nominal width.
    """

    layout: grids.Layout
    num_steps: int
    bandwidth_hz: float
    channel_mhz: int


def _carrier(layout: grids.Layout, channel_mhz: int) -> Carrier:
    sizes = layout.numerology
    num_used = sizes.num_subcarriers - sizes.num_subcarriers % 2
    num_steps = round(sizes.sample_rate_hz / RATE_STEP_HZ)
    return Carrier(layout, num_steps, num_used * sizes.spacing_hz, channel_mhz)


def _nr(spacing_khz: int, channel_mhz: int) -> Carrier:
    blocks = grids.NR_WIDTHS[spacing_khz][channel_mhz]
    rate_hz = 12 * blocks * spacing_khz * 1e3 / _FILL
    steps = next(n for n in _FAST if n * RATE_STEP_HZ >= rate_hz)
    num_fft = round(steps * RATE_STEP_HZ / (spacing_khz * 1e3))
    return _carrier(grids.nr_carrier(spacing_khz, blocks, num_fft, num_beams=4, period_ms=20), channel_mhz)


def carriers(standard: str) -> tuple[Carrier, ...]:
    """Return the carriers of `LTE` (5 to 20 MHz) or `NR` (10 to 50 MHz at 15 and 30 kHz)."""
    if standard == "LTE":
        return tuple(_carrier(grids.lte(str(mhz), broadcast=True), mhz) for mhz in (5, 10, 15, 20))
    return tuple(_nr(khz, mhz) for mhz in (10, 15, 20, 25, 30, 40, 50) for khz in (15, 30))


@dataclass(frozen=True)
class Traffic:
    """How a cell's subframes are used; ranges are lowest and highest, uniform.

    Args:
        idle: share of a carrier's subframes without data.
        load: share of the resource blocks that an allocation takes.
        tdd: share of the 30 kHz carriers that are silent during uplink slots.
    """

    idle: tuple[float, float]
    load: tuple[float, float]
    tdd: float

    def schedule(self, num_subframes: int, num_blocks: int, *, generator: Generator) -> Tensor:
        """Draw which blocks carry data in which subframe, bool `[subframes, blocks]`.

        An allocation lasts a few subframes (geometric, mean 4); it is a run of blocks or, as often, scattered groups.
        """
        idle = _uniform(self.idle, 1, generator)
        run = (torch.rand(num_subframes, generator=generator) < 1 / _RUN).long().cumsum(0)
        num = num_subframes + 1
        load, first, kind = _uniform(self.load, num, generator), *torch.rand(2, num, generator=generator)
        busy = torch.rand(num, generator=generator) >= idle
        block = torch.arange(num_blocks)
        count = (load * num_blocks).round().clamp(min=1)[:, None]
        together = (block - (first * num_blocks).long()[:, None]).remainder(num_blocks) < count
        chance = torch.rand(num, -(-num_blocks // _GROUP), generator=generator)
        apart = (chance < load[:, None])[:, block // _GROUP]
        return (torch.where(kind[:, None] < 0.5, together, apart) & busy[:, None])[run]

    def grid(self, carrier: Carrier, first: int, num_symbols: int, *, generator: Generator) -> Tensor:
        """Draw the elements of symbols from `first` of the frame on, complex64 `[symbols, subcarriers]`."""
        layout = carrier.layout
        khz = round(layout.numerology.spacing_hz / 1e3)
        symbol = first + torch.arange(num_symbols)
        per_subframe = 14 * khz // 15
        subframe = symbol.div(per_subframe, rounding_mode="floor")
        subframe = subframe - subframe[0]
        on = self.schedule(int(subframe[-1]) + 1, layout.num_blocks, generator=generator)
        kind = grids.draw_kinds(layout, torch.tensor([first]), num_symbols, generator=generator)
        grid = grids.fill(layout, kind, on[:, layout.block][subframe][None], generator=generator)[0]
        duplex = torch.rand((), generator=generator)
        if khz == 30 and duplex < self.tdd:
            grid *= (symbol.remainder(14 * _TDD_SLOTS) < _TDD_SYMBOLS)[:, None]
        return grid


@dataclass(frozen=True)
class Fading:
    """The channel of each carrier; see `draw_paths`."""

    profile: Profile
    delay_spread_s: float | None
    doppler_hz: float

    def response(self, sizes: ofdm.Numerology, num_symbols: int, *, generator: Generator) -> Tensor:
        """Draw what each element is multiplied by, complex64 `[symbols, subcarriers]`."""
        rate_hz = 2000.0 * len(sizes.prefixes)  # symbols a second
        paths = draw_paths(
            self.profile,
            1,
            num_symbols,
            sample_rate_hz=rate_hz,
            delay_spread_s=self.delay_spread_s,
            doppler_hz=self.doppler_hz,
            generator=generator,
        )
        frequency = (sizes.lowest + torch.arange(sizes.num_subcarriers)) * sizes.spacing_hz / rate_hz
        return frequency_response(path_gains(paths, num_symbols), paths.delays, frequency)[0]


def transmit(
    carrier: Carrier, duration_s: float, traffic: Traffic, fading: Fading | None, *, generator: Generator
) -> Tensor:
    """Return a carrier's samples at its own rate, begun anywhere in its frame; an element of data has unit power.

    Its density is then 1 over the band that it schedules: its mean power is 1 over a band filled with data at the
    carrier's own rate times the share of it that is used.
    """
    sizes = carrier.layout.numerology
    num_samples = round(duration_s * sizes.sample_rate_hz)
    halves = carrier.layout.order.shape[1] // len(sizes.prefixes)
    half, start = (int(torch.randint(most, (), generator=generator)) for most in (halves, sizes.period))
    num_symbols = -(-(start + num_samples) // sizes.period) * len(sizes.prefixes)
    grid = traffic.grid(carrier, half * len(sizes.prefixes), num_symbols, generator=generator)
    if fading is not None:
        grid *= fading.response(sizes, num_symbols, generator=generator).expand(num_symbols, -1)
    return ofdm.modulate(grid, sizes)[start : start + num_samples]


def transmit_filter(carrier: Carrier, frequency_hz: Tensor) -> Tensor:
    """Return the gain of a transmitter's filter, complex64: it falls as a raised cosine over the guard band to -60 dB.

    Without one the edges of the symbols splash beyond the channel, more than base stations may (TS 36.104, 6.6).
    """
    edge, guard = 0.5 * carrier.bandwidth_hz, 0.5 * (carrier.channel_mhz * 1e6 - carrier.bandwidth_hz)
    beyond = ((frequency_hz.abs() - edge) / guard).clamp(0.0, 1.0)
    return torch.cos(0.5 * torch.pi * beyond).square().clamp(min=_STOPBAND) + 0j


@dataclass(frozen=True)
class Radar:
    """A train of linear-FM pulses, as of airport surveillance (Richards 2014, 4.6): unit power while it sends."""

    pulse_s: float
    interval_s: float
    chirp_hz: float

    @staticmethod
    def draw(*, generator: Generator) -> "Radar":
        """Draw a radar: pulses of 20 to 100 us every 0.4 to 2 ms that sweep 1 to 10 MHz."""
        pulse, chirp = (int(torch.randint(len(x), (), generator=generator)) for x in (_PULSES_S, _CHIRPS_HZ))
        low, high = _INTERVAL_S
        interval_s = low * (high / low) ** float(torch.rand((), generator=generator))
        return Radar(_PULSES_S[pulse], interval_s, _CHIRPS_HZ[chirp])

    @property
    def num_steps(self) -> int:
        """Its sample rate in `RATE_STEP_HZ`."""
        return _RADAR_STEPS

    def pulses(self, duration_s: float, width: int, centre: float, *, generator: Generator) -> list[Emission]:
        """Return its pulses during a record; the first begins at random within an interval before it."""
        rate_hz = self.num_steps * RATE_STEP_HZ
        pulse = linear_pulse(round(self.pulse_s * rate_hz), self.chirp_hz / rate_hz)
        begin = -float(torch.rand((), generator=generator)) * self.interval_s
        phase = torch.rand(math.ceil(duration_s / self.interval_s) + 1, generator=generator)
        turns = torch.polar(torch.ones_like(phase), 2 * torch.pi * phase)
        starts = [round((begin + k * self.interval_s) * rate_hz) for k in range(len(phase))]
        return [Emission(turn * pulse, width, start, centre) for turn, start in zip(turns, starts, strict=True)]


def _uniform(limits: tuple[float, float], num: int, generator: Generator) -> Tensor:
    low, high = limits
    return low + (high - low) * torch.rand(num, generator=generator)
