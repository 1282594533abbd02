"""Scene `angles`: directions that classical methods find where the array is ideal, and what keeps them from it."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from groundwave.errors import GroundwaveError
from groundwave.scenes.angles import Angles
from groundwave.signal.array import separation_rad, steering
from groundwave.signal.direction import angle_grid, covariance, find_peaks, music
from groundwave.signal.direction_bound import cramer_rao
from groundwave.signal.esprit import planar_esprit

IDEAL: dict[str, Any] = {
    "severity": 0.0,
    "coupling_db": -math.inf,
    "num_paths": 1,
    "fractional_bandwidth": (0.0, 0.0),
    "occupied": (1.0, 1.0),
}
GRID = (torch.linspace(-1.2, 1.2, 81), torch.linspace(-0.9, 0.9, 61))


def music_error(scene: Angles) -> Tensor:
    """Return the error of MUSIC's only peak for each record, in radians."""
    record = scene.block(0)
    vectors = steering(scene.positions, angle_grid(*GRID))
    found = find_peaks(music(covariance(record["array"]), vectors, 1), *GRID, 1)
    return separation_rad(found[:, 0], record["angle"][:, 0])


def single(**changes: Any) -> Angles:
    return Angles(**{**IDEAL, "num_sources": (1, 1), "snr_db": (10.0, 10.0), "records_per_class": 64, **changes})


def test_an_ideal_array_is_read_as_well_as_the_bound_allows() -> None:
    scene = single()
    angle = scene.block(0)["angle"]
    bound = cramer_rao(scene.positions, angle, torch.full((64, 1, 1), 10.0 + 0j), scene.num_samples)
    azimuth, elevation = bound.diagonal(dim1=-2, dim2=-1).unbind(-1)
    least = (azimuth * angle[:, 0, 1].cos().square() + elevation).mean().sqrt()
    rms = music_error(scene).square().mean().sqrt()
    assert 0.8 * float(least) < float(rms) < 1.4 * float(least)


@pytest.mark.parametrize(
    "harm",
    [
        {"severity": 1.0},
        {"coupling_db": -10.0},
        {"fractional_bandwidth": (0.2, 0.2)},
        {"num_paths": 3, "reflection_db": 3.0},
    ],
)
def test_everything_that_is_not_ideal_misleads_music(harm: dict[str, Any]) -> None:
    loud = {"snr_db": (30.0, 30.0)}
    assert float(music_error(single(**loud, **harm)).mean()) > 2 * float(music_error(single(**loud)).mean())


def test_three_sources_are_found_by_esprit() -> None:
    scene = Angles(**{**IDEAL, "size": (6, 6)}, num_sources=(3, 3), snr_db=(30.0, 30.0), separation_rad=0.5)
    record = scene.block(0)
    found = planar_esprit(covariance(record["array"]), (6, 6), 3)
    assert float(separation_rad(found, record["angle"]).median()) < 0.01


def test_there_are_as_many_angles_as_the_label_says_apart_and_by_azimuth() -> None:
    record = Angles(separation_rad=0.4, records_per_class=40, num_samples=8).block(3)
    given = record["angle"].isfinite().all(-1)
    assert given.sum(1).tolist() == (record["label"] + 1).tolist()
    azimuth = record["angle"][..., 0].nan_to_num(9.0)
    assert (azimuth.diff(dim=1) >= 0).all()
    pairs = separation_rad(record["angle"][:, :, None], record["angle"][:, None])
    apart = pairs[:, *torch.triu_indices(3, 3, 1)]
    assert float(apart[apart.isfinite()].min()) >= 0.4


def test_the_snr_is_that_of_the_records() -> None:
    settings = {**IDEAL, "num_samples": 512}
    noisy, quiet = (Angles(**settings, snr_db=(snr, snr)).block(0)["array"] for snr in (3.0, 90.0))
    power, noise = (x.abs().square().mean((1, 2)) for x in (quiet, noisy - quiet))
    torch.testing.assert_close(power, torch.ones_like(power), atol=1e-3, rtol=0)
    torch.testing.assert_close(10 * (power / noise).log10(), torch.full_like(power, 3.0), atol=0.3, rtol=0)


def test_impossible_settings_are_told() -> None:
    for wrong in (
        {"num_sources": (0, 2)},
        {"num_sources": (1, 16)},
        {"azimuth_rad": (-2.0, 2.0)},
        {"occupied": (0.0, 1.0)},
        {"fractional_bandwidth": (0.5, 0.1)},
        {"num_samples": 0},
        {"coupling_db": 3.0},
    ):
        with pytest.raises(GroundwaveError, match=next(iter(wrong))):
            Angles(**wrong)  # type: ignore[arg-type]
