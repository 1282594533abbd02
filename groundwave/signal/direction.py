"""Directions of arrival from snapshots of an array: covariances, beamscan, MUSIC, and peaks of a spectrum."""

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from groundwave.errors import GroundwaveError

_FLOOR = 1e-6  # of a vector's squared norm: how much of it MUSIC says lies outside the signals, at least


def covariance(x: Complex[Tensor, "*batch antenna time"]) -> Complex[Tensor, "*batch antenna antenna"]:
    """Return the mean of x x^H over the snapshots of each record."""
    return x @ x.mH / x.shape[-1]


def forward_backward(matrix: Complex[Tensor, "*batch antenna antenna"]) -> Complex[Tensor, "*batch antenna antenna"]:
    """Average a covariance with that of the array seen from behind: (R + J R* J) / 2.

    True of arrays that are their own mirror image in their centre, as uniform ones are; it parts two coherent paths.
    """
    return (matrix + matrix.conj().flip(-1, -2)) / 2


def beamscan(
    matrix: Complex[Tensor, "*batch antenna antenna"], vectors: Complex[Tensor, "grid antenna"]
) -> Float[Tensor, "*batch grid"]:
    """Return the power that a beam hears from each direction, a^H R a / |a|^4 (Bartlett): of one source its power."""
    heard = ((vectors.conj() @ matrix) * vectors).sum(-1).real
    return heard / vectors.abs().square().sum(-1).square()


def music(
    matrix: Complex[Tensor, "*batch antenna antenna"],
    vectors: Complex[Tensor, "grid antenna"],
    num_sources: Int[Tensor, "*#batch"] | int,
) -> Float[Tensor, "*batch grid"]:
    """Return the pseudo-spectrum |a|^2 / |E_n^H a|^2, E_n the eigenvectors of noise (Schmidt 1986).

    Args:
        matrix: covariances.
        vectors: steering vectors of the directions to look in.
        num_sources: in each record, less than antennas.

    Raises:
        GroundwaveError: no source, or as many as antennas.
    """
    num_antennas = matrix.shape[-1]
    count = torch.as_tensor(num_sources, device=matrix.device)
    check_count(int(count.min()), int(count.max()), num_antennas - 1)
    noise = torch.arange(num_antennas, device=matrix.device) < num_antennas - count[..., None]  # ascending eigenvalues
    basis = torch.linalg.eigh(matrix).eigenvectors * noise[..., None, :]
    outside = (vectors.conj() @ basis).abs().square().sum(-1)
    norm = vectors.abs().square().sum(-1)
    spectrum: Tensor = norm / outside.clamp(min=_FLOOR * norm)
    return spectrum


def check_count(least: int, most: int, resolvable: int) -> None:
    """Raise `GroundwaveError` for numbers of sources that an array cannot tell apart."""
    if least < 1 or most > resolvable:
        got = f"{least} to {most} sources" if least < most else f"{most} sources"
        raise GroundwaveError(got, f"from 1 to {resolvable} with this array", "ask for others, or use a larger array")


def angle_grid(azimuth: Float[Tensor, " azimuth"], elevation: Float[Tensor, " elevation"]) -> Float[Tensor, "grid 2"]:
    """Return all pairs of azimuths and elevations, azimuth by azimuth."""
    return torch.cartesian_prod(azimuth, elevation)


def find_peaks(
    spectrum: Float[Tensor, "*batch grid"],
    azimuth: Float[Tensor, " azimuth"],
    elevation: Float[Tensor, " elevation"],
    num_peaks: int,
) -> Float[Tensor, "*batch {num_peaks} 2"]:
    """Return where the highest local peaks of positive spectra on an even `angle_grid` lie, highest first.

    A parabola through one over the spectrum at a peak and its neighbours refines it along each axis: that is what
    MUSIC's looks like near a source, however sharp the peak. Where a spectrum has less peaks, NaN stands for the rest.
    """
    size = len(azimuth), len(elevation)
    level = -spectrum.reshape(-1, *size).reciprocal()
    edged = pad(level, (1, 1, 1, 1), value=-torch.inf)
    is_peak = level >= max_pool2d(edged[:, None], 3, 1)[:, 0]
    height, place = torch.where(is_peak, level, -torch.inf).flatten(1).topk(num_peaks)
    row, column = place // size[1], place % size[1]
    record = torch.arange(len(level), device=level.device)[:, None]
    found = []
    for axis, at, values in ((0, row, azimuth), (1, column, elevation)):
        step = values[1] - values[0] if len(values) > 1 else values.new_zeros(())
        before, after = (edged[record, row + 1 + k * (1 - axis), column + 1 + k * axis] for k in (-1, 1))
        found.append(values[at] + step * _parabola(before, height, after))
    peaks = torch.stack(found, -1).masked_fill(height.isneginf()[..., None], torch.nan)
    return peaks.reshape(*spectrum.shape[:-1], num_peaks, 2)


def _parabola(before: Tensor, top: Tensor, after: Tensor) -> Tensor:
    """Return how far from the middle a parabola through three points is highest, 0 at an edge."""
    curve = before + after - 2 * top
    offset = 0.5 * (before - after) / curve
    return torch.where(curve.isfinite() & (curve < 0), offset, 0).clamp(-0.5, 0.5)
