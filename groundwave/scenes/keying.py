"""Continuous-phase modulations: frequency shift keying and its kin. The table `KEYING`.

Binary records begin where a symbol does; the channel of a scene draws the timing. Those of more levels, whose symbols
are longer, begin anywhere in one.
"""

import math
from functools import partial

import torch
from torch import Generator, Tensor

from groundwave.scenes.air import Air, Waveform
from groundwave.signal import modulate, pulse
from groundwave.signal.constellation import draw_labels

_GSM_SPAN, _GSM_BT = 4, 0.3
# GNU Radio's default sensitivity, 0.1 rad per sample, at RadioML's 8 samples per symbol
_GFSK_INDEX = 0.8 / math.pi


def _keyed(
    num_levels: int, taps: Tensor, sps: int, index: float, shape: tuple[int, int], generator: Generator
) -> Tensor:
    """Draw records of `shape` under a frequency pulse, `sps` samples a symbol."""
    num_records, num_samples = shape
    num_symbols = math.ceil((num_samples + len(taps)) / sps) + 1
    labels = draw_labels(num_levels, num_records, num_symbols, generator=generator)
    levels = modulate.keying_levels(labels, num_levels)
    return modulate.frequency_shift_keying(levels, taps, sps, index)[:, :num_samples]


def _cut(x: Tensor, num_samples: int, longest: int, generator: Generator) -> Tensor:
    """Cut each record somewhere within its first `longest` samples."""
    start = torch.randint(longest, (len(x),), generator=generator, device=x.device)
    return x.unfold(1, num_samples, 1)[torch.arange(len(x), device=x.device), start]


def _fsk(num_tones: int, num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    """Orthogonal tones: one symbol rate apart, so that all of them span the nominal bandwidth."""
    sps = num_tones * air.samples_per_symbol
    shape = (num_records, num_samples + sps)
    return _cut(_keyed(num_tones, pulse.rectangular(sps), sps, 1.0, shape, generator), num_samples, sps, generator)


def _cpfsk4(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    sps = 2 * air.samples_per_symbol  # four levels half a symbol rate apart span two symbol rates
    shape = (num_records, num_samples + sps)
    return _cut(_keyed(4, pulse.rectangular(sps), sps, 0.5, shape, generator), num_samples, sps, generator)


def _msk(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    sps = air.samples_per_symbol
    return _keyed(2, pulse.rectangular(sps), sps, 0.5, (num_records, num_samples), generator)


def _gmsk(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    sps = air.samples_per_symbol
    taps = pulse.gaussian_frequency(sps, _GSM_SPAN, _GSM_BT)
    return _keyed(2, taps, sps, 0.5, (num_records, num_samples), generator)


def _gfsk(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    sps = air.samples_per_symbol
    taps = pulse.gaussian_frequency(sps, 4, 0.35)
    return _keyed(2, taps, sps, _GFSK_INDEX, (num_records, num_samples), generator)


KEYING: dict[str, Waveform] = {
    "FSK2": Waveform("fsk", partial(_fsk, 2), "2 orthogonal tones of continuous phase", "Proakis 2008, 3.3-1"),
    "FSK4": Waveform("fsk", partial(_fsk, 4), "4 orthogonal tones of continuous phase", "Proakis 2008, 3.3-1"),
    "FSK8": Waveform("fsk", partial(_fsk, 8), "8 orthogonal tones of continuous phase", "Proakis 2008, 3.3-1"),
    "FSK16": Waveform("fsk", partial(_fsk, 16), "16 orthogonal tones of continuous phase", "Proakis 2008, 3.3-1"),
    "MSK": Waveform("cpm", _msk, "binary CPFSK of index 0.5", "Proakis 2008, 3.3-2"),
    "CPFSK": Waveform("cpm", _msk, "MSK by the name it has in RadioML", "RadioML 2016.10a"),
    "CPFSK4": Waveform("cpm", _cpfsk4, "4 levels, continuous phase, index 0.5", "Proakis 2008, 3.3-2"),
    "GMSK": Waveform("cpm", _gmsk, "Gaussian MSK of BT 0.3", "3GPP TS 45.004, 2"),
    "GFSK": Waveform("cpm", _gfsk, "Gaussian FSK of BT 0.35 and index 0.255", "RadioML 2016.10a"),
}
