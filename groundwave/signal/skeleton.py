"""The human body as eight scatterers on a skeleton: from angles and offsets to positions.

Limb lengths are shares of the body's height (Winter 2009, figure 4.1, rounded).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

# Shares of the height: of the hips, from there to shoulders, head and chest; of an arm, of half a leg.
HIP, NECK, HEAD, CHEST, ARM, LEG = 0.53, 0.29, 0.41, 0.2, 0.4, 0.255
_SHOULDER, _HIP_WIDTH = 0.13, 0.06  # half of what lies between left and right
_SIDES = (1.0, -1.0)  # left, right

# Square metres, seen from anywhere, at a few GHz: chest, head, hands, knees, feet. About three times what a radar sees
# of a person, as bodies throw more forward than back and walls send part of it on: with them, amplitudes vary over time
# nearly as in recordings of people in rooms.
CROSS_SECTIONS = (1.6, 0.25, 0.2, 0.2, 0.35, 0.35, 0.15, 0.15)


@dataclass(frozen=True)
class Pose:
    """Skeletons at instants `[batch, packet]`; metres and radians, of limbs `[batch, side, packet]`, left then right.

    Args:
        forward: of the hips, along the first heading.
        aside: of the hips, to the left of the first heading.
        hip: height of the hips.
        heading: turn to the left since the start.
        pitch: of the trunk, 0 upright, pi / 2 face down.
        chest: of the breast bone, forward.
        arm: swing forward from hanging along the trunk.
        spread: of an arm to its side.
        reach: share of an arm's length from shoulder to hand.
        leg: swing of a thigh forward from the vertical.
        knee: bend, which takes the shin backward.
    """

    forward: Float[Tensor, "batch packet"]
    aside: Float[Tensor, "batch packet"]
    hip: Float[Tensor, "batch packet"]
    heading: Float[Tensor, "batch packet"]
    pitch: Float[Tensor, "batch packet"]
    chest: Float[Tensor, "batch packet"]
    arm: Float[Tensor, "batch 2 packet"]
    spread: Float[Tensor, "batch 2 packet"]
    reach: Float[Tensor, "batch 2 packet"]
    leg: Float[Tensor, "batch 2 packet"]
    knee: Float[Tensor, "batch 2 packet"]


def scatterers(
    pose: Pose, height_m: Float[Tensor, " batch"], start: Float[Tensor, "batch 2"], heading_rad: Float[Tensor, " batch"]
) -> Float[Tensor, "batch 8 packet 3"]:
    """Return where the chest, head, hands, knees and feet are, in metres, z up.

    `start` is where the hips are on the floor plan at pose offset 0, `heading_rad` where the body looks then.
    """
    height = height_m[:, None, None]
    up = torch.tensor([0.0, 0.0, 1.0], device=start.device)
    first, left_of_first = _horizontal(heading_rad[:, None])
    front, left = _horizontal(heading_rad[:, None] + pose.heading)
    hips = pose.forward[..., None] * first + pose.aside[..., None] * left_of_first + pose.hip[..., None] * up
    hips = hips + torch.cat((start, torch.zeros_like(start[:, :1])), 1)[:, None]
    cosine, sine = pose.pitch.cos()[..., None], pose.pitch.sin()[..., None]
    trunk, breast = sine * front + cosine * up, cosine * front - sine * up
    places = [hips + CHEST * height * trunk + pose.chest[..., None] * breast, hips + HEAD * height * trunk]
    hands, knees, feet = [], [], []
    for side, sign in enumerate(_SIDES):
        arm, spread, reach, leg, knee = (
            limb[:, side, :, None] for limb in (pose.arm, pose.spread, pose.reach, pose.leg, pose.knee)
        )
        shoulder = hips + height * (NECK * trunk + sign * _SHOULDER * left)
        along = spread.cos() * (arm.sin() * breast - arm.cos() * trunk) + sign * spread.sin() * left
        hands.append(shoulder + reach * ARM * height * along)
        joint = hips + height * sign * _HIP_WIDTH * left + LEG * height * (leg.sin() * front - leg.cos() * up)
        shin = leg - knee
        knees.append(joint)
        feet.append(joint + LEG * height * (shin.sin() * front - shin.cos() * up))
    return torch.stack((*places, *hands, *knees, *feet), dim=1)


def _horizontal(angle: Tensor) -> tuple[Tensor, Tensor]:
    """Return unit vectors along an angle and to its left, on the floor."""
    cosine, sine, none = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return torch.stack((cosine, sine, none), -1), torch.stack((-sine, cosine, none), -1)
