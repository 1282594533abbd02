"""Linear modulations: symbols of a constellation under a pulse. The table `LINEAR`.

Records begin where a symbol does; the channel of a scene draws the timing.
"""

import math
from functools import partial

import torch
from torch import Generator, Tensor

from groundwave.scenes.air import Air, Waveform
from groundwave.signal import modulate, pulse
from groundwave.signal.constellation import constellation, draw_labels, draw_symbols, square_qam

SPAN = 16
ROLLOFF = 0.35
_DIAGONAL = square_qam(4)


def _num_symbols(num_samples: int, air: Air) -> int:
    return math.ceil(num_samples / air.samples_per_symbol) + SPAN


def _linear(name: str, num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    num = _num_symbols(num_samples, air)
    symbols = draw_symbols(constellation(name), num_records, num, generator=generator)
    taps = pulse.root_raised_cosine(air.samples_per_symbol, SPAN, ROLLOFF)
    return modulate.linear(symbols, taps, air.samples_per_symbol)[:, :num_samples]


def _offset(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    sps = air.samples_per_symbol
    symbols = draw_symbols(_DIAGONAL, num_records, _num_symbols(num_samples, air), generator=generator)
    taps, late = (pulse.root_raised_cosine(sps, SPAN, ROLLOFF, delay) for delay in (0.0, 0.5))
    return modulate.offset_linear(symbols, taps, late, sps)[:, :num_samples]


def _differential(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    """Draw which of its two grids of four phases comes first, too."""
    labels = draw_labels(4, num_records, _num_symbols(num_samples, air), generator=generator)
    first = math.pi / 4 * torch.randint(2, (num_records, 1), generator=generator, device=generator.device)
    symbols = modulate.differential_quadrants(labels) * torch.polar(torch.ones_like(first), first)
    taps = pulse.root_raised_cosine(air.samples_per_symbol, SPAN, ROLLOFF)
    return modulate.linear(symbols, taps, air.samples_per_symbol)[:, :num_samples]


LINEAR: dict[str, Waveform] = {
    "BPSK": Waveform("psk", partial(_linear, "BPSK"), "binary phase shift keying", "Proakis 2008, 3.2-2"),
    "QPSK": Waveform("psk", partial(_linear, "QPSK"), "quaternary phase shift keying", "Proakis 2008, 3.2-2"),
    "8PSK": Waveform("psk", partial(_linear, "8PSK"), "phase shift keying with 8 phases", "Proakis 2008, 3.2-2"),
    "16PSK": Waveform("psk", partial(_linear, "16PSK"), "phase shift keying with 16 phases", "Proakis 2008, 3.2-2"),
    "32PSK": Waveform("psk", partial(_linear, "32PSK"), "phase shift keying with 32 phases", "Proakis 2008, 3.2-2"),
    "64PSK": Waveform("psk", partial(_linear, "64PSK"), "phase shift keying with 64 phases", "Proakis 2008, 3.2-2"),
    "PI4-DQPSK": Waveform("psk", _differential, "two grids of four phases in turn", "ETSI EN 300 392-2, 5"),
    "OQPSK": Waveform("psk", _offset, "QPSK whose Q comes half a symbol late", "Proakis 2008, 3.3-2"),
    "PAM4": Waveform("pam", partial(_linear, "PAM4"), "pulse amplitude modulation, 4 levels", "Proakis 2008, 3.2-1"),
    "PAM8": Waveform("pam", partial(_linear, "PAM8"), "pulse amplitude modulation, 8 levels", "Proakis 2008, 3.2-1"),
    "OOK": Waveform("ask", partial(_linear, "OOK"), "on-off keying", "Proakis 2008, 3.2-1"),
    "ASK4": Waveform("ask", partial(_linear, "ASK4"), "amplitude keying, 4 levels from zero up", "Proakis 2008, 3.2-1"),
    "ASK8": Waveform("ask", partial(_linear, "ASK8"), "amplitude keying, 8 levels from zero up", "Proakis 2008, 3.2-1"),
    "QAM8": Waveform("qam", partial(_linear, "QAM8"), "rectangular QAM, 8 points", "Proakis 2008, 3.2-3"),
    "QAM16": Waveform("qam", partial(_linear, "QAM16"), "square QAM, 16 points", "Proakis 2008, 3.2-3"),
    "QAM32": Waveform("qam", partial(_linear, "QAM32"), "cross QAM, 32 points", "Smith 1975"),
    "QAM64": Waveform("qam", partial(_linear, "QAM64"), "square QAM, 64 points", "Proakis 2008, 3.2-3"),
    "QAM128": Waveform("qam", partial(_linear, "QAM128"), "cross QAM, 128 points", "Smith 1975"),
    "QAM256": Waveform("qam", partial(_linear, "QAM256"), "square QAM, 256 points", "Proakis 2008, 3.2-3"),
    "QAM512": Waveform("qam", partial(_linear, "QAM512"), "cross QAM, 512 points", "Smith 1975"),
    "QAM1024": Waveform("qam", partial(_linear, "QAM1024"), "square QAM, 1024 points", "Proakis 2008, 3.2-3"),
    "APSK16": Waveform("apsk", partial(_linear, "APSK16"), "rings of 4 + 12, rate 3/4", "ETSI EN 302 307-1, 5.4"),
    "APSK32": Waveform("apsk", partial(_linear, "APSK32"), "rings of 4 + 12 + 16, rate 3/4", "ETSI EN 302 307-1, 5.4"),
    "APSK64": Waveform("apsk", partial(_linear, "APSK64"), "rings of 4 x 16, rate 128/180", "ETSI EN 302 307-2, 5.4"),
    "APSK128": Waveform(
        "apsk", partial(_linear, "APSK128"), "rings of 5 x 16 + 48, rate 135/180", "ETSI EN 302 307-2, 5.4"
    ),
}
