"""Every objective of the table keeps the same contract, on a tiny backbone that it can train."""

from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from groundwave.contract import Contract, SpectrogramContract
from groundwave.contracts import Objective, Record
from groundwave.data.sources import Records
from groundwave.errors import DataError, GroundwaveError
from groundwave.model import InputContract, Model
from groundwave.nn import BACKBONES
from groundwave.pretrain import OBJECTIVES
from groundwave.pretrain.objective import LabelledObjective
from groundwave.pretrain.run import pretrain
from groundwave.rng import generator
from groundwave.train import Schedule
from groundwave.views import AddNoise, Conjugate, Normalise, Rotate

TOWERS = {
    "time": {"kind": "xcit", "dim": 16, "depth": 1, "patch": 4},
    "frequency": {"kind": "spectrum", "dim": 16, "depth": 2},
}
# The backbone that an objective asks for; any will do for those that are not named.
BACKBONE: dict[str, tuple[str, dict[str, Any]]] = {
    "directions": ("beamspace", {"cells": 8, "dim": 8}),
    "decur": (
        "multimodal_vit",
        {"stems": {"iq": {"patch": (1, 4)}, "spec": {"num_channels": 1, "patch": (4, 4)}}, "dim": 16, "depth": 1},
    ),
    "lsm": ("lsm", {"towers": TOWERS}),
    "multimodal_msm": ("multimodal_vit", {"stems": {"iq": {"patch": (1, 4)}}, "dim": 16, "depth": 2, "num_heads": 2}),
    "msm": ("vit", {"dim": 16, "depth": 2, "num_heads": 2, "patch": (1, 4)}),
}
ANTENNAS = {"directions": 4}  # that an objective asks for
ANY = ("xcit", {"dim": 16, "depth": 1, "patch": 4})
DECODER = {"name": "light", "dim": 16, "depth": 1, "num_heads": 2}
EPISODE = {"num_ways": 2, "num_shots": 2, "num_queries": 3}
# Settings that suit a batch of 16 records of 2 classes, and no wider than needed.
TINY: dict[str, dict[str, Any]] = {
    "decur": {"projection": 16},
    "moco": {"projection": 16, "queue_size": 16},
    "msm": {"decoder": DECODER},
    "multimodal_msm": {"settings": {"iq": {"decoder": DECODER}}},
    "protobeam": EPISODE,
    "protonet": EPISODE,
    "relationnet": {"num_tokens": 4, **EPISODE},
    "simsiam": {"projection": 32},
    "supervised": {"num_classes": 2},
}
VIEWS = (Rotate(), Normalise())
CONTRACT = InputContract(64, 32, 128)
OTHERS: dict[str, dict[str, Contract]] = {"decur": {"spec": SpectrogramContract(num_freqs=16, num_frames=16)}}
LABELLED = [name for name, make in OBJECTIVES.items() if isinstance(make, type) and issubclass(make, LabelledObjective)]
OTHER_ANSWERS = {"direction", "directions"}  # learn from `angle` instead of `label`


def build(name: str, **settings: Any) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    kind, args = BACKBONE.get(name, ANY)
    backbone = BACKBONES[kind](num_channels=2 * ANTENNAS.get(name, 1), **args)
    make = OBJECTIVES[name]
    known = {"contract": contract(name), "contracts": {"iq": contract(name), **OTHERS.get(name, {})}}
    asked = {key: value for key, value in known.items() if key in signature(make).parameters}
    return backbone, make(backbone, **{"views": VIEWS, **asked, **TINY.get(name, {}), **settings})


def contract(name: str) -> InputContract:
    return replace(CONTRACT, num_antennas=ANTENNAS.get(name, 1))


def batch(name: str = "") -> Record:
    antennas = (ANTENNAS[name],) if name in ANTENNAS else ()
    iq = torch.randn(16, *antennas, 64, dtype=torch.complex64, generator=generator(0, "batch"))
    angle = torch.rand(16, 1, 2, generator=generator(0, "angles")) - 0.5
    spec = torch.randn(16, 16, 20, generator=generator(0, "spectrograms"))
    return {"iq": iq, "spec": spec, "group": torch.arange(16), "label": torch.arange(16) % 2, "angle": angle}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_loss_is_a_finite_scalar_and_the_rest_can_be_logged(name: str) -> None:
    _, objective = build(name)
    assert isinstance(objective, Objective)
    scalars = objective(batch(name), generator(0, "step"))
    assert scalars["loss"].requires_grad
    assert not any(value.requires_grad for key, value in scalars.items() if key != "loss")
    assert all(value.shape == () and value.isfinite() for value in scalars.values())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_weight_of_the_backbone_gets_a_gradient(name: str) -> None:
    backbone, objective = build(name)
    objective(batch(name), generator(0, "step"))["loss"].backward()
    missing = [n for n, p in backbone.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A bias before a batch norm, and the bias of keys, shift what the next operation takes out again.
    assert [n for n in missing if not n.endswith("bias")] == []


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_views_come_from_the_generator_alone(name: str) -> None:
    blind = name == "directions"  # a covariance does not see a rotation, nor a level
    _, objective = build(name, **({"views": (AddNoise(),)} if blind else {}))
    one, same, other = (objective.eval()(batch(name), generator(seed, "step"))["loss"] for seed in (0, 0, 1))
    torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert one != other


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_few_steps_lower_the_loss(name: str) -> None:
    _, objective = build(name)
    optimizer = torch.optim.AdamW([p for p in objective.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(10):
        loss = objective(batch(name), generator(0, "step"))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_view_that_changes_the_answer_is_refused(name: str) -> None:
    with pytest.raises(GroundwaveError, match="leave Conjugate out"):
        build(name, views=(*VIEWS, Conjugate()), answer="sideband")


def run(name: str, out: Path, record: Record) -> Model:
    kind, args = BACKBONE.get(name, ANY)
    settings = {key: value for key, value in TINY.get(name, {}).items() if key != "num_classes"}
    return pretrain(
        Records(record, classes=("even", "odd")),
        out=out,
        contract=contract(name),
        views=VIEWS,
        schedule=Schedule(epochs=1, precision="32-true"),
        backbone=kind,
        backbone_args=args,
        objective=name,
        objective_args=settings,
        others=OTHERS.get(name),
        batch_size=16,
        progress=False,
    )


@pytest.mark.parametrize("name", OBJECTIVES)
def test_it_leaves_a_model_that_can_be_probed_and_loaded_again(name: str, tmp_path: Path) -> None:
    record = batch(name)
    model = run(name, tmp_path / "run", record)
    features = model.embed(record["iq"])
    assert features.shape == (16, model.num_features)
    assert features.std(dim=0).sum() > 0
    torch.testing.assert_close(Model.load(tmp_path / "run" / "model").embed(record["iq"]), features, rtol=0, atol=0)
    if model.head is not None:
        said = model.predict(record["iq"])
        assert (said.shape[0], said.shape[-1]) == (16, len(model.classes))


@pytest.mark.parametrize("name", sorted(set(LABELLED) - OTHER_ANSWERS))
@pytest.mark.parametrize("label", [None, torch.full((16,), -1), torch.tensor([-1, *[0, 1] * 7, 0])])
def test_records_without_labels_are_told_before_anything_is_written(
    name: str, label: torch.Tensor | None, tmp_path: Path
) -> None:
    record = {key: value for key, value in batch().items() if key != "label"}
    with pytest.raises(DataError, match="--label KEY"):
        run(name, tmp_path / "run", record if label is None else {**record, "label": label})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("angle", [None, torch.full((16, 1, 2), torch.nan), torch.zeros(16, 2, 2)])
def test_records_of_no_direction_or_of_several_are_told(angle: torch.Tensor | None, tmp_path: Path) -> None:
    record = {key: value for key, value in batch().items() if key != "angle"}
    with pytest.raises(DataError, match="one direction for each record"):
        run("direction", tmp_path / "run", record if angle is None else {**record, "angle": angle})
    assert list(tmp_path.iterdir()) == []
