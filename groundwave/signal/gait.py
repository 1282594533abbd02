"""How people move: activities, each a pose of the skeleton at any instant.

Walking and running follow Boulic, Thalmann and Thalmann 1990 (cycle length and duration from the speed over the hip's
height), and moves from one posture to another the minimum-jerk profile of Flash and Hogan 1985.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from groundwave.signal.skeleton import HIP, LEG, Pose

_CHAIR, _FLOOR = 0.25, 0.07  # height of hips that sit or lie, as a share of the body's


@dataclass(frozen=True)
class Person:
    """People, one a record.

    Args:
        height_m: of the body.
        pace: how fast they do things, 1 usual.
        vigour: how far their limbs swing, 1 usual.
        phase: where in its cycle a repeated movement starts, in cycles.
        moment_s: when a single movement starts.
        radius_m: of the circle on which they walk.
    """

    height_m: Float[Tensor, " batch"]
    pace: Float[Tensor, " batch"]
    vigour: Float[Tensor, " batch"]
    phase: Float[Tensor, " batch"]
    moment_s: Float[Tensor, " batch"]
    radius_m: Float[Tensor, " batch"]


Activity = Callable[[Float[Tensor, "batch packet"], Person], Pose]


def _column(values: Float[Tensor, " batch"]) -> Float[Tensor, "batch 1"]:
    return values[:, None]


def _both(left: Tensor, right: Tensor) -> Tensor:
    return torch.stack((left, right), dim=1)


def _wave(time_s: Tensor, who: Person, rate_hz: float, lag: float = 0.0) -> Tensor:
    """Return a sine of `rate_hz` at usual pace, `lag` cycles late."""
    return (2 * math.pi * (rate_hz * _column(who.pace) * time_s + _column(who.phase) - lag)).sin()


def _glide(time_s: Tensor, who: Person, seconds: float, start_s: float = 0.0) -> Tensor:
    """Go from 0 to 1 by minimum jerk, `start_s` after the person's moment."""
    x = ((time_s - _column(who.moment_s)) * _column(who.pace) - start_s).div(seconds).clamp(0, 1)
    return x**3 * (10 - 15 * x + 6 * x**2)


def stand(time_s: Float[Tensor, "batch packet"], who: Person) -> Pose:
    """Stand still and breathe, 15 times a minute, half a centimetre; sway a little."""
    none = torch.zeros_like(time_s)
    limbs = torch.zeros_like(_both(none, none))
    sway = 0.004 * _wave(time_s, who, 0.3, 0.2)
    return Pose(
        forward=sway,
        aside=none,
        hip=HIP * _column(who.height_m) + none,
        heading=none,
        pitch=none,
        chest=0.005 * _wave(time_s, who, 0.25),
        arm=limbs,
        spread=limbs + 0.1,
        reach=limbs + 1,
        leg=limbs,
        knee=limbs,
    )


def _locomotion(time_s: Tensor, who: Person, speed_m_s: float, knee_rad: float, elbow: float) -> Pose:
    """Walk or run on a circle: legs and arms swing against each other, a cycle being two steps."""
    speed = speed_m_s * _column(who.pace)
    hip = HIP * _column(who.height_m)
    relative = speed / hip
    duration = 1.346 / relative.sqrt()  # Boulic: of a cycle, in seconds
    angle = 2 * math.pi * (time_s / duration + _column(who.phase))
    swing = (speed * duration / 4 / (2 * LEG * _column(who.height_m))).clamp(max=0.9).asin()
    leg = _both(swing * angle.sin(), -swing * angle.sin())
    knee = knee_rad * _both((1 + (angle - 0.9).cos()) / 2, (1 - (angle - 0.9).cos()) / 2)
    turned = speed * time_s / _column(who.radius_m)
    return replace(
        stand(time_s, who),
        forward=_column(who.radius_m) * turned.sin(),
        aside=_column(who.radius_m) * (1 - turned.cos()),
        heading=turned,
        hip=hip + 0.015 * relative * (2 * angle).cos() - 0.01,
        pitch=0.05 * relative + torch.zeros_like(time_s),
        arm=-1.1 * _column(who.vigour)[..., None] * leg,
        reach=torch.full_like(leg, elbow),
        leg=leg,
        knee=knee,
    )


def walk(time_s: Float[Tensor, "batch packet"], who: Person) -> Pose:
    """Walk at 1.2 m/s."""
    return _locomotion(time_s, who, 1.2, 0.7, 0.95)


def run(time_s: Float[Tensor, "batch packet"], who: Person) -> Pose:
    """Run at 2.5 m/s, elbows bent."""
    return _locomotion(time_s, who, 2.5, 1.5, 0.6)


def _seated(time_s: Tensor, who: Person, down: Tensor, *, to: float = _CHAIR, thigh: float = math.pi / 2) -> Pose:
    """Be a share `down` of the way from standing to sitting; halfway the trunk leans forward."""
    pose = stand(time_s, who)
    height = _column(who.height_m)
    legs = _both(down, down)
    lean = 0.6 * (math.pi * down).sin() + 0.1 * down
    fall_back = -0.3 * height * down * math.sin(thigh)
    bent = pose.leg + thigh * legs
    return replace(
        pose,
        hip=height * (HIP + (to - HIP) * down),
        forward=pose.forward + fall_back,
        pitch=lean,
        arm=0.8 * legs,
        leg=bent,
        knee=bent * 1.15,
    )


def sit(time_s: Float[Tensor, "batch packet"], who: Person) -> Pose:
    """Sit and breathe."""
    return _seated(time_s, who, torch.ones_like(time_s))


def sit_down(time_s: Float[Tensor, "batch packet"], who: Person) -> Pose:
    """Sit down within 1.5 s."""
    return _seated(time_s, who, _glide(time_s, who, 1.5))


def stand_up(time_s: Float[Tensor, "batch packet"], who: Person) -> Pose:
    """Stand up within 1.3 s."""
    return _seated(time_s, who, 1 - _glide(time_s, who, 1.3))


def squat(time_s: Float[Tensor, "batch packet"], who: Person) -> Pose:
    """Squat and rise, again and again, every 2.5 s."""
    down = (1 - (2 * math.pi * (0.4 * _column(who.pace) * time_s + _column(who.phase))).cos()) / 2
    pose = _seated(time_s, who, down, to=0.2, thigh=1.9)
    return replace(pose, arm=_both(1.5 * down, 1.5 * down))


def _prone(time_s: Tensor, who: Person, down: Tensor) -> Pose:
    """Be a share `down` of the way from standing to lying on the floor."""
    pose = stand(time_s, who)
    angle = math.pi / 2 * down
    return replace(
        pose,
        hip=_column(who.height_m) * (HIP * angle.cos() + _FLOOR * angle.sin()),
        forward=pose.forward + 0.5 * _column(who.height_m) * angle.sin(),
        pitch=angle,
        leg=-_both(angle, angle),
    )


def lie(time_s: Float[Tensor, "batch packet"], who: Person) -> Pose:
    """Lie and breathe."""
    return _prone(time_s, who, torch.ones_like(time_s))


def fall(time_s: Float[Tensor, "batch packet"], who: Person) -> Pose:
    """Fall within 0.8 s, ever faster, arms thrown up; then lie."""
    x = ((time_s - _column(who.moment_s)) / 0.8).clamp(0, 1)
    pose = _prone(time_s, who, x**2)
    thrown = 1.8 * (math.pi * x).sin() * _column(who.vigour)
    return replace(pose, arm=_both(thrown, thrown), spread=pose.spread + 0.5 * _both(x, x))


def jump(time_s: Float[Tensor, "batch packet"], who: Person) -> Pose:
    """Jump on the spot, again and again, every 1.2 s: a parabola in the air, knees bent on the ground."""
    pose = stand(time_s, who)
    share = (time_s * _column(who.pace) / 1.2 + _column(who.phase)) % 1.0
    air = (4 * (share / 0.4) * (1 - share / 0.4)).clamp(min=0)
    crouch = (math.pi * (share - 0.4) / 0.6).sin().clamp(min=0) ** 2 * (share > 0.4)
    legs = 0.8 * _both(crouch, crouch)
    height = 0.25 * _column(who.vigour) * air - 0.12 * _column(who.height_m) * crouch
    return replace(pose, hip=pose.hip + height, leg=legs, knee=2 * legs, arm=1.5 * _both(air, air))


def pick_up(time_s: Float[Tensor, "batch packet"], who: Person) -> Pose:
    """Bend down, pick something up from the floor within 1.2 s, and rise with it."""
    down = _glide(time_s, who, 1.2) * (1 - _glide(time_s, who, 1.2, 1.6))
    pose = _seated(time_s, who, 0.6 * down)
    return replace(pose, pitch=1.3 * down, arm=_both(0.4 * down, 1.3 * down))


def wave(time_s: Float[Tensor, "batch packet"], who: Person) -> Pose:
    """Wave one raised hand from side to side, 1.5 times a second."""
    pose = stand(time_s, who)
    still = torch.zeros_like(time_s)
    side = 0.3 + 0.45 * _column(who.vigour) * _wave(time_s, who, 1.5)
    return replace(pose, arm=_both(still, still + 2.7), spread=_both(still + 0.1, side))


def box(time_s: Float[Tensor, "batch packet"], who: Person) -> Pose:
    """Punch forward with one fist after the other, 1.2 times a second each."""
    pose = stand(time_s, who)
    beat = _wave(time_s, who, 1.2)
    punch = _both(beat.clamp(min=0), (-beat).clamp(min=0)) ** 1.5
    return replace(pose, arm=torch.full_like(punch, 1.45), reach=0.45 + 0.55 * punch, heading=0.25 * beat)


def circle(time_s: Float[Tensor, "batch packet"], who: Person) -> Pose:
    """Circle both arms, 0.7 times a second."""
    pose = stand(time_s, who)
    angle = 2 * math.pi * (0.7 * _column(who.pace) * time_s + _column(who.phase))
    return replace(pose, arm=_both(angle, angle), spread=pose.spread + 0.2)


def clean(time_s: Float[Tensor, "batch packet"], who: Person) -> Pose:
    """Sweep the floor, bent, arms from side to side every 1.4 s, a step to and fro."""
    pose = stand(time_s, who)
    stroke = _wave(time_s, who, 0.7) * _column(who.vigour)
    return replace(
        pose,
        forward=0.25 * _wave(time_s, who, 0.2),
        hip=pose.hip * 0.92,
        pitch=torch.full_like(time_s, 0.7),
        heading=0.35 * stroke,
        arm=_both(0.9 + 0.4 * stroke, 0.9 + 0.4 * stroke),
        spread=_both(0.5 * stroke, -0.5 * stroke),
        leg=pose.leg + 0.3,
        knee=pose.knee + 0.5,
    )


ACTIVITIES: Mapping[str, Activity] = {
    "box": box,
    "circle": circle,
    "clean": clean,
    "fall": fall,
    "jump": jump,
    "lie": lie,
    "pick-up": pick_up,
    "run": run,
    "sit": sit,
    "sit-down": sit_down,
    "squat": squat,
    "stand": stand,
    "stand-up": stand_up,
    "walk": walk,
    "wave": wave,
}


def draw_habits(num: int, *, generator: Generator) -> dict[str, Float[Tensor, " num"]]:
    """Draw what stays with a person: `height_m` 1.5 to 1.95, `pace` 0.8 to 1.25, `vigour` 0.7 to 1.3."""
    ranges = {"height_m": (1.5, 1.95), "pace": (0.8, 1.25), "vigour": (0.7, 1.3)}
    drawn = torch.rand((len(ranges), num), generator=generator, device=generator.device)
    return {name: low + (high - low) * row for (name, (low, high)), row in zip(ranges.items(), drawn, strict=True)}
