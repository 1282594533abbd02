"""What keeps an array from being ideal: errors of its elements, and elements that hear each other.

An element's chain has its own gain, phase and delay; its phase shifter is off in each state by something else; and its
power amplifier compresses in its own way. They are of hardware: drawn once for a front-end, and kept.
"""

import math
from dataclasses import dataclass, fields

import torch
from jaxtyping import Complex, Float, Int
from torch import Generator, Tensor

from groundwave.signal.impair import phasor

_GAIN_DB = 1.0  # standard deviations at a severity of 1; phased arrays on one chip are measured within such bounds
_PHASE_RAD = math.radians(12)
_DELAY = 1.5  # carrier periods: 25 ps at 60 GHz, about a 3 mm of line
_STATE_DB = 0.5
_STATE_RAD = math.radians(6)
_COMPRESSION = 0.04  # share of the amplitude that an amplifier loses at the mean power
_COMPRESSION_SPREAD = 0.5
_COMPRESSION_RAD = math.radians(30)


@dataclass(frozen=True)
class ArrayErrors:
    """Errors of the elements of one or more front-ends.

    Args:
        chain: complex gain of each element's chain.
        delay: its delay, in periods of the carrier.
        states: complex gain of its phase shifter in each state, beside the turn that it is meant to give.
        cubic: complex coefficient of |x|^2 x of its amplifier, for x of unit mean power.
    """

    chain: Complex[Tensor, "unit antenna"]
    delay: Float[Tensor, "unit antenna"]
    states: Complex[Tensor, "unit antenna state"]
    cubic: Complex[Tensor, "unit antenna"]

    def pick(self, unit: Int[Tensor, " record"]) -> "ArrayErrors":
        """Return the errors of the front-ends `unit`, one a record."""
        return ArrayErrors(**{field.name: getattr(self, field.name)[unit] for field in fields(self)})

    def response(self, detuning: Float[Tensor, " freq"]) -> Complex[Tensor, "unit freq antenna"]:
        """Return the gains of the chains at frequencies off the carrier by a share of it."""
        return self.chain[:, None] * phasor(-2 * math.pi * detuning[:, None] * self.delay[:, None])


def draw_errors(
    num_units: int, num_antennas: int, num_states: int = 1, *, severity: float = 1.0, generator: Generator
) -> ArrayErrors:
    """Draw the errors of `num_units` front-ends, Gaussian; `severity` scales what differs from the ideal, 0: nothing.

    All amplifiers compress by some 0.35 dB at a severity of 0, too: then all alike.
    """

    def normal(*shape: int) -> Tensor:
        return severity * torch.randn((num_units, *shape), generator=generator, device=generator.device)

    def gains(level_db: float, phase_rad: float, *shape: int) -> Tensor:
        return torch.polar(10 ** (level_db / 20 * normal(*shape)), phase_rad * normal(*shape))

    cubic = torch.polar(
        _COMPRESSION * (_COMPRESSION_SPREAD * normal(num_antennas)).exp(), _COMPRESSION_RAD * normal(num_antennas)
    )
    return ArrayErrors(
        chain=gains(_GAIN_DB, _PHASE_RAD, num_antennas),
        delay=_DELAY * normal(num_antennas),
        states=gains(_STATE_DB, _STATE_RAD, num_antennas, num_states),
        cubic=-cubic,
    )


def coupling(positions: Float[Tensor, "antenna 3"], level_db: float) -> Complex[Tensor, "antenna antenna"]:
    """Return what each element hears of each other: 1 of itself, of a neighbour at d wavelengths exp(-j 2 pi d) / d.

    The field of a neighbour falls off with the distance and comes late. `level_db` is how much lower than its own an
    element hears what another one radiates half a wavelength away (minus infinity: nothing).
    """
    distance: Tensor = (positions[:, None] - positions).norm(dim=-1)
    own = torch.eye(len(positions), device=positions.device)
    size = 10 ** (level_db / 20) * 0.5 / (distance + own) * (1 - own)
    coupled: Tensor = own + size * phasor(-2 * math.pi * distance)
    return coupled
