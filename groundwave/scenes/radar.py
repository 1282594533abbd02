"""Radar: pulses, phase codes, sweeps. The table `RADAR`."""

import math
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Generator, Tensor

from groundwave.scenes.air import Air, Waveform
from groundwave.signal import radar
from groundwave.signal.bursts import draw_start, repeat
from groundwave.signal.chirp import sweep
from groundwave.signal.noise import unit_power

_SWEEPS = (24.0, 96.0)  # time-bandwidth products; below LoRa's 128


def _uniform(num: int, low: float, high: float, generator: Generator) -> Tensor:
    """Draw `[num]` numbers, uniform in their logarithm."""
    draw = torch.rand(num, generator=generator, device=generator.device)
    return low * torch.exp(draw * math.log(high / low))


@cache
def _bank(pulses: Callable[[int], list[Tensor]], sps: int) -> tuple[Tensor, Tensor]:
    """Return the pulses, padded with zeros to one length and one sample more, and their lengths."""
    kinds = pulses(sps)
    width = max(len(kind) for kind in kinds) + 1
    bank = torch.stack([torch.nn.functional.pad(kind, (0, width - len(kind))) for kind in kinds])
    return bank, torch.tensor([len(kind) for kind in kinds])


def _pulsed(
    pulses: Callable[[int], list[Tensor]],
    duty: tuple[float, float],
    num_records: int,
    num_samples: int,
    air: Air,
    generator: Generator,
) -> Tensor:
    """Repeat a pulse of random kind; each record has its own repetition rate, begins anywhere, and holds a pulse."""
    bank, lengths = (table.to(generator.device) for table in _bank(pulses, air.samples_per_symbol))
    which = torch.randint(len(bank), (num_records,), generator=generator, device=generator.device)
    period = (lengths[which] / _uniform(num_records, *duty, generator)).ceil().long()
    start = draw_start(lengths[which], period, num_samples, generator=generator)
    return unit_power(repeat(bank[which][:, None], start, period, num_samples))


def _rectangles(sps: int) -> list[Tensor]:
    return [radar.coded_pulse(torch.ones(length, dtype=torch.complex64), sps) for length in (1, 2)]


def _chirps(sps: int) -> list[Tensor]:
    return [radar.linear_pulse(product * sps, 1 / sps) for product in (16, 24, 32, 48, 64)]


def _coded(code: Callable[[], Tensor], sps: int) -> list[Tensor]:
    return [radar.coded_pulse(code(), sps)]


def _swept(
    shape: Callable[[Tensor, Tensor, float], Tensor],
    sign: int,
    sweeps: int,
    num_records: int,
    num_samples: int,
    air: Air,
    generator: Generator,
) -> Tensor:
    """Sweep the band again and again; each record has its own sweep time and begins anywhere."""
    length = air.samples_per_symbol * _uniform(num_records, *_SWEEPS, generator)[:, None]
    begin = torch.rand((num_records, 1), generator=generator, device=generator.device) * sweeps * length
    time = begin.double() + torch.arange(num_samples, device=generator.device)  # float64: records may be long
    position = time.remainder(sweeps * length.double()).float()
    return shape(position, length.expand_as(position), sign / air.samples_per_symbol)


def _radar(
    family: str, pulses: Callable[[int], list[Tensor]], duty: tuple[float, float], text: str, source: str
) -> Waveform:
    return Waveform(family, partial(_pulsed, pulses, duty), text, source)


_BARKER = partial(_coded, partial(radar.barker, 13))
_FRANK = partial(_coded, partial(radar.frank, 8))
_P4 = partial(_coded, partial(radar.p4, 64))

RADAR: dict[str, Waveform] = {
    "Pulse": _radar("pulse", _rectangles, (0.02, 0.1), "unmodulated pulses", "Richards 2014, 1.3"),
    "LFM-pulse": _radar("pulse", _chirps, (0.1, 0.3), "linear-FM pulses", "Richards 2014, 4.6"),
    "Barker13": _radar("phase-code", _BARKER, (0.05, 0.2), "Barker code of 13 chips", "Barker 1953"),
    "Frank64": _radar("phase-code", _FRANK, (0.1, 0.3), "Frank code of 64 chips", "Frank 1963"),
    "P4-64": _radar("phase-code", _P4, (0.1, 0.3), "P4 code of 64 chips", "Lewis and Kretschmer 1982"),
    "FMCW-up": Waveform("fmcw", partial(_swept, sweep, 1, 1), "rising sawtooth sweeps", "Richards 2014, 4.6"),
    "FMCW-down": Waveform("fmcw", partial(_swept, sweep, -1, 1), "falling sawtooth sweeps", "Richards 2014, 4.6"),
    "FMCW-triangle": Waveform("fmcw", partial(_swept, radar.triangle, 1, 2), "triangular sweeps", "Richards 2014, 4.6"),
}
