"""ESPRIT: directions from the turn between two equal halves of an array, without a search."""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from groundwave.signal.direction import check_count


def esprit(
    matrix: Complex[Tensor, "*batch antenna antenna"], num_sources: int, spacing: float = 0.5
) -> Float[Tensor, "*batch {num_sources}"]:
    """Return ascending azimuths from the covariance of a uniform linear array (Roy and Kailath 1989, least squares).

    The signals' eigenvectors of all elements but the last, turned, are those of all but the first.

    Raises:
        GroundwaveError: no source, or as many as elements.
    """
    check_count(num_sources, num_sources, matrix.shape[-1] - 1)
    signals = torch.linalg.eigh(matrix).eigenvectors[..., -num_sources:]
    turn = torch.linalg.eigvals(torch.linalg.lstsq(signals[..., :-1, :], signals[..., 1:, :]).solution).angle()
    azimuth: Tensor = (turn / (2 * math.pi * spacing)).clamp(-1, 1).asin().sort(-1).values
    return azimuth


def _real_basis(size: int) -> Tensor:
    """Return the unitary matrix that makes what is its own mirrored conjugate real (Haardt and Nossek 1995, eq. 3)."""
    half = size // 2
    eye, flipped = torch.eye(half), torch.eye(half).flip(0)
    basis = torch.zeros(size, size, dtype=torch.complex64)
    basis[:half, :half], basis[:half, size - half :] = eye, 1j * eye
    basis[size - half :, :half], basis[size - half :, size - half :] = flipped, -1j * flipped
    basis /= math.sqrt(2)
    if size % 2:
        basis[half, half] = 1
    return basis


def _shifts(size: int) -> tuple[Tensor, Tensor]:
    """Return the real selections of the first and the last of so many elements in a row."""
    last = torch.eye(size, dtype=torch.complex64)[1:]
    moved = _real_basis(size - 1).mH @ last @ _real_basis(size)
    return moved.real, moved.imag


def planar_esprit(
    matrix: Complex[Tensor, "*batch antenna antenna"],
    size: tuple[int, int],
    num_sources: int,
    spacing: float = 0.5,
) -> Float[Tensor, "*batch {num_sources} 2"]:
    """Return azimuths and elevations from the covariance of a uniform planar array, by ascending azimuth.

    2-D unitary ESPRIT (Zoltowski, Haardt and Mathews 1996): in a real basis, the tangents of both half turns are the
    real and imaginary parts of the same eigenvalues, and so they come in pairs.

    Args:
        matrix: covariances.
        size: rows and columns of the array, two or more of each.
        num_sources: at most as many as elements are left without a row, and without a column.
        spacing: of the elements in wavelengths.

    Raises:
        GroundwaveError: no source, or too many.
    """
    rows, columns = size
    check_count(num_sources, num_sources, min((rows - 1) * columns, rows * (columns - 1)))
    device = matrix.device
    basis = torch.kron(_real_basis(rows), _real_basis(columns)).to(device, matrix.dtype)
    real = (basis.mH @ matrix @ basis).real  # the real part alone is the forward-backward average
    signals = torch.linalg.eigh(real).eigenvectors[..., -num_sources:]
    turns = []
    for along_columns in (True, False):
        first, last = _shifts(columns if along_columns else rows)
        still = torch.eye(rows if along_columns else columns)
        parts = [(still, part) if along_columns else (part, still) for part in (first, last)]
        start, stop = (torch.kron(*part).to(device, signals.dtype) @ signals for part in parts)
        turns.append(torch.linalg.lstsq(start, stop).solution)
    pairs = torch.linalg.eigvals(torch.complex(*turns))
    across, up = (2 * tangent.atan() / (2 * math.pi * spacing) for tangent in (pairs.real, pairs.imag))
    elevation = up.clamp(-1, 1).asin()
    azimuth = (across / elevation.cos().clamp(min=1e-6)).clamp(-1, 1).asin()
    found = torch.stack((azimuth, elevation), -1)
    return found.gather(-2, azimuth.argsort(-1)[..., None].expand(found.shape))
