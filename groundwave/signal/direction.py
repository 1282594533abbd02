"""Directions of arrival from snapshots of an array: covariances, beamscan, MUSIC, and peaks of a spectrum."""

from itertools import permutations

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from groundwave.errors import GroundwaveError
from groundwave.signal.array import separation_rad

_RANK = 1e-6  # shares of power below it belong to what the records say nothing of, as where all of them are level
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

    A paraboloid through one over the spectrum at a peak and its neighbours refines it: that is what MUSIC's looks like
    near a source, however sharp the peak. Where a spectrum has less peaks, NaN stands for the rest.
    """
    size = len(azimuth), len(elevation)
    level = -spectrum.reshape(-1, *size).reciprocal()
    edged = pad(level, (1, 1, 1, 1), value=-torch.inf)
    is_peak = level >= max_pool2d(edged[:, None], 3, 1)[:, 0]
    height, place = torch.where(is_peak, level, -torch.inf).flatten(1).topk(num_peaks)
    row, column = place // size[1], place % size[1]
    record = torch.arange(len(level), device=level.device)[:, None]
    near = torch.stack([edged[record, row + 1 + i, column + 1 + j] for i in (-1, 0, 1) for j in (-1, 0, 1)], -1)
    offset = _paraboloid(near.unflatten(-1, (3, 3)))
    axes = ((row, azimuth), (column, elevation))
    at = torch.stack([values[index] for index, values in axes], -1)
    step = torch.stack([values[1] - values[0] if len(values) > 1 else values.new_zeros(()) for _, values in axes])
    peaks = (at + step * offset).masked_fill(height.isneginf()[..., None], torch.nan)
    return peaks.reshape(*spectrum.shape[:-1], num_peaks, 2)


def _paraboloid(near: Tensor) -> Tensor:
    """Return how far `[..., 2]` from the middle of 3 x 3 points a paraboloid is highest; along an edge, not at all."""
    before, top, after = near[..., (0, 1), (1, 0)], near[..., 1, 1, None], near[..., (2, 1), (1, 2)]
    slope, curve = (after - before) / 2, before + after - 2 * top
    cross = (near[..., 0, 0] + near[..., 2, 2] - near[..., 0, 2] - near[..., 2, 0]) / 4
    determinant = curve.prod(-1) - cross.square()
    jointly = (cross[..., None] * slope.flip(-1) - curve.flip(-1) * slope) / determinant[..., None]
    alone = torch.where(curve.isfinite() & (curve < 0), -slope / curve, 0)
    whole = (near.isfinite().flatten(-2).all(-1) & (determinant > 0))[..., None]
    return torch.where(whole, jointly, alone).clamp(-1, 1)


def best_order(
    found: Float[Tensor, "*batch source 2"], wanted: Float[Tensor, "*batch source 2"]
) -> Int[Tensor, "*batch source"]:
    """Return which found direction belongs to each wanted one, so that the angles between them are least in sum.

    All orders are tried. A direction that was not found (NaN) is as far away as can be.
    """
    num = wanted.shape[-2]
    apart = separation_rad(found[..., None, :, :], wanted[..., :, None, :]).nan_to_num(torch.pi)  # wanted, found
    orders = torch.tensor(list(permutations(range(num))), device=apart.device)
    total = apart[..., torch.arange(num), orders].sum(-1)
    best: Tensor = orders[total.argmin(-1)]
    return best


def fit_response(
    matrix: Complex[Tensor, "record antenna antenna"], vectors: Complex[Tensor, "record antenna"], steps: int = 20
) -> Complex[Tensor, "antenna antenna"]:
    """Return the matrix C for which C a comes nearest to what an array hears of single sources in known directions.

    The covariance of one source has its steering vector as first eigenvector, up to a factor, which is fitted in turns
    with C by least squares; records count by their SNR. Where elements only differ in gain and phase C is diagonal;
    with mutual coupling it is not (after Friedlander and Weiss 1991).

    Args:
        matrix: covariances of records with one source each.
        vectors: ideal steering vectors of their directions.
        steps: turns of the fit.

    Raises:
        GroundwaveError: fewer records than elements.
    """
    if len(matrix) < matrix.shape[-1]:
        got = f"{len(matrix)} records for {matrix.shape[-1]} elements"
        raise GroundwaveError(got, "one for each element at least", "give more records of known direction")
    power, basis = torch.linalg.eigh(matrix)
    noise = power[..., :-1].mean(-1).clamp(min=_FLOOR * power[..., -1]).clamp(min=1e-30)
    heard = basis[..., -1] * ((power[..., -1] - noise) / noise).clamp(min=0).sqrt()[..., None]
    response = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    for _ in range(steps):
        ideal = vectors @ response.mT
        factor = (ideal.conj() * heard).sum(-1, keepdim=True) / ideal.abs().square().sum(-1, keepdim=True)
        scaled = factor * vectors
        gram = torch.linalg.pinv((scaled.mH @ scaled).to(torch.complex128), rtol=_RANK, hermitian=True)
        response = (gram.to(scaled) @ (scaled.mH @ heard)).mT
    return response
