"""Linear modulations: symbols of a constellation under a pulse. The table `LINEAR`."""

import math
from functools import partial

from torch import Generator, Tensor

from groundwave.scenes.air import Air, Waveform
from groundwave.signal import modulate, pulse
from groundwave.signal.constellation import constellation, draw_symbols

_SPAN = 16


def _linear(name: str, num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    sps = air.samples_per_symbol
    symbols = draw_symbols(constellation(name), num_records, math.ceil(num_samples / sps) + _SPAN, generator=generator)
    return modulate.linear(symbols, pulse.root_raised_cosine(sps, _SPAN, 0.35), sps)[:, :num_samples]


LINEAR: dict[str, Waveform] = {
    "BPSK": Waveform("psk", partial(_linear, "BPSK"), "binary phase shift keying", "Proakis 2008, 3.2-2"),
    "QPSK": Waveform("psk", partial(_linear, "QPSK"), "quaternary phase shift keying", "Proakis 2008, 3.2-2"),
    "8PSK": Waveform("psk", partial(_linear, "8PSK"), "phase shift keying with 8 phases", "Proakis 2008, 3.2-2"),
    "PAM4": Waveform("pam", partial(_linear, "PAM4"), "pulse amplitude modulation, 4 levels", "Proakis 2008, 3.2-1"),
    "QAM16": Waveform("qam", partial(_linear, "QAM16"), "square QAM, 16 points", "Proakis 2008, 3.2-3"),
    "QAM64": Waveform("qam", partial(_linear, "QAM64"), "square QAM, 64 points", "Proakis 2008, 3.2-3"),
}
