"""The two plainest signals: one frequency, and all of them. The table `PLAIN`."""

import torch
from torch import Generator, Tensor

from groundwave.scenes.air import Air, Waveform
from groundwave.signal import pulse
from groundwave.signal.chirp import turn
from groundwave.signal.filters import fir

_SPAN = 16


def _tone(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    """Send one frequency, anywhere in the nominal band."""
    start, offset = torch.rand((2, num_records, 1), generator=generator, device=generator.device)
    frequency = (offset.double() - 0.5) / air.samples_per_symbol  # float64: records may be long
    return turn(start + frequency * torch.arange(num_samples, device=generator.device))


def _noise(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    """Send white noise through the pulse of the linear modulations: their spectrum, without points or symbol clock."""
    taps = pulse.root_raised_cosine(air.samples_per_symbol, _SPAN, 0.35)
    shape = (num_records, num_samples + len(taps) - 1)
    return fir(torch.randn(shape, dtype=torch.complex64, generator=generator, device=generator.device), taps)


PLAIN: dict[str, Waveform] = {
    "Tone": Waveform("tone", _tone, "one frequency within the nominal band", "ITU-R SM.328, N0N"),
    "Noise": Waveform("noise", _noise, "Gaussian noise with the spectrum of linear modulations", "Proakis 2008, 2.9"),
}
