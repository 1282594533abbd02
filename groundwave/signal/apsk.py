"""Amplitude and phase shift keying of satellite television: rings of points, labelled as the standards label them."""

import torch
from jaxtyping import Complex
from torch import Tensor

# Label k is sent on ring _RINGS[k], counted from the inside, at phase _PHASES[k].
_PHASES_16 = (3, -3, 9, -9, 1, -1, 11, -11, 5, -5, 7, -7, 3, -3, 9, -9)  # in pi / 12
_RINGS_32 = (1,) * 8 + (2,) * 8 + (1, 0) * 4 + (2,) * 8
_PHASES_32 = (  # in pi / 24
    (6, 10, -6, -10, 18, 14, -18, -14, 3, 9, -6, -12, 18, 12, -21, -15),
    (2, 6, -2, -6, 22, 18, -22, -18, 0, 6, -3, -9, 21, 15, 24, -18),
)
_RINGS_128 = (0, 5, 5, 5, 1, 2, 4, 3) * 4
_PHASES_128 = (  # the first quadrant, in pi / 5040
    (332, 528, 111, 330, 242, 414, 133, 427, 927, 732, 1149, 929, 1017, 845, 1126, 834),
    (2187, 1993, 2408, 2190, 2278, 2106, 2387, 2094, 1593, 1789, 1372, 1590, 1503, 1673, 1393, 1686),
)


def _polar(radii: tuple[float, ...], rings: Tensor, phases: Tensor) -> Complex[Tensor, " points"]:
    """Return points of unit mean power; phases in units of pi."""
    r = torch.tensor(radii, dtype=torch.float64)[rings]
    return torch.polar(r / r.square().mean().sqrt(), torch.pi * phases.double()).to(torch.complex64)


def apsk16(ratio: float = 2.85) -> Complex[Tensor, " points"]:
    """4 + 12 points, outer over inner radius 2.85 for code rate 3/4 (ETSI EN 302 307-1, 5.4.3)."""
    rings = torch.tensor([1] * 12 + [0] * 4)
    return _polar((1.0, ratio), rings, torch.tensor(_PHASES_16) / 12)


def apsk32(ratios: tuple[float, float] = (2.84, 5.27)) -> Complex[Tensor, " points"]:
    """4 + 12 + 16 points, radii over the innermost for code rate 3/4 (ETSI EN 302 307-1, 5.4.4)."""
    return _polar((1.0, *ratios), torch.tensor(_RINGS_32), torch.tensor(_PHASES_32).flatten() / 24)


def apsk64(ratios: tuple[float, float, float] = (1.88, 2.72, 3.95)) -> Complex[Tensor, " points"]:
    """Four rings of 16 points, radii for code rate 128/180 (ETSI EN 302 307-2, 5.4).

    The two high bits are the ring, the four low bits the phase, each in Gray code (the standard's own order differs).
    """
    k = torch.arange(16)
    order = torch.argsort(k ^ (k >> 1))  # the position of a label in the Gray sequence
    rings, phases = order[:4].repeat_interleave(16), order.repeat(4)
    return _polar((1.0, *ratios), rings, (2 * phases + 1) / 16)


def apsk128(ratios: tuple[float, ...] = (1.715, 2.118, 2.681, 2.75, 3.819)) -> Complex[Tensor, " points"]:
    """Five rings of 16 points and one of 48, radii for code rate 135/180 (ETSI EN 302 307-2, 5.4).

    The quadrants mirror the first: the high bits are the signs of Q and I.
    """
    first = torch.tensor(_PHASES_128).flatten() / 5040
    return _polar((1.0, *ratios), torch.tensor(_RINGS_128 * 4), torch.cat([first, 1 - first, -first, 1 + first]))
