"""Analog video: pictures line by line with their synchronisation pulses, on a carrier whose frequency they move."""

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from groundwave.signal.chirp import turn

LINE_S = 64e-6  # ITU-R BT.1700, 625 lines
SYNC_S = 4.7e-6
_BLANK_S = 10.5e-6  # from a pulse's start to the picture
_TIP, _BLACK, _WHITE = -0.3, 0.0, 0.7  # volts
_DETAILS = 24  # per line; a patch of the picture is as many lines high
_LINES_PER_DETAIL = 20


def picture_lines(num_samples: int, sample_rate_hz: float, *, generator: Generator) -> Float[Tensor, " {num_samples}"]:
    """Return a composite signal without colour, in volts, of a random smooth picture; it begins within a line."""
    length = round(LINE_S * sample_rate_hz)
    begin = int(torch.randint(length, (), generator=generator, device=generator.device))
    num_lines = -(-(begin + num_samples) // length)
    sync, blank = round(SYNC_S * sample_rate_hz), round(_BLANK_S * sample_rate_hz)
    size = (num_lines // _LINES_PER_DETAIL + 2, _DETAILS)
    coarse = torch.rand((1, 1, *size), generator=generator, device=generator.device)
    shown = interpolate(coarse, (num_lines, length - blank), mode="bilinear", align_corners=True)[0, 0]
    lines = torch.full((num_lines, length), _BLACK, device=shown.device)
    lines[:, :sync] = _TIP
    lines[:, blank:] = _BLACK + (_WHITE - _BLACK) * shown
    return lines.flatten()[begin : begin + num_samples]


def frequency_modulate(
    volts: Float[Tensor, " time"], hertz_per_volt: float, sample_rate_hz: float
) -> Complex[Tensor, " time"]:
    """Return a carrier of unit power that lies at the middle between the tips of the pulses and white."""
    middle = 0.5 * (_TIP + _WHITE)
    return turn(((volts - middle) * (hertz_per_volt / sample_rate_hz)).double().cumsum(0))
