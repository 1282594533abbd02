"""Analog modulations of speech-like messages. The table `ANALOG`.

Those without a carrier have unit power over many syllables; their level does not depend on that of the audio.
"""

import math
from functools import partial
from typing import Literal

import torch
from torch import Generator, Tensor

from groundwave.scenes.air import Air, Waveform
from groundwave.signal import analog
from groundwave.signal.message import speech

_PRE_EMPHASIS_EDGE = 39
# a land-mobile transmitter turns the microphone up until peaks reach the limiter
_MICROPHONE_GAIN = 3.0


def _audio(
    num_records: int, num_samples: int, air: Air, generator: Generator, *, image_free: bool = False
) -> tuple[Tensor, Tensor]:
    """Draw each record's level and its analytic speech of unit power."""
    low, high = air.audio_rms
    rms = low + (high - low) * torch.rand((num_records, 1), generator=generator, device=generator.device)
    message = speech(num_records, num_samples, air.sample_rate_hz, image_free=image_free, generator=generator)
    return rms, message


def _am_dsb(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    rms, message = _audio(num_records, num_samples, air, generator)
    return analog.am_dsb(rms * message.real)


def _am_dsb_sc(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    return analog.am_dsb_sc(_audio(num_records, num_samples, air, generator)[1].real)


def _am_ssb(
    sideband: Literal["upper", "lower"],
    image_free: bool,
    num_records: int,
    num_samples: int,
    air: Air,
    generator: Generator,
) -> Tensor:
    _, message = _audio(num_records, num_samples, air, generator, image_free=image_free)
    return analog.am_ssb(message * math.sqrt(0.5), sideband)


def _nbfm(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    rms, message = _audio(num_records, num_samples, air, generator)
    return analog.nbfm(_MICROPHONE_GAIN * rms * message.real, air.sample_rate_hz)


def _wbfm(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    rms, message = _audio(num_records, num_samples + _PRE_EMPHASIS_EDGE, air, generator)
    return analog.wbfm(rms * message.real, air.sample_rate_hz)


# Broadcast FM may occupy 180 kHz; speech in one channel, without stereo, takes about 100 of them.
ANALOG: dict[str, Waveform] = {
    "AM-DSB": Waveform("am", _am_dsb, "both sidebands and the carrier", "ITU-R SM.328, A3E", 10e3),
    "AM-DSB-SC": Waveform("am", _am_dsb_sc, "both sidebands, no carrier", "ITU-R SM.328, A3E without carrier", 10e3),
    "AM-USB": Waveform("am", partial(_am_ssb, "upper", True), "upper sideband, no carrier", "ITU-R SM.328, J3E", 5e3),
    "AM-LSB": Waveform("am", partial(_am_ssb, "lower", True), "lower sideband, no carrier", "ITU-R SM.328, J3E", 5e3),
    "AM-SSB": Waveform(
        "am", partial(_am_ssb, "upper", False), "AM-USB by its name in RadioML", "RadioML 2016.10a", 5e3
    ),
    "NBFM": Waveform("fm", _nbfm, "land-mobile FM, deviation 5 kHz", "ITU-R SM.328, 16K0F3E", 16e3),
    "WBFM": Waveform("fm", _wbfm, "broadcast FM, deviation 75 kHz", "ITU-R BS.450", 100e3),
}
