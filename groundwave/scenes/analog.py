"""Analog modulations of speech-like messages. The table `ANALOG`."""

import torch
from torch import Generator, Tensor

from groundwave.scenes.air import Air, Waveform
from groundwave.signal import analog
from groundwave.signal.message import speech

_PRE_EMPHASIS_EDGE = 39


def _audio(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    """Draw analytic speech, each record at its own level."""
    low, high = air.audio_rms
    rms = low + (high - low) * torch.rand((num_records, 1), generator=generator)
    return rms * speech(num_records, num_samples, air.sample_rate_hz, generator=generator)


def _am_dsb(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    return analog.am_dsb(_audio(num_records, num_samples, air, generator).real)


def _am_usb(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    return analog.am_ssb(_audio(num_records, num_samples, air, generator), "upper")


def _wbfm(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    audio = _audio(num_records, num_samples + _PRE_EMPHASIS_EDGE, air, generator).real
    return analog.wbfm(audio, air.sample_rate_hz)


ANALOG: dict[str, Waveform] = {
    "AM-DSB": Waveform("am", _am_dsb, "both sidebands and the carrier", "ITU-R SM.328, A3E", 10e3),
    "AM-SSB": Waveform("am", _am_usb, "upper sideband, no carrier", "ITU-R SM.328, J3E", 5e3),
    "WBFM": Waveform("fm", _wbfm, "broadcast FM, deviation 75 kHz", "ITU-R BS.450", 180e3),
}
