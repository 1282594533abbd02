"""Where the receiver of scene `beams` may be, and by which paths it hears the transmitter there."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from groundwave.signal.impair import phasor

_SIDEWAYS_RAD, _UPWARDS_RAD = 1.2, 0.4  # reflections leave within such angles
_SPREAD_DB = 3.0  # standard deviation of a reflection's loss


@dataclass(frozen=True)
class Places:
    """Places, each with its paths; the first path is the direct one.

    Args:
        distance_m: from the transmitter `[place]`.
        angle: in which each path leaves the transmitter `[place, path, 2]`.
        gain: complex amplitudes `[place, path]`, the direct one 1 over the distance.
        delay: in samples after the direct path `[place, path]`.
    """

    distance_m: Tensor
    angle: Tensor
    gain: Tensor
    delay: Tensor


def draw_places(
    num_places: int,
    num_paths: int,
    distance_m: tuple[float, float],
    azimuth_rad: tuple[float, float],
    reflection_db: float,
    delay_spread: float,
    *,
    generator: Generator,
    longest: float = 64.0,
) -> Places:
    """Draw places evenly within the given ranges, and reflections with exponential delays.

    Args:
        num_places: how many.
        num_paths: of each, the direct one among them.
        distance_m: nearest and farthest.
        azimuth_rad: leftmost and rightmost.
        reflection_db: mean loss of a reflection beside the direct path.
        delay_spread: mean delay of reflections in samples.
        generator: where the randomness comes from.
        longest: delay in samples that none exceeds.
    """

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator)

    distance = uniform(*distance_m, num_places)
    direct = torch.stack((uniform(*azimuth_rad, num_places), torch.zeros(num_places)), -1)[:, None]
    shape = (num_places, num_paths - 1)
    sideways, upwards = uniform(-_SIDEWAYS_RAD, _SIDEWAYS_RAD, *shape), uniform(-_UPWARDS_RAD, _UPWARDS_RAD, *shape)
    loss = reflection_db + _SPREAD_DB * torch.randn(shape, generator=generator)
    delay = (-delay_spread * (1 - uniform(0, 1, *shape)).log()).clamp(max=longest)
    reflected = 10 ** (-loss.clamp(min=0) / 20) * phasor(uniform(0, 2 * math.pi, *shape))
    ones = torch.ones(num_places, 1)
    return Places(
        distance_m=distance,
        angle=torch.cat((direct, torch.stack((sideways, upwards), -1)), 1),
        gain=torch.cat((ones.to(reflected.dtype), reflected), 1) / distance[:, None],
        delay=torch.cat((0 * ones, delay), 1),
    )
