"""Channels of rooms in which things move: every path has a length and an amplitude, and all of them add up.

A path of length d arrives d / c late, so H(f) = sum_p a_p exp(-j 2 pi f d_p / c). A path that grows by v metres a
second turns by -v / lambda cycles a second: that is its Doppler shift. Amplitudes are those of isotropic antennas in
free space: lambda / (4 pi d) directly (Friis), sqrt(sigma / (4 pi)) lambda / (4 pi d_1 d_2) by way of a small
scatterer of cross section sigma (the bistatic radar equation).
"""

import math
from itertools import product

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from groundwave.errors import GroundwaveError

SPEED_OF_LIGHT_M_S = 299_792_458.0


def image_sources(
    source: Float[Tensor, "*batch 3"], size: Float[Tensor, "*batch 3"], order: int
) -> tuple[Float[Tensor, "*batch image 3"], Int[Tensor, "image 6"]]:
    """Return where the walls of a box room mirror a source to, and how often each wall was met on the way.

    Walls are numbered x = 0, x = size, y = 0, ...; the source itself is among its images. Allen and Berkley 1979.

    Args:
        source: position in metres; a corner of the room is the origin.
        size: of the room in metres.
        order: most reflections on a way.
    """
    if order < 0:
        raise GroundwaveError(f"order {order}", "0 (free space) or more", "raise it")
    along = [(m, q, abs(m - q), abs(m)) for m in range(-order, order + 1) for q in (0, 1)]
    ways = [way for way in product(along, repeat=3) if sum(near + far for _, _, near, far in way) <= order]
    cells = torch.tensor([[m for m, *_ in way] for way in ways], device=source.device)
    mirrored = torch.tensor([[q for _, q, *_ in way] for way in ways], device=source.device)
    met = torch.tensor([[count for *_, near, far in way for count in (near, far)] for way in ways])
    images = (1 - 2 * mirrored) * source[..., None, :] + 2 * cells * size[..., None, :]
    return images, met.to(source.device)


def direct_paths(
    sources: Float[Tensor, "*batch path 3"], receivers: Float[Tensor, "*batch antenna 3"], wavelength_m: float
) -> tuple[Float[Tensor, "*batch antenna path"], Float[Tensor, "*batch antenna path"]]:
    """Return lengths in metres and amplitudes of straight paths."""
    lengths = (sources[..., None, :, :] - receivers[..., :, None, :]).norm(dim=-1)
    return lengths, wavelength_m / (4 * math.pi * lengths)


def scattered_paths(
    transmitter: Float[Tensor, "*batch 3"],
    scatterers: Float[Tensor, "*batch path packet 3"],
    receivers: Float[Tensor, "*batch antenna 3"],
    cross_sections: Float[Tensor, "*batch path"],
    wavelength_m: float,
) -> tuple[Float[Tensor, "*batch antenna path packet"], Float[Tensor, "*batch antenna path packet"]]:
    """Return lengths in metres and amplitudes of paths by way of scatterers (square metres) that may move."""
    there = (scatterers - transmitter[..., None, None, :]).norm(dim=-1)[..., None, :, :]
    back = (scatterers[..., None, :, :, :] - receivers[..., :, None, None, :]).norm(dim=-1)
    strength = (cross_sections / (4 * math.pi)).sqrt()[..., None, :, None]
    return there + back, strength * wavelength_m / (4 * math.pi * there * back)


def channel(
    lengths: Float[Tensor, "*batch path packet"],
    amplitudes: Float[Tensor, "*batch path packet"],
    frequencies_hz: Float[Tensor, " subcarrier"],
) -> Complex[Tensor, "*batch subcarrier packet"]:
    """Return H(f, t) = sum over paths of a(t) exp(-j 2 pi f d(t) / c); differentiable in lengths and amplitudes."""
    total: Tensor | None = None
    for length, amplitude in zip(lengths.unbind(-2), amplitudes.unbind(-2), strict=True):  # keeps memory to one path
        # In double precision, as a path is a thousand turns long at 5 GHz; what is left of whole turns counts.
        turns = frequencies_hz.double()[:, None] * (length.double() / SPEED_OF_LIGHT_M_S)[..., None, :]
        phase = (-2 * math.pi * (turns - turns.detach().round())).to(amplitude.dtype)
        path = torch.polar(amplitude[..., None, :].expand(phase.shape).contiguous(), phase)
        total = path if total is None else total + path
    if total is None:
        raise GroundwaveError("no path", "at least one", "place a source or a scatterer")
    return total


def blockage(
    transmitter: Float[Tensor, "*batch 3"],
    receivers: Float[Tensor, "*batch antenna 3"],
    body: Float[Tensor, "*batch packet 3"],
    *,
    radius_m: float = 0.25,
    loss_db: float = 8.0,
) -> Float[Tensor, "*batch antenna packet"]:
    """Return what a body leaves of the amplitude of the straight path: 1 far from it, -`loss_db` right on it.

    The loss in decibels falls off as a Gaussian of the body's distance from the path, `radius_m` its standard
    deviation: smooth, and near what a person does to a link of some metres.
    """
    start = transmitter[..., None, None, :]
    way = receivers[..., :, None, :] - start
    offset = body[..., None, :, :] - start
    share = ((offset * way).sum(-1) / way.square().sum(-1).clamp(min=1e-12)).clamp(0, 1)
    square = (offset - share[..., None] * way).square().sum(-1)
    gain: Tensor = 10 ** (-loss_db / 20 * (-0.5 * square / radius_m**2).exp())
    return gain
