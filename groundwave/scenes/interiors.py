"""Furnished rooms as a camera sees them, in colour and in depth."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor

from groundwave.scenes.furniture import MOST_PIECES, furnish
from groundwave.signal.raycast import Boxes, box_normals, camera_rays, hit_boxes, hit_walls
from groundwave.signal.surfaces import lambertian, pattern, to_display

VIEW_RAD = 1.2  # angle of view across the picture: a wide one
_SMALLEST, _LARGEST = (4.0, 4.8, 2.4), (5.2, 6.0, 3.0)  # metres
_SHADOW = 0.35  # of a lamp's light that comes by way of walls where furniture stands between
_GRAZING_M = 1e-3  # how far above its surface a ray to the lamp starts


@dataclass(frozen=True)
class Camera:
    """Where pictures are taken: position `[picture, 3]` in metres, and where to, `[picture]` in radians."""

    position: Tensor
    yaw_rad: Tensor
    pitch_rad: Tensor

    def __getitem__(self, rows: Tensor) -> "Camera":
        """Return the cameras at `rows` (int64 `[picture]`)."""
        return Camera(*(values[rows] for values in vars(self).values()))

    def to(self, device: torch.device) -> "Camera":
        """Return it on a device."""
        return Camera(*(values.to(device) for values in vars(self).values()))


@dataclass(frozen=True)
class Interiors:
    """Rooms, a corner the origin, looked at along y.

    Args:
        size: `[room, 3]` metres.
        furniture: upright boxes.
        colours: linear red, green and blue `[room, surface, 3]`: of the walls, of the pattern on them, of floor and
            ceiling, then of each piece of furniture.
        wallpaper: pattern of colour on the walls, a number in `PATTERNS`, `[room]`.
        relief: pattern of relief on the walls, likewise.
        relief_m: how far the relief stands out.
        period_m: of both patterns `[room, 2]`.
        lamp: where it hangs `[room, 3]`.
        ambient: light from everywhere `[room]`; the lamp's is the rest.
    """

    size: Tensor
    furniture: Boxes
    colours: Tensor
    wallpaper: Tensor
    relief: Tensor
    relief_m: float
    period_m: Tensor
    lamp: Tensor
    ambient: Tensor

    def __getitem__(self, rows: Tensor) -> "Interiors":
        """Return the rooms at `rows` (int64 `[picture]`), each as often as it is named."""
        return self._with(lambda values: values[rows])

    def to(self, device: torch.device) -> "Interiors":
        """Return them on a device."""
        return self._with(lambda values: values.to(device))

    def _with(self, change: Callable[[Tensor], Tensor]) -> "Interiors":
        boxes = Boxes(*(change(values) for values in vars(self.furniture).values()))
        changed: dict[str, Any] = {
            name: change(values) for name, values in vars(self).items() if isinstance(values, Tensor)
        }
        return replace(self, furniture=boxes, **changed)

    def seen(self, camera: Camera, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Return pictures in colour `[picture, 3, height, width]`, 0 to 1, and depths `[picture, 1, height, width]`.

        Both are free of noise. The relief has the wall's own colour and is lit evenly, as far as colour can tell: it is
        in depth alone, as the wallpaper is in colour alone.
        """
        rays = camera_rays(camera.yaw_rad, camera.pitch_rad, VIEW_RAD, height, width)
        eye = camera.position[:, None, None]
        wall_depth, wall = hit_walls(eye, rays, self.size)
        box_depth, box = hit_boxes(eye, rays, self.furniture)
        furniture = box_depth < wall_depth
        point = eye + torch.where(furniture, box_depth, wall_depth)[..., None] * rays
        normal = torch.where(furniture[..., None], box_normals(self.furniture, box, point), _inward(wall))
        albedo = self._albedo(point, wall, torch.where(furniture, box, -1))
        rgb = to_display(albedo * self._light(point, normal)[..., None])
        raised = self.relief_m * self._on_walls(self.relief, point, wall, 1)
        slant = (rays * _inward(wall)).sum(-1).abs().clamp(min=1e-3)
        depth = torch.where(furniture, box_depth, wall_depth - raised / slant)
        return rgb.movedim(-1, 1), depth[:, None]

    def _on_walls(self, kind: Tensor, point: Tensor, wall: Tensor, which: int) -> Tensor:
        """Return a pattern on the four walls, zero on floor and ceiling."""
        along = torch.where(wall < 2, point[..., 1], point[..., 0])
        drawn = pattern(kind, along, point[..., 2], self.period_m[:, which])
        return torch.where(wall < 4, drawn, 0.0)

    def _albedo(self, point: Tensor, wall: Tensor, piece: Tensor) -> Tensor:
        """Return the colour of each point's surface, `piece` -1 where it is no furniture."""
        batch = torch.arange(len(wall), device=wall.device)[:, None, None]
        surface = torch.where(piece >= 0, 4 + piece, torch.where(wall < 4, 0, wall - 2))
        plain = self.colours[batch, surface]
        papered = torch.where(piece >= 0, 0.0, self._on_walls(self.wallpaper, point, wall, 0))[..., None]
        return plain + papered * (self.colours[:, None, None, 1] - plain)

    def _light(self, point: Tensor, normal: Tensor) -> Tensor:
        """Return how bright surfaces are: light from everywhere, and the lamp's where nothing stands before it."""
        start = point + _GRAZING_M * normal
        between = hit_boxes(start, self.lamp[:, None, None] - start, self.furniture)[0] < 1
        direct = lambertian(point, normal, self.lamp, self.size[:, 1] / 2)
        direct = torch.where(between, _SHADOW * direct, direct).clamp(max=1.5)
        ambient = self.ambient[:, None, None]
        return ambient + (1 - ambient) * direct


def draw_interiors(
    *, furnishing: Tensor, wallpaper: Tensor, relief: Tensor, relief_m: float, draw: Generator
) -> Interiors:
    """Draw rooms of given furnishings, wallpapers and reliefs; all else is the same draw whatever these are."""
    num = len(furnishing)
    low, high = torch.tensor(_SMALLEST), torch.tensor(_LARGEST)
    size = low + (high - low) * torch.rand((num, 3), generator=draw)
    furniture = furnish(furnishing, size, draw)
    colours = _colours(num, draw)
    u = torch.rand((num, 6), generator=draw)
    lamp = torch.stack((0.3 + 0.4 * u[:, 0], 0.35 + 0.4 * u[:, 1], torch.full((num,), 0.93)), -1) * size
    return Interiors(
        size=size,
        furniture=furniture,
        colours=colours,
        wallpaper=wallpaper,
        relief=relief,
        relief_m=relief_m,
        period_m=0.9 + 0.3 * u[:, 2:4],
        lamp=lamp,
        ambient=0.35 + 0.25 * u[:, 4],
    )


def draw_cameras(size: Tensor, draw: Generator) -> Camera:
    """Draw a camera near the wall at y = 0 of each room `[room, 3]`, looking at the far one and a little down."""
    u = torch.rand((len(size), 5), generator=draw)
    x, y, z = (0.35 + 0.3 * u[:, 0]) * size[:, 0], 0.2 + 0.6 * u[:, 1], 1.4 + 0.4 * u[:, 2]
    aside = (x / size[:, 0] - 0.5) * -0.6  # towards the middle
    return Camera(torch.stack((x, y, z), -1), aside + 0.35 * (u[:, 3] - 0.5), -0.08 - 0.15 * u[:, 4])


def _colours(num: int, draw: Generator) -> Tensor:
    """Draw linear colours of walls, their pattern, floor, ceiling and furniture `[room, surface, 3]`."""
    hue, saturation, value = torch.rand((3, num, 4 + MOST_PIECES), generator=draw)
    saturation, value = 0.1 + 0.5 * saturation, 0.35 + 0.6 * value
    hue[:, 1] = hue[:, 0] + 0.15 * (hue[:, 1] - 0.5)  # a wallpaper is in two tones
    value[:, 0] = 0.65 + 0.3 * (value[:, 0] - 0.35) / 0.6
    value[:, 1] = value[:, 0] * (0.4 + 0.25 * (value[:, 1] - 0.35) / 0.6)
    saturation[:, 3], value[:, 3] = 0.05, 0.9  # ceilings are white
    return _rgb_of(hue, saturation, value) ** 2.2


def _rgb_of(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Return red, green and blue of colours by hue, saturation and value, all 0 to 1 (Smith, 1978)."""
    turn = (torch.tensor([5.0, 3.0, 1.0], device=hue.device) + 6 * hue[..., None]) % 6
    ramp = torch.minimum(turn, 4 - turn).clamp(0, 1)
    return value[..., None] * (1 - saturation[..., None] * ramp)


def _inward(wall: Tensor) -> Tensor:
    """Return the normal of each wall that `hit_walls` numbers, into the room."""
    axis = torch.nn.functional.one_hot(wall // 2, 3).to(torch.float32)
    return axis * (1 - 2 * (wall % 2))[..., None]
