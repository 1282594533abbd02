"""Direction finders in contest: orders, errors and the bound, on records where the answer is known."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from groundwave.bench.cells import Sheet
from groundwave.bench.directions import METRICS, Finder, ask, bound_deg, classical, compare, errors_deg
from groundwave.bench.plans import Plan
from groundwave.bench.rows import read
from groundwave.scenes.angles import Angles
from groundwave.signal.array import steering
from groundwave.signal.array_errors import coupling
from groundwave.signal.direction import covariance, fit_response

IDEAL: dict[str, Any] = {
    "severity": 0.0,
    "coupling_db": -300.0,
    "num_paths": 1,
    "fractional_bandwidth": (0.0, 0.0),
    "seed": 3,
}
SCENE: dict[str, Any] = {
    **IDEAL,
    "occupied": (1.0, 1.0),
    "num_front_ends": 1,
    "records_per_class": 20,
    "num_samples": 64,
}


def test_sources_are_asked_by_their_number_and_put_in_order() -> None:
    record = Angles(num_sources=(1, 3), **SCENE).block(0)
    asked = []

    def backwards(array: torch.Tensor, count: int) -> torch.Tensor:
        rows = record["label"] == count - 1
        asked.append((count, len(array)))
        assert torch.equal(array, record["array"][rows])
        return record["angle"][rows, :count].flip(1)

    found, wanted = ask(Finder("known", backwards), record)
    assert asked == [(1, 20), (2, 20), (3, 20)]
    torch.testing.assert_close(found, wanted)
    assert errors_deg(found, wanted) == dict.fromkeys(METRICS, 0.0) | {"found": 1.0}


def test_a_source_that_is_not_found_is_90_degrees_off() -> None:
    wanted = torch.zeros(4, 2)
    found = torch.tensor([[math.nan, math.nan], [0.0, 0.0], [math.radians(3), 0.0], [0.0, math.radians(-8)]])
    scores = errors_deg(found, wanted)
    assert scores["mean error (deg)"] == pytest.approx((90 + 0 + 3 + 8) / 4, rel=1e-4)
    assert scores["rms error (deg)"] == pytest.approx(math.sqrt((90**2 + 3**2 + 8**2) / 4), rel=1e-4)
    assert scores["azimuth error (deg)"] == pytest.approx((90 + 3) / 4, rel=1e-4)
    assert scores["elevation error (deg)"] == pytest.approx((90 + 8) / 4, rel=1e-4)
    assert scores["found"] == 0.5


def test_music_comes_near_the_bound_and_labels_give_an_uncalibrated_array_back(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        **SCENE,
        "num_sources": (1, 1),
        "severity": 1.0,
        "coupling_db": -15.0,
        "records_per_class": 200,
    }
    scene = Angles(snr_db=(20.0, 20.0), **settings)
    training, asked = scene.block(0), Angles(snr_db=(10.0, 10.0), **settings).block(1)
    ideal = steering(scene.positions, training["angle"][:, 0])
    response = fit_response(covariance(training["array"]), ideal)
    planted = scene.errors.chain[0][:, None] * coupling(scene.positions, -15.0)
    assert not torch.allclose(response / response[0, 0], torch.eye(16) + 0j, atol=0.1)
    assert torch.allclose(response / response[0, 0], planted / planted[0, 0], atol=0.1)
    sheet, none = Sheet(tmp_path / "angles.jsonl", "angles"), torch.arange(0)
    plan = Plan("two blocks", torch.arange(200), none, torch.arange(200, 400), none, (), (0,))
    finders = [*classical(scene.size, scene.spacing), *classical(scene.size, scene.spacing, response)]
    place: dict[str, Any] = {"sheet": sheet, "data": "one", "seed": 3, "plan": plan, "config": {"a": 1}}
    compare(finders, {10.0: asked}, **place)
    rows = read(sheet.path)
    rms = {row.method: row.value for row in rows if row.metric == "rms error (deg)"}
    bound = bound_deg(scene.positions, asked["angle"], 10.0, 64)
    calibrated = rms["MUSIC, calibrated with the labels"]
    assert calibrated is not None
    assert 0.85 * bound < calibrated < 2 * bound
    assert all(value is not None and value > 5 * bound for name, value in rms.items() if "calibrated" not in name)
    compare(finders, {10.0: asked}, **place)
    assert read(sheet.path) == rows
