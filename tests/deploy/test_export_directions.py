"""Models of directions leave by the doors: ONNX that says what its numbers are, tables of angles in degrees."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from groundwave.contract import ArrayContract
from groundwave.data.sources import Records
from groundwave.deploy.export import export, start_session
from groundwave.model import Model
from groundwave.pretrain import OBJECTIVES
from groundwave.recipes.predict import _table
from groundwave.rng import generator

CONTRACT = ArrayContract(32, 16, 64, size=(2, 2))
KINDS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "direction": ("aoanet", {"widths": (8, 8), "hidden": 16}, {}),
    "directions": ("beamspace", {"size": (2, 2), "cells": 8, "dim": 8, "depth": 1}, {"num_sources": 2}),
}


def made(objective: str) -> Model:
    backbone, args, settings = KINDS[objective]
    torch.manual_seed(0)
    model = Model.build(backbone, CONTRACT, args)
    learner: Any = OBJECTIVES[objective](model.backbone, views=(), contract=CONTRACT, **settings)
    finished: Model = learner.finished(model, {}, ())
    return finished


def heard() -> torch.Tensor:
    return torch.randn(3, 4, 32, dtype=torch.complex64, generator=generator(0, "heard"))


@pytest.mark.parametrize("objective", KINDS)
def test_onnx_answers_as_the_saved_model_and_says_in_what_unit(objective: str, tmp_path: Path) -> None:
    made(objective).save(tmp_path / "model")
    model = Model.load(tmp_path / "model")
    session = start_session(export(model, tmp_path / "model.onnx"))
    told = session.get_modelmeta().custom_metadata_map
    assert "radians" in told["output"]
    assert json.loads(told["classes"]) == list(model.classes)
    channels = torch.view_as_real(7 * heard()).movedim(-1, -2).flatten(1, 2)
    found = torch.as_tensor(session.run(None, {session.get_inputs()[0].name: channels.numpy()})[0])
    said = model.predict(heard())
    there = said[..., 2] > 0 if objective == "directions" else said[..., 0].isfinite()  # not each has two peaks
    assert int(there.sum()) >= 3
    torch.testing.assert_close(found[there], said[there], atol=1e-4, rtol=1e-3)


def test_onnx_tells_the_mean_direction_of_one_source(tmp_path: Path) -> None:
    backbone, args, _ = KINDS["directions"]
    torch.manual_seed(0)
    model = Model.build(backbone, CONTRACT, args)
    learner: Any = OBJECTIVES["directions"](model.backbone, views=(), contract=CONTRACT)
    model = learner.finished(model, {}, ())
    session = start_session(export(model, tmp_path / "model.onnx"))
    channels = torch.view_as_real(heard()).movedim(-1, -2).flatten(1, 2)
    found = torch.as_tensor(session.run(None, {session.get_inputs()[0].name: channels.numpy()})[0])
    assert found.shape == (3, 1, 3)
    torch.testing.assert_close(found, model.predict(heard()), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("objective", KINDS)
def test_a_table_tells_angles_in_degrees(objective: str, tmp_path: Path) -> None:
    model = made(objective)
    path = _table(model, Records({"array": heard()}), tmp_path / "said.csv")
    lines = list(csv.DictReader(path.read_text().splitlines()))
    said = model.predict(heard()).reshape(-1, len(model.classes))
    assert len(lines) == len(said)
    assert float(lines[1]["azimuth_deg"]) == pytest.approx(float(said[1, 0].rad2deg()), abs=1e-3)
    assert ("probability" in lines[0]) == (objective == "directions")
