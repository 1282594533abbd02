"""The two plainest signals: one frequency, and all of them. The table `PLAIN`."""

import math

import torch
from torch import Generator, Tensor

from groundwave.scenes.air import Air, Waveform
from groundwave.signal import modulate, pulse
from groundwave.signal.chirp import turn

_SPAN = 16


def _tone(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    """Send one frequency, anywhere in the nominal band."""
    frequency = (
        torch.rand((num_records, 1), generator=generator, device=generator.device) - 0.5
    ) / air.samples_per_symbol
    start = torch.rand((num_records, 1), generator=generator, device=generator.device)
    return turn(start + frequency * torch.arange(num_samples, device=generator.device))


def _noise(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    """Send Gaussian symbols under the pulse of the linear modulations: their spectrum without their points."""
    sps = air.samples_per_symbol
    shape = (num_records, math.ceil(num_samples / sps) + _SPAN)
    symbols = torch.randn(shape, dtype=torch.complex64, generator=generator, device=generator.device)
    return modulate.linear(symbols, pulse.root_raised_cosine(sps, _SPAN, 0.35), sps)[:, :num_samples]


PLAIN: dict[str, Waveform] = {
    "Tone": Waveform("tone", _tone, "one frequency within the nominal band", "ITU-R SM.328, N0N"),
    "Noise": Waveform("noise", _noise, "Gaussian noise with the spectrum of linear modulations", "Proakis 2008, 2.9"),
}
