"""Antenna arrays: geometry, steering vectors in narrow and wide bands, and the gain of beams.

Positions are in wavelengths of the carrier. An array lies in the y-z plane and looks along x. A direction is
(azimuth, elevation) in radians, with the unit vector (cos el cos az, cos el sin az, sin el). A plane wave from
direction u reaches an element at p with the phase exp(j 2 pi p.u); what a beam w hears of it is w^H a, and what it
sends that way as well (Van Trees, Optimum Array Processing, 2002, ch. 2).
"""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from groundwave.errors import GroundwaveError
from groundwave.signal.impair import phasor


def planar_array(num_rows: int, num_columns: int, spacing: float = 0.5) -> Float[Tensor, "antenna 3"]:
    """Return the positions of a uniform planar array, row by row: rows one above the other, columns from -y to +y.

    Raises:
        GroundwaveError: no element, or elements that are not apart.
    """
    if num_rows < 1 or num_columns < 1 or not 0 < spacing < math.inf:
        got = f"{num_rows} x {num_columns} elements, {spacing} wavelengths apart"
        raise GroundwaveError(got, "at least 1 x 1, apart by a positive number", "correct the array")
    z, y = (spacing * (torch.arange(num) - (num - 1) / 2) for num in (num_rows, num_columns))
    return torch.stack((torch.zeros(num_rows, num_columns), *torch.meshgrid(y, z, indexing="xy")), -1).flatten(0, 1)


def linear_array(num_antennas: int, spacing: float = 0.5) -> Float[Tensor, "antenna 3"]:
    """Return the positions of a uniform linear array along y: it tells azimuths from each other."""
    return planar_array(1, num_antennas, spacing)


def unit_vector(angle: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 3"]:
    """Return the unit vector of a direction (azimuth, elevation)."""
    azimuth, elevation = angle.unbind(-1)
    across = elevation.cos()
    return torch.stack((across * azimuth.cos(), across * azimuth.sin(), elevation.sin()), -1)


def separation_rad(a: Float[Tensor, "*#batch 2"], b: Float[Tensor, "*#batch 2"]) -> Float[Tensor, "*batch"]:
    """Return the angle between directions: by the chord, which is exact for small angles, too."""
    chord = (unit_vector(a) - unit_vector(b)).norm(dim=-1)
    angle: Tensor = 2 * (chord / 2).clamp(max=1).asin()
    return angle


def steering(
    positions: Float[Tensor, "antenna 3"], angle: Float[Tensor, "*batch 2"]
) -> Complex[Tensor, "*batch antenna"]:
    """Return the steering vectors of directions at the carrier: a_n = exp(j 2 pi p_n.u)."""
    return phasor(2 * math.pi * (unit_vector(angle) @ positions.T))


def wideband_steering(
    positions: Float[Tensor, "antenna 3"], angle: Float[Tensor, "*batch 2"], detuning: Float[Tensor, "*#batch freq"]
) -> Complex[Tensor, "*batch freq antenna"]:
    """Return the steering vectors at frequencies off the carrier, whose wavelength differs: beams squint.

    `detuning` is the distance from the carrier as a share of it: a_n(f) = exp(j 2 pi (1 + detuning) p_n.u).
    """
    delays = unit_vector(angle) @ positions.T
    return phasor(2 * math.pi * (1 + detuning[..., None]) * delays[..., None, :])


def beam_gain(
    weights: Complex[Tensor, "beam antenna"], vectors: Complex[Tensor, "*batch antenna"]
) -> Float[Tensor, "*batch beam"]:
    """Return |w^H a|^2 of each beam in each direction; beams of unit norm reach the number of elements at most."""
    return (vectors @ weights.conj().T).abs().square()
