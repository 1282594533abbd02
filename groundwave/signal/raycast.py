"""Rays from a camera into a room of boxes: what they meet first, how far away, and which way it faces.

Positions are in metres: x to the right, y ahead, z up. Rays advance one metre along the optical axis per unit, so that
distances along them are depths, as a depth camera reports them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

_NEARLY_PARALLEL = 1e-9  # a ray in the plane of a face: kept from dividing by zero


@dataclass(frozen=True)
class Boxes:
    """Boxes that stand upright, turned about the vertical.

    Args:
        centre: `[batch, box, 3]`.
        half: half of width, length and height `[batch, box, 3]`; a box without size is never met.
        yaw_rad: turn about the vertical `[batch, box]`.
    """

    centre: Float[Tensor, "batch box 3"]
    half: Float[Tensor, "batch box 3"]
    yaw_rad: Float[Tensor, "batch box"]


def camera_rays(
    yaw_rad: Float[Tensor, " batch"],
    pitch_rad: Float[Tensor, " batch"],
    view_rad: float,
    height: int,
    width: int,
) -> Float[Tensor, "batch {height} {width} 3"]:
    """Return the ray of each pixel of a pinhole camera, one metre deep.

    Args:
        yaw_rad: to the right.
        pitch_rad: upwards.
        view_rad: angle of view across the width; pixels are square.
        height: pixels from top to bottom.
        width: pixels from left to right.
    """
    zero, device = torch.zeros_like(yaw_rad), yaw_rad.device
    ahead = torch.stack((yaw_rad.sin() * pitch_rad.cos(), yaw_rad.cos() * pitch_rad.cos(), pitch_rad.sin()), -1)
    right = torch.stack((yaw_rad.cos(), -yaw_rad.sin(), zero), -1)
    up = torch.linalg.cross(right, ahead)
    pixel = 2 * math.tan(view_rad / 2) / width
    across = ((torch.arange(width, device=device) + 0.5) - width / 2) * pixel
    upwards = (height / 2 - (torch.arange(height, device=device) + 0.5)) * pixel
    sideways, upright = (way[:, None, None] for way in (right, up))
    rays: Tensor = ahead[:, None, None] + across[:, None] * sideways + upwards[:, None, None] * upright
    return rays


def hit_walls(
    origin: Float[Tensor, "batch #rows #columns 3"],
    direction: Float[Tensor, "batch rows columns 3"],
    size: Float[Tensor, "batch 3"],
) -> tuple[Float[Tensor, "batch rows columns"], Int[Tensor, "batch rows columns"]]:
    """Return how far the walls of a room are, seen from inside, and which one is met.

    The room has a corner at the origin. Walls 0 and 1 are left and right, 2 and 3 near and far, 4 and 5 floor and
    ceiling.
    """
    depth = torch.full_like(direction[..., 0], torch.inf)
    wall = torch.zeros_like(depth, dtype=torch.int64)
    for axis, (start, ray) in enumerate(zip(origin.unbind(-1), direction.unbind(-1), strict=True)):
        ray = _away_from_zero(ray)
        away = (torch.where(ray > 0, size[:, axis, None, None], 0.0) - start) / ray
        wall = torch.where(away < depth, 2 * axis + (ray > 0), wall)
        depth = torch.minimum(depth, away)
    return depth, wall


def hit_boxes(
    origin: Float[Tensor, "batch #rows #columns 3"], direction: Float[Tensor, "batch rows columns 3"], boxes: Boxes
) -> tuple[Float[Tensor, "batch rows columns"], Int[Tensor, "batch rows columns"]]:
    """Return how far the first box is that each ray meets, and which it is; infinitely far and -1 where there is none.

    Boxes by their slabs (Kay and Kajiya, 1986); one around the origin of a ray is not met.
    """
    rays = [_away_from_zero(part.contiguous()) for part in direction.unbind(-1)]
    depth = torch.full_like(rays[0], torch.inf)
    which = torch.full(depth.shape, -1, dtype=torch.int64, device=depth.device)
    for n in range(boxes.centre.shape[1]):
        near, far = _slabs(origin - boxes.centre[:, n, None, None], rays, boxes.half[:, n], boxes.yaw_rad[:, n])
        first = (near > 0) & (near < far) & (near < depth)
        depth, which = torch.where(first, near, depth), torch.where(first, n, which)
    return depth, which


def box_normals(
    boxes: Boxes, which: Int[Tensor, "batch rows columns"], point: Float[Tensor, "batch rows columns 3"]
) -> Float[Tensor, "batch rows columns 3"]:
    """Return the outward normal of the face that a point of a box lies on, or next to; box -1 is taken for the last."""
    batch = torch.arange(which.shape[0], device=which.device)[:, None, None]
    yaw = boxes.yaw_rad[batch, which]
    half = boxes.half[batch, which].clamp(min=_NEARLY_PARALLEL)
    own = torch.stack(_turned((point - boxes.centre[batch, which]).unbind(-1), -yaw), -1) / half
    face = functional.one_hot(own.abs().argmax(-1), 3) * own.sign()
    return torch.stack(_turned(face.unbind(-1), yaw), -1)


def _slabs(start: Tensor, rays: Sequence[Tensor], half: Tensor, yaw_rad: Tensor) -> tuple[Tensor, Tensor]:
    """Return where rays enter and leave a box whose centre is the origin; coordinates apart, which is the fast way."""
    turn = -yaw_rad[:, None, None]
    ways = [1 / _away_from_zero(part) for part in _turned(rays, turn)]
    middle = [-place * way for place, way in zip(_turned(start.unbind(-1), turn), ways, strict=True)]
    reach = [size[:, None, None] * way.abs() for size, way in zip(half.unbind(-1), ways, strict=True)]
    enter = [one - other for one, other in zip(middle, reach, strict=True)]
    leave = [one + other for one, other in zip(middle, reach, strict=True)]
    near = torch.maximum(torch.maximum(enter[0], enter[1]), enter[2])
    return near, torch.minimum(torch.minimum(leave[0], leave[1]), leave[2])


def _turned(coordinates: Sequence[Tensor], yaw_rad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return coordinates turned about the vertical, anticlockwise seen from above."""
    x, y, z = coordinates
    cos, sin = yaw_rad.cos(), yaw_rad.sin()
    return cos * x - sin * y, sin * x + cos * y, z


def _away_from_zero(x: Tensor) -> Tensor:
    return torch.where(x.abs() < _NEARLY_PARALLEL, _NEARLY_PARALLEL, x)
