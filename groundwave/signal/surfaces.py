"""How surfaces look: patterns on them, and how bright a lamp makes them."""

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

_EDGE = 1.5  # slope of a pattern's edges: soft ones alias less

# Waves over a surface, of period 1 in both coordinates; a pattern is where its wave is positive.
PATTERNS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "columns": lambda u, v: torch.sin(2 * math.pi * u),
    "courses": lambda u, v: torch.sin(2 * math.pi * v),
    "checks": lambda u, v: 2 * torch.sin(2 * math.pi * u) * torch.sin(2 * math.pi * v),
    "diagonals": lambda u, v: torch.sin(2 * math.pi * (u + v)),
}


def pattern(
    kind: Int[Tensor, " batch"],
    u: Float[Tensor, "batch rows columns"],
    v: Float[Tensor, "batch rows columns"],
    period: Float[Tensor, " batch"],
) -> Float[Tensor, "batch rows columns"]:
    """Return how much of a pattern's second colour, or of its relief, is at each point, 0 to 1.

    Args:
        kind: number of the pattern in `PATTERNS`.
        u: metres along the surface.
        v: metres up the surface.
        period: metres from one stripe to the next.
    """
    u, v = u / period[:, None, None], v / period[:, None, None]
    waves = torch.stack([wave(u, v) for wave in PATTERNS.values()], 1)
    own = waves[torch.arange(len(kind), device=u.device), kind.to(u.device)]
    return (0.5 + _EDGE * own).clamp(0, 1)


def lambertian(
    point: Float[Tensor, "batch rows columns 3"],
    normal: Float[Tensor, "batch rows columns 3"],
    lamp: Float[Tensor, "batch 3"],
    reach_m: Float[Tensor, " batch"],
) -> Float[Tensor, "batch rows columns"]:
    """Return how much of a small lamp's light matte surfaces reflect: Lambert's cosine over the squared distance.

    Args:
        point: where on the surface.
        normal: unit vector away from it.
        lamp: where it hangs.
        reach_m: distance at which a surface that faces the lamp has brightness 1.
    """
    way = lamp[:, None, None] - point
    squared = way.square().sum(-1).clamp(min=1e-4)
    cosine = (way * normal).sum(-1).clamp(min=0) / squared.sqrt()
    return cosine * (reach_m[:, None, None].square() / squared)


def to_display(light: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return linear light as a picture holds it: clipped to 0..1, with sRGB's gamma of about 2.2."""
    return light.clamp(1e-6, 1) ** (1 / 2.2)
