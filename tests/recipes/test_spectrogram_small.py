"""The candidate for packaging, in small: one model with a head for the cells of both scenes; its size as described."""

from dataclasses import replace
from importlib import resources
from pathlib import Path

import torch

from groundwave.bench.rows import read
from groundwave.model import Model
from groundwave.nn import BACKBONES
from groundwave.nn.dense import DECODERS
from groundwave.recipes.msm import SCENES, TINY_SCENE, TINY_VIT, VIT
from groundwave.recipes.spectrogram_sets import Sizes
from groundwave.recipes.spectrogram_small import BACKBONE, CONTRACT, DECODER, HEAD, made
from groundwave.rng import generator


def test_a_model_with_a_head_for_all_classes(tmp_path: Path) -> None:
    how = replace(VIT.shortened(1, 4), backbone_args=TINY_VIT)
    scenes, sizes = dict.fromkeys(SCENES, TINY_SCENE), Sizes(pool=4, train=4, validation=2, test=2)
    given = (tmp_path / "x", how, replace(HEAD, epochs=1), scenes, sizes, 0, False)
    model = made(*given)
    assert model.classes[0] == "noise"
    assert model.classes[-2:] == ("NR", "LTE")
    spec = {"spec": 8 * torch.randn(2, 64, 32)}
    chances = model.predict(spec)
    assert chances.shape == (2, len(model.classes), 64, 32)
    torch.testing.assert_close(made(*given).predict(spec), chances)
    torch.testing.assert_close(Model.load(tmp_path / "x" / "model").predict(spec), chances)
    rows = [row for row in read(tmp_path / "x" / "x.jsonl") if row.metric == "mIoU"]
    assert [row.method for row in rows] == ["x", "level and frequency of a cell", "noise everywhere"]
    assert all(row.failed is None for row in rows)


def test_it_takes_no_more_than_described() -> None:
    backbone = BACKBONES["vit"](**BACKBONE.backbone_args)
    head = DECODERS[DECODER](backbone.num_features, 9, backbone.patch)
    backbone_mb, head_mb = (4e-6 * sum(p.numel() for p in part.parameters()) for part in (backbone, head))
    assert 7.4 < backbone_mb < 7.7
    assert head_mb < 0.6


def test_the_packaged_model_is_of_that_size_and_finds_a_loud_block_in_noise() -> None:
    model = Model.load("spectrogram-small")
    assert model.contract == CONTRACT
    assert model.spec["backbone"]["args"] == {
        "num_channels": 1,
        **BACKBONE.backbone_args,
        "patch": [16, 16],
    }  # as JSON has it
    parts = torch.randn(2, CONTRACT.num_averaged, 256, 256, generator=generator(0, "quiet"))
    noise = parts.square().sum(0).mean(0) / 2
    power = noise.clone()
    power[96:160, 64:192] *= 300
    loud, quiet = 1 - model.predict({"spec": 10 * torch.stack([power, noise]).log10()})[:, 0]
    assert float(loud[104:152, 72:184].mean()) > 0.8
    assert float(loud[:64].mean()) < 0.1
    assert float(quiet.mean()) < 0.1


def test_packaged_models_of_spectrograms_and_csi_take_12_mb() -> None:
    folders = (resources.files("groundwave") / "weights" / name for name in ("spectrogram-small", "csi-small"))
    sizes = (len(path.read_bytes()) for folder in folders for path in folder.iterdir())
    assert sum(sizes) < 12e6
