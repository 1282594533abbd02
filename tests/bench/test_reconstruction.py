"""Errors of hidden cells: the decoder that was trained draws them, and the sums are those of a loop over records."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from groundwave.bench.contest import Contender, Setting, encoder, run_of
from groundwave.bench.reconstruction import Hiding, Reconstruction, drawing, hidden_errors, objective_state, redrawn
from groundwave.bench.rows import read
from groundwave.recipes.msm import TINY_SCENE, TINY_VIT, VIT
from groundwave.recipes.spectrogram_sets import Field, Sizes
from groundwave.signal.inpaint import INPAINTERS, visible_mean

HOW = replace(VIT.shortened(1, 4), backbone_args=TINY_VIT)
HIDING = Hiding("tube", 0.5)


def setting(folder: Path) -> Setting:
    sizes = Sizes(pool=4, train=0, validation=0, test=5)
    scenes = {"cellular": TINY_SCENE}
    field = Field(name="x", scenes=scenes, sizes=sizes, seeds=(0,), results=folder, runs=folder, smoke=True)
    return next(field.settings_of())


def test_rows_hold_the_errors_of_all_hidden_cells_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = setting(tmp_path)
    seen: list[Reconstruction] = []
    redrawn("ViT", HOW, [HIDING], place, lambda hiding, drawn: seen.append(drawn))
    rows = {row.method: row for row in read(place.sheet.path)}
    assert {row.metric for row in rows.values()} == {"error tube 50% (dB)"}
    assert [tuple(part.shape) for part in seen[0]] == [(3, 1, 64, 32)] * 3
    model = encoder(Contender(HOW, ()), place.plan, place, "all")
    assert model is not None
    objective = drawing(HOW, model, HIDING, objective_state(run_of(HOW, place.plan, place)))
    whole: list[Reconstruction] = []
    draw = objective.reconstruct

    def noted(*given: Any) -> Reconstruction:
        whole.append(draw(*given))
        return whole[-1]

    monkeypatch.setattr(objective, "reconstruct", noted)
    found = hidden_errors("ViT", objective, HIDING, place, place.plan.query, lambda *_: None)
    (x, hidden, drawn), expected = whole[0], {}
    for name, answer in (("ViT", drawn), ("mean of visible cells", visible_mean(x, hidden))):
        squares = [float((a[h] - b[h]).square().sum()) for a, b, h in zip(answer, x, hidden, strict=True)]
        expected[name] = 10 * (sum(squares) / int(hidden.sum())) ** 0.5
    for name, error in expected.items():
        assert abs(found[name] - error) < 1e-4 * error
        assert abs((rows[name].value or 0) - error) < 1e-4 * error
    torch.testing.assert_close(seen[0][2], drawn[:3])


def test_another_decoder_draws_otherwise(tmp_path: Path) -> None:
    place = setting(tmp_path)
    model = encoder(Contender(HOW, ()), place.plan, place, "all")
    assert model is not None
    state = dict(objective_state(run_of(HOW, place.plan, place)))
    name = next(name for name in state if name.startswith("decoder") and name.endswith("weight"))
    errors = []
    for change in (0.0, 1.0):
        objective = drawing(HOW, model, HIDING, {**state, name: state[name] + change})
        errors.append(hidden_errors("ViT", objective, HIDING, place, place.plan.query, lambda *_: None)["ViT"])
    assert errors[0] != errors[1]


def test_what_fails_is_told_in_every_cell(tmp_path: Path) -> None:
    place = setting(tmp_path)
    broken = replace(HOW, backbone_args={**TINY_VIT, "num_heads": 3})
    redrawn("ViT", broken, [HIDING], place)
    rows = read(place.sheet.path)
    assert len(rows) == 1 + len(INPAINTERS)
    assert all(row.failed and row.failed.startswith("pretraining: ") for row in rows)
