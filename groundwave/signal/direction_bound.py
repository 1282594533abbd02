"""The Cramér-Rao bound of directions of arrival: what no unbiased estimator can beat."""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from groundwave.errors import GroundwaveError
from groundwave.signal.array import steering


def _slopes(positions: Tensor, angle: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return how steering vectors `[*batch, source, antenna]` change with azimuth and with elevation."""
    azimuth, elevation = angle.unbind(-1)
    by_azimuth = torch.stack((-elevation.cos() * azimuth.sin(), elevation.cos() * azimuth.cos(), 0 * azimuth), -1)
    by_elevation = torch.stack(
        (-elevation.sin() * azimuth.cos(), -elevation.sin() * azimuth.sin(), elevation.cos()), -1
    )
    first, second = (2j * math.pi * (slope @ positions.T) * vectors for slope in (by_azimuth, by_elevation))
    return first, second


def cramer_rao(
    positions: Float[Tensor, "antenna 3"],
    angle: Float[Tensor, "*batch source 2"],
    powers: Complex[Tensor, "*batch source source"],
    num_snapshots: int,
    *,
    azimuth_only: bool = False,
) -> Float[Tensor, "*batch angles angles"]:
    """Return the least covariance of the angles in radians^2, all azimuths before all elevations.

    The bound of Gaussian signals in white noise of unit power (Stoica, Larsson and Gershman 2001, eq. 2.5), which
    estimators reach with many snapshots: (1 / 2 N) Re[(D^H P D) * (S A^H R^-1 A S)^T]^-1, where D holds the slopes of
    the steering vectors A, P projects on what is orthogonal to these, S are `powers` and R = A S A^H + 1. All in
    double precision.

    Args:
        positions: of the elements, in wavelengths.
        angle: azimuth and elevation of each source.
        powers: covariance of the sources' signals at an element, over the noise's power.
        num_snapshots: independent ones.
        azimuth_only: elevations are known, as those of a linear array have to be.

    Raises:
        GroundwaveError: as many sources as antennas, or angles that these elements cannot tell.
    """
    if angle.shape[-2] >= len(positions):
        got = f"{angle.shape[-2]} sources for {len(positions)} antennas"
        raise GroundwaveError(got, "less sources than antennas", "use a larger array")
    positions, angle, powers = positions.double(), angle.double(), powers.to(torch.complex128)
    rows = steering(positions, angle)
    vectors = rows.mT
    by_azimuth, by_elevation = _slopes(positions, angle, rows)
    slopes = (by_azimuth if azimuth_only else torch.cat((by_azimuth, by_elevation), -2)).mT
    eye = torch.eye(len(positions), dtype=vectors.dtype, device=vectors.device)
    outside = eye - vectors @ torch.linalg.pinv(vectors)
    heard = powers @ vectors.mH @ torch.linalg.solve(vectors @ powers @ vectors.mH + eye, vectors @ powers)
    copies = slopes.shape[-1] // angle.shape[-2]
    heard = heard.repeat(*[1] * (heard.ndim - 2), copies, copies)
    information = 2 * num_snapshots * (slopes.mH @ outside @ slopes * heard.mT).real
    inverse: Tensor
    inverse, failed = torch.linalg.inv_ex(information)
    if bool(failed.any()) or not bool(inverse.isfinite().all()):
        got = f"{len(positions)} elements whose signals do not tell these angles"
        raise GroundwaveError(got, "sources apart, and elements along both axes", "leave elevations out: azimuth_only")
    return inverse
