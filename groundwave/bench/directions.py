"""Direction finders in contest: all are asked about the same records, and the errors are counted in degrees."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from groundwave.bench.cells import Cell, Sheet
from groundwave.bench.plans import Plan
from groundwave.contracts import Record
from groundwave.model import Model
from groundwave.signal.array import planar_array, separation_rad, steering
from groundwave.signal.direction import angle_grid, beamscan, best_order, covariance, find_peaks, music
from groundwave.signal.direction_bound import cramer_rao
from groundwave.signal.esprit import planar_esprit

AT_ONCE = 64  # records whose spectra are held at once
GRID_DEG = (70.0, 50.0, 1.0)  # half widths of the searched azimuths and elevations, and the step
FOUND_DEG = 5.0  # a source counts as found when its error is less
METRICS = ("rms error (deg)", "mean error (deg)", "azimuth error (deg)", "elevation error (deg)", "found")

Find = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Finder:
    """A way to find directions.

    Args:
        title: as it appears in tables.
        find: from snapshots `[B, antenna, time]` and the number of sources to angles `[B, source, 2]` in radians.
        config: its settings.
    """

    title: str
    find: Find
    config: Mapping[str, Any] = field(default_factory=dict)


def classical(
    size: tuple[int, int], spacing: float, response: Tensor | None = None, *, level: bool = False
) -> list[Finder]:
    """Return MUSIC, beamscan and ESPRIT for a planar array; with its measured `response`, MUSIC that knows it alone.

    With `level`, what searches a spectrum knows that there is no elevation.
    """
    half_azimuth, half_elevation, step = GRID_DEG
    half_elevation *= not level
    axes = [torch.arange(-half, half + step / 2, step).deg2rad() for half in (half_azimuth, half_elevation)]
    vectors = steering(planar_array(*size, spacing), angle_grid(axes[0], axes[1]))
    config = {"grid_deg": (half_azimuth, half_elevation, step)}

    def searched(spectrum: Callable[[Tensor, int], Tensor]) -> Find:
        return lambda array, count: torch.cat(
            [find_peaks(spectrum(covariance(some), count), axes[0], axes[1], count) for some in array.split(AT_ONCE)]
        )

    if response is not None:
        known = vectors @ response.mT
        return [Finder("MUSIC, calibrated with the labels", searched(lambda r, n: music(r, known, n)), config)]
    return [
        Finder("MUSIC", searched(lambda r, n: music(r, vectors, n)), config),
        Finder("beamscan", searched(lambda r, _: beamscan(r, vectors)), config),
        Finder("ESPRIT", lambda array, count: planar_esprit(covariance(array), size, count, spacing)),
    ]


def learned(title: str, model: Model, config: Mapping[str, Any]) -> Finder:
    """Return a model that answers with directions, of one source `[B, 2]` or of several, the surest first."""

    def find(array: Tensor, count: int) -> Tensor:
        said = model.predict(array)
        return said[:, None] if said.dim() == 2 else said[:, :count, :2]

    return Finder(title, find, config)


def ask(finder: Finder, record: Record) -> tuple[Tensor, Tensor]:
    """Return what a finder says and what is true, `[source, 2]` each, all sources of all records one after another.

    It is told how many sources there are, as subspace methods have to be. Sources are in the order in which the
    angles to the truth are least in sum.
    """
    angle = record["angle"]
    counts = angle.isfinite().all(-1).sum(1)
    found, wanted = [], []
    for count in counts.unique().tolist():
        rows = counts == count
        truth = angle[rows, :count]
        found.append(_ordered(finder.find(record["array"][rows], count), truth).flatten(0, 1))
        wanted.append(truth.flatten(0, 1))
    return torch.cat(found), torch.cat(wanted)


def _ordered(found: Tensor, truth: Tensor) -> Tensor:
    """Return what was found in the order that fits the truth best."""
    return found.gather(-2, best_order(found, truth)[..., None].expand(found.shape))


def errors_deg(found: Tensor, wanted: Tensor) -> dict[str, float]:
    """Return the scores of `METRICS`; a source that is not found counts as 90 degrees off, in each angle."""
    apart = separation_rad(found, wanted).rad2deg().nan_to_num(90.0).clamp(max=90)
    each = (found - wanted).abs().rad2deg().nan_to_num(90.0).mean(0)
    values = (apart.square().mean().sqrt(), apart.mean(), each[0], each[1], (apart < FOUND_DEG).float().mean())
    return dict(zip(METRICS, map(float, values), strict=True))


def bound_deg(positions: Tensor, angle: Tensor, snr_db: float, num_snapshots: int) -> float:
    """Return the least rms error of one source in degrees, over records of white narrow-band signals, by Cramér-Rao."""
    power = torch.full((len(angle), 1, 1), 10 ** (snr_db / 10) + 0j)
    least = cramer_rao(positions, angle[:, :1], power, num_snapshots).diagonal(dim1=-2, dim2=-1)
    return float((least[:, 0] * angle[:, 0, 1].cos().square() + least[:, 1]).mean().sqrt().rad2deg())


def compare(
    finders: Sequence[Finder],
    records: Mapping[float, Record],
    *,
    sheet: Sheet,
    data: str,
    seed: int,
    plan: Plan,
    config: Mapping[str, Any],
) -> None:
    """Fill the cells of finders that have no value yet.

    Args:
        finders: what is compared.
        records: what they are asked, by SNR in decibels.
        sheet: the rows.
        data: name of the data.
        seed: of data and weights.
        plan: proves which records those are.
        config: settings that all share.
    """
    for finder in finders:
        told = {**config, **finder.config}
        for snr_db, record in records.items():
            place: dict[str, Any] = {"data": data, "seed": seed, "snr_db": snr_db, "config": told}
            cells = {metric: Cell(method=finder.title, metric=metric, **place) for metric in METRICS}
            if not sheet.missing(cells.values()):
                continue
            started = time.perf_counter()
            scores = errors_deg(*ask(finder, record))
            seconds = time.perf_counter() - started
            proof = {"split": plan.split, "split_hash": plan.hash()}
            for metric, cell in cells.items():
                sheet.fill(cell, scores[metric], n=len(record["array"]), seconds=max(seconds, 1e-4), **proof)
