"""The eleven transmitters of RadioML 2016, one function each; to add a modulation, add a line to `WAVEFORMS`."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor

from groundwave.signal import analog, modulate, pulse
from groundwave.signal.constellation import constellation, draw_symbols
from groundwave.signal.message import speech

_SPAN = 16
_PRE_EMPHASIS_EDGE = 39


@dataclass(frozen=True)
class Air:
    """What all transmitters share: symbol length, nominal rate, range of audio levels (RMS of full scale)."""

    samples_per_symbol: int = 8
    sample_rate_hz: float = 200e3
    audio_rms: tuple[float, float] = (0.1, 0.3)


Waveform = Callable[[int, int, Air, Generator], Tensor]


def _linear(name: str, num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    sps = air.samples_per_symbol
    symbols = draw_symbols(constellation(name), num_records, math.ceil(num_samples / sps) + _SPAN, generator=generator)
    return modulate.linear(symbols, pulse.root_raised_cosine(sps, _SPAN, 0.35), sps)[:, :num_samples]


def _binary_fsk(
    taps: Tensor, index: float, num_records: int, num_samples: int, air: Air, generator: Generator
) -> Tensor:
    sps = air.samples_per_symbol
    num_symbols = math.ceil((num_samples + len(taps)) / sps) + 1
    levels = 2.0 * torch.randint(2, (num_records, num_symbols), generator=generator) - 1
    return modulate.frequency_shift_keying(levels, taps, sps, index)[:, :num_samples]


def _gfsk(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    sps = air.samples_per_symbol
    # GNU Radio's default sensitivity of 0.1 rad per sample makes the index 0.1 * sps / pi (0.255 at 8 per symbol)
    return _binary_fsk(
        pulse.gaussian_frequency(sps, 4, 0.35), 0.1 * sps / math.pi, num_records, num_samples, air, generator
    )


def _cpfsk(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    return _binary_fsk(pulse.rectangular(air.samples_per_symbol), 0.5, num_records, num_samples, air, generator)


def _audio(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    """Draw analytic speech, each record at its own level."""
    low, high = air.audio_rms
    rms = low + (high - low) * torch.rand((num_records, 1), generator=generator)
    return rms * speech(num_records, num_samples, air.sample_rate_hz, generator=generator)


def _am_dsb(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    return analog.am_dsb(_audio(num_records, num_samples, air, generator).real)


def _am_ssb(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    return analog.am_ssb(_audio(num_records, num_samples, air, generator), "upper")


def _wbfm(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    audio = _audio(num_records, num_samples + _PRE_EMPHASIS_EDGE, air, generator).real
    return analog.wbfm(audio, air.sample_rate_hz)


WAVEFORMS: dict[str, Waveform] = {
    "8PSK": partial(_linear, "8PSK"),
    "AM-DSB": _am_dsb,
    "AM-SSB": _am_ssb,
    "BPSK": partial(_linear, "BPSK"),
    "CPFSK": _cpfsk,
    "GFSK": _gfsk,
    "PAM4": partial(_linear, "PAM4"),
    "QAM16": partial(_linear, "QAM16"),
    "QAM64": partial(_linear, "QAM64"),
    "QPSK": partial(_linear, "QPSK"),
    "WBFM": _wbfm,
}
