"""Continuous-phase modulations: frequency shift keying and its kin. The table `KEYING`."""

import math

import torch
from torch import Generator, Tensor

from groundwave.scenes.air import Air, Waveform
from groundwave.signal import modulate, pulse


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


KEYING: dict[str, Waveform] = {
    "CPFSK": Waveform("cpm", _cpfsk, "continuous-phase FSK of index 0.5, as in RadioML", "RadioML 2016.10a"),
    "GFSK": Waveform("cpm", _gfsk, "Gaussian FSK of BT 0.35 and index 0.255 at 8 samples", "RadioML 2016.10a"),
}
