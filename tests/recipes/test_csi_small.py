"""`csi-small` in small, and as it is packaged: any antennas, subcarriers and packets; what is broken is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from groundwave.errors import ContractError
from groundwave.model import Model
from groundwave.recipes.csi_small import HOW, SCENES, made
from groundwave.rng import generator
from groundwave.scenes.csi import CSI
from groundwave.train import Schedule
from groundwave.views.csi import CropGains

TINY = {"num_packets": 64, "num_subcarriers": 16, "classes": ("walk", "sit"), "num_rooms": 2, "num_users": 2}


def test_it_is_made_without_labels_and_made_again_from_what_is_there(tmp_path: Path) -> None:
    how = replace(
        HOW,
        views=(CropGains(((16, 64), (8, 40))),),
        schedule=Schedule(epochs=1),
        batch_size=4,
        backbone_args={**HOW.backbone_args, "dim": 16, "depth": 1},
    )
    given = (tmp_path, how, [{**scene, **TINY} for scene in SCENES[:2]], 4, 0, False)
    model = made(*given)
    assert len(list((tmp_path / "records").iterdir())) == 2
    csi = CSI(**{**SCENES[0], **TINY}).block(0)["csi"]
    torch.testing.assert_close(made(*given).embed(csi), model.embed(csi))
    torch.testing.assert_close(Model.load(tmp_path / "run" / "model").embed(csi), model.embed(csi))


@pytest.mark.parametrize("shape", [(1, 56, 50), (3, 30, 200), (2, 114, 64), (4, 8, 32)])
def test_the_packaged_model_takes_other_shapes(shape: tuple[int, ...]) -> None:
    model = Model.load("csi-small")
    csi = 5 + torch.randn((2, *shape), generator=generator(0), dtype=torch.complex64)
    features = model.embed({"csi": csi})
    assert features.shape == (2, model.num_features)
    assert features.isfinite().all()
    assert not torch.allclose(features[0], features[1])


def test_the_packaged_model_is_the_one_described() -> None:
    model = Model.load("csi-small")
    assert model.contract == HOW.contract
    assert model.spec["backbone"]["args"] == {"num_channels": 1, **HOW.backbone_args, "patch": [4, 5]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda csi: csi[..., :1], "30 subcarriers by 1 packets; expected at least 8 by 32"),
        (lambda csi: csi * torch.where(torch.arange(200) == 7, torch.nan, 1.0), "packet 7 of record 0"),
        (lambda csi: csi * (torch.arange(200) != 7), "packet 7 of record 0"),
        (lambda csi: csi.abs(), "not their decibels"),
    ],
)
def test_the_packaged_model_refuses_what_is_broken(change: object, words: str) -> None:
    assert callable(change)
    csi = 5 + torch.randn((2, 3, 30, 200), generator=generator(0), dtype=torch.complex64)
    with pytest.raises(ContractError, match=words):
        Model.load("csi-small").embed({"csi": change(csi)})
