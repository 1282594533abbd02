"""Rooms with furniture, access points and a receiver in them: where CSI comes from."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from groundwave.signal.scatterers import channel, direct_paths, image_sources, scattered_paths

_SMALLEST, _LARGEST = (4.5, 4.5, 2.4), (8.0, 7.0, 3.2)  # metres
_MARGIN = 0.4  # that antennas and people keep from the walls
_ORDER = 2  # most reflections of the walls on a way
_FURNITURE = 12  # pieces, of up to a square metre
_ASIDE_M = 0.7  # standard deviation of how far people are from the link
_OBSTRUCTED_DB = 15.0  # most that stands in the way of a straight path


@dataclass(frozen=True)
class Rooms:
    """Box rooms; positions in metres, a corner the origin, z up.

    Args:
        size: of each room `[room, 3]`.
        walls: reflection coefficients `[room, 6]`.
        furniture: positions `[room, piece, 3]`.
        cross_sections: of the furniture in square metres `[room, piece]`.
        transmitters: `[room, access point, 3]`.
        receivers: `[room, access point, antenna, 3]`; a receiver of its own for each access point.
        obstruction_db: what the straight path loses on its way `[room, access point]`.
    """

    size: Tensor
    walls: Tensor
    furniture: Tensor
    cross_sections: Tensor
    transmitters: Tensor
    receivers: Tensor
    obstruction_db: Tensor

    def still(self, frequencies_hz: Tensor, wavelength_m: float) -> tuple[Tensor, Tensor]:
        """Return the channel of the straight path, and that of walls and furniture.

        Both are complex64 `[room, access point, antenna, subcarrier]`.
        """
        size = self.size[:, None].expand_as(self.transmitters)
        images, met = image_sources(self.transmitters, size, _ORDER)
        lengths, amplitudes = direct_paths(images, self.receivers, wavelength_m)
        amplitudes = amplitudes * (self.walls[:, None] ** met).prod(-1)[:, None, None]
        straight = met.sum(1) == 0
        by_way_of = scattered_paths(
            self.transmitters,
            self.furniture[:, None, :, None].expand(-1, self.transmitters.shape[1], -1, -1, -1),
            self.receivers,
            self.cross_sections[:, None].expand(-1, self.transmitters.shape[1], -1),
            wavelength_m,
        )
        around = [
            torch.cat((mirrored[..., ~straight, None], scattered), -2)
            for mirrored, scattered in zip((lengths, amplitudes), by_way_of, strict=True)
        ]
        direct = channel(lengths[..., straight, None], amplitudes[..., straight, None], frequencies_hz)
        direct = direct[..., 0] * 10 ** (-self.obstruction_db / 20)[..., None, None]
        return direct, channel(around[0], around[1], frequencies_hz)[..., 0]

    def places(self, room: Tensor, access_point: Tensor, radius_m: Tensor, draw: Generator) -> Tensor:
        """Draw the centre of a circle `[record, 2]` about each record's link, where people are asked to be.

        It is normal about a uniform point of the link, and fits into the room, clear of its walls.
        """
        sender, antennas = self.transmitters[room, access_point, :2], self.receivers[room, access_point, 0, :2]
        along = torch.rand((len(room), 1), generator=draw)
        wanted = sender + along * (antennas - sender) + _ASIDE_M * torch.randn((len(room), 2), generator=draw)
        least = radius_m[:, None] + _MARGIN
        return wanted.maximum(least).minimum(self.size[room, :2] - least)


def draw_rooms(num: int, num_access_points: int, num_antennas: int, spacing_m: float, draw: Generator) -> Rooms:
    """Draw rooms of 4.5 to 8 m; links of at least 2 m, antennas in a row, half a wavelength apart as a rule."""

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=draw)

    low, high = torch.tensor(_SMALLEST), torch.tensor(_LARGEST)
    size = low + (high - low) * uniform(num, 3)
    walls = 0.3 + 0.4 * uniform(num, 6)
    furniture = size[:, None] * uniform(num, _FURNITURE, 3)
    # On one side of the room the access points, on the other the receivers, so that links cross it.
    shape = (num, num_access_points)
    ends = []
    for first in (0.05, 0.7):
        share = torch.stack((first + 0.25 * uniform(*shape), 0.1 + 0.8 * uniform(*shape)), -1)
        level = 0.8 + 0.8 * uniform(*shape, 1)
        ends.append(torch.cat((share * size[:, None, :2], level), -1))
    angle = 2 * math.pi * uniform(*shape)
    row = torch.stack((angle.cos(), angle.sin(), torch.zeros(shape)), -1)
    offsets = spacing_m * (torch.arange(num_antennas) - (num_antennas - 1) / 2)
    receivers = ends[1][:, :, None] + offsets[:, None] * row[:, :, None]
    obstruction_db = _OBSTRUCTED_DB * uniform(*shape)
    return Rooms(size, walls, furniture, uniform(num, _FURNITURE), ends[0], receivers, obstruction_db)
