"""Masked modelling of unlabelled spectrograms, by a ViT and by a ConvLSTM: how well both draw what is hidden."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from groundwave.bench.encoders import Pretraining
from groundwave.bench.reconstruction import Hiding, Reconstruction, redrawn
from groundwave.contract import SpectrogramContract
from groundwave.errors import lookup
from groundwave.pretrain.masks import MASKS
from groundwave.pretrain.picture import reconstruction_picture
from groundwave.recipes.spectrogram_sets import Field, Sizes
from groundwave.train import Schedule

SCENES = ("ism-band", "cellular")  # as many records of each
SIZES = Sizes(pool=4000, train=0, validation=0, test=300)
FEWER = replace(SIZES, pool=2000)
TINY_SIZES = Sizes(pool=12, train=0, validation=0, test=4)
TINY_SCENE: Mapping[str, Any] = {"num_freqs": 64, "num_frames": 32, "num_per_block": 6}
SMALL: Mapping[str, Any] = {"dim": 192, "depth": 6, "num_heads": 6, "patch": (16, 16)}

VIT = Pretraining(
    backbone="vit",
    objective="msm",
    views=(),
    schedule=Schedule(epochs=40, lr=1e-3, weight_decay=0.05),
    batch_size=64,
    contract=SpectrogramContract(),
    backbone_args=SMALL,
    objective_args={"mask": "random", "ratio": 0.75, "fill": "drop"},
)
# ViT-S (Aboulfotouh et al., 2024, arXiv 2411.09996): a base rate of 1e-3 for 256 records, here for a batch of 64.
VIT_PUBLISHED = replace(
    VIT,
    schedule=Schedule(epochs=400, lr=2.5e-4, weight_decay=0.05, warmup=0.1),
    backbone_args={"dim": 512, "depth": 12, "num_heads": 8, "patch": (16, 16)},
    objective_args={**VIT.objective_args, "decoder": {"name": "light", "dim": 256, "depth": 8, "num_heads": 16}},
)
CONVLSTM = replace(
    VIT,
    backbone="convlstm",
    schedule=Schedule(epochs=30, lr=1e-3, weight_decay=0.05),
    batch_size=32,
    contract=SpectrogramContract(min_frames=8),
    backbone_args={"dim": 32, "depth": 5, "kernel": 3, "slice": 8},
    objective_args={"mask": "random", "ratio": 0.2, "fill": "noise", "cell": (4, 4), "decoder": {"name": "conv3d"}},
)
# 5 layers of 64 kernels, a Conv3D as output (Aboulfotouh et al., 2024, arXiv 2411.09849).
CONVLSTM_PUBLISHED = replace(CONVLSTM, backbone_args={**CONVLSTM.backbone_args, "dim": 64})


@dataclass(frozen=True)
class Choice:
    """A network with the grids it is pretrained on.

    Args:
        title: as it appears in tables.
        how: its pretraining.
        scene: settings of both scenes.
        sizes: how many records there are.
        tiny: what makes a rehearsal of its backbone.
    """

    title: str
    how: Pretraining
    scene: Mapping[str, Any]
    sizes: Sizes
    tiny: Mapping[str, Any]


TINY_VIT = {"dim": 16, "depth": 1, "num_heads": 2, "patch": (16, 8)}
TINY_CONVLSTM = {"dim": 4, "depth": 1}
CELLS: Mapping[str, Any] = {"num_freqs": 64, "num_frames": 64}
GRID: Mapping[str, Any] = {"num_freqs": 128, "num_frames": 128}  # a quarter of the sources' cells: it saves time
VITS = {
    "ours": Choice("ViT 192 x 6", VIT, GRID, SIZES, TINY_VIT),
    "published": Choice("ViT 512 x 12", VIT_PUBLISHED, {}, SIZES, TINY_VIT),
}
CONVLSTMS = {
    "ours": Choice("ConvLSTM 5 x 32", CONVLSTM, CELLS, FEWER, TINY_CONVLSTM),
    "published": Choice("ConvLSTM 5 x 64", CONVLSTM_PUBLISHED, CELLS, FEWER, TINY_CONVLSTM),
}


def msm_vit(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/masked"),
    setting: str = "ours",
    masks: Sequence[str] = tuple(MASKS),
    ratios: Sequence[float] = (0.2, 0.5, 0.75),
    seeds: Sequence[int] = (0, 1, 2),
    epochs: int | None = None,
    smoke: bool = False,
) -> Path:
    """Pretrain a ViT on spectrograms without labels, and see how well it draws what is hidden of others.

    Half of the records are of the 2.4 GHz band, half of cellular bands: 128 x 128 cells each (of the published setting
    256 x 256), 4000 to pretrain on, 300 to ask. Patches of 16 x 16 cells are hidden, 75 % of them while pretraining.
    Rows hold the root mean squared error of hidden cells in decibels for each mask and ratio, beside that of the mean
    of the visible cells and of linear interpolation from visible neighbours. The model is
    RUNS/msm-vit/all/seed-SEED-.../model; pictures of reconstructions, of the first seed and the largest ratio, are in
    RUNS/pictures.

    A record takes 3.5 ms of one core (Xeon with AMX, bfloat16), so that a seed takes 4000 x 40 of them: 600
    core-seconds, and twice as long where two share a machine; simulating takes 5 minutes, once.

    Args:
        results: folder of the file of rows.
        runs: folder of records and pretraining; what is finished is reused.
        setting: ours, a ViT of 192 x 6 with a decoder of 128 x 2; or published, ViT-S of 512 x 12 with a decoder of
            256 x 8 for 400 epochs (arXiv 2411.09996; its AdamW averages over 0.95, ours over 0.999), a matter of days
            without an accelerator.
        masks: random, block, band, tube.
        ratios: shares that are hidden.
        seeds: of splits, weights and masks.
        epochs: of pretraining, instead of the setting's.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    hidings = hidings_of(masks, ratios)
    return draw_hidden("msm-vit", lookup(VITS, setting, "setting"), hidings, results, runs, seeds, epochs, smoke)


def msm_convlstm(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/masked"),
    setting: str = "ours",
    masks: Sequence[str] = tuple(MASKS),
    ratios: Sequence[float] = (0.2, 0.5, 0.75),
    seeds: Sequence[int] = (0, 1, 2),
    epochs: int | None = None,
    smoke: bool = False,
) -> Path:
    """Pretrain a ConvLSTM on spectrograms without labels, and see how well it draws what is hidden of others.

    As `msm-vit`, but on grids of 64 x 64 cells, 2000 to pretrain on, of which squares of 4 x 4 cells are replaced by
    white noise, 20 % while pretraining; the output is one three-dimensional convolution.

    A record takes 47 ms of one core (Xeon with AMX, bfloat16), so that a seed takes 2000 x 30 of them: 2800
    core-seconds, 24 minutes of two ideal cores and 40 of two that share a machine; simulating takes a minute, once.

    Args:
        results: folder of the file of rows.
        runs: folder of records and pretraining; what is finished is reused.
        setting: ours, 5 layers of 32 kernels; or published, 5 layers of 64 (arXiv 2411.09849), 2.5 times as long.
        masks: random, block, band, tube.
        ratios: shares that are hidden.
        seeds: of splits, weights and masks.
        epochs: of pretraining, instead of the setting's.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    hidings = hidings_of(masks, ratios)
    choice = lookup(CONVLSTMS, setting, "setting")
    return draw_hidden("msm-convlstm", choice, hidings, results, runs, seeds, epochs, smoke)


def hidings_of(masks: Sequence[str], ratios: Sequence[float]) -> list[Hiding]:
    """Return all combinations; raises `UnknownNameError` for a mask that there is not."""
    for mask in masks:
        lookup(MASKS, mask, "mask")
    return [Hiding(mask, ratio) for mask in masks for ratio in ratios]


def draw_hidden(
    name: str,
    choice: Choice,
    hidings: Sequence[Hiding],
    results: Path,
    runs: Path,
    seeds: Sequence[int],
    epochs: int | None,
    smoke: bool,
) -> Path:
    """Pretrain and ask with each seed, hang up pictures of the first one, and return the file of rows."""
    field = Field(
        name=name,
        scenes={scene: TINY_SCENE if smoke else choice.scene for scene in SCENES},
        sizes=TINY_SIZES if smoke else choice.sizes,
        seeds=seeds,
        results=results,
        runs=runs,
        smoke=smoke,
    )
    how = choice.how if epochs is None else choice.how.shortened(epochs)
    how = replace(how.shortened(1, 4), backbone_args={**how.backbone_args, **choice.tiny}) if smoke else how
    for setting in field.settings_of():
        most = max(hiding.ratio for hiding in hidings)
        shown = partial(hang_up, field, most) if setting.seed == seeds[0] else lambda *_: None
        redrawn(choice.title, how, hidings, setting, shown)
    return field.path


def hang_up(field: Field, most: float, hiding: Hiding, drawn: Reconstruction) -> None:
    """Write a picture of a reconstruction, where most is hidden."""
    if hiding.ratio == most:
        field.hang(hiding.mask, reconstruction_picture(*drawn))
