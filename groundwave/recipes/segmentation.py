"""Segmentation of cellular frames: pretrained networks against larger ones from scratch, from few labels to all."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from groundwave.bench.answer_pictures import mask_picture
from groundwave.bench.tuning import Questions, Tuner, answered, baseline_cell, cell_of, tuned_in_turn
from groundwave.errors import lookup
from groundwave.recipes.exhibits import Exhibit
from groundwave.recipes.msm import GRID, SMALL, VIT
from groundwave.recipes.spectrogram_sets import LEVELS, Field, Sizes, counts_of, level_table
from groundwave.tasks import TASKS
from groundwave.train import Schedule

SIZES = Sizes(pool=3000, train=600, validation=100, test=300)
TINY_SIZES = Sizes(pool=8, train=8, validation=4, test=4)
SCENES: Mapping[str, Mapping[str, object]] = {
    "cellular": {**GRID, "num_averaged": 148},  # as long as the scene's own records of 256 x 256, 39 ms
    "ism-band": GRID,
}
TINY_SCENE = {"num_freqs": 64, "num_frames": 32, "num_per_block": 12}
LARGE = {**SMALL, "dim": 384}
TINY: Mapping[str, Mapping[str, object]] = {
    "convlstm": {"dim": 4, "depth": 2},
    "vit": {"dim": 16, "depth": 2, "num_heads": 2, "patch": (16, 8)},
}

# A fifth of the cells is replaced by noise, as published (Aboulfotouh et al., 2024, arXiv 2411.09849), where it has 5
# layers of 64 kernels and takes 25 times as long.
RECURRENT = replace(
    VIT,
    backbone="convlstm",
    schedule=Schedule(epochs=5, lr=1e-3),
    batch_size=32,
    backbone_args={"dim": 16, "depth": 3, "kernel": 3, "slice": 8},
    objective_args={"mask": "random", "ratio": 0.2, "fill": "noise", "decoder": {"name": "linear"}},
)
HEAD = Schedule(epochs=30, lr=2e-3, weight_decay=0.05)
WHOLE = Schedule(epochs=24, lr=5e-4, weight_decay=0.05)
ONCE = Schedule(epochs=1)  # of a head that is solved
STEPS = 8  # of an epoch, where there are too few labels for more

TUNERS: Mapping[str, Tuner] = {
    "frozen": Tuner("pretrained, frozen", VIT, "frozen", HEAD, min_steps=STEPS),
    "ridge": Tuner("pretrained, frozen, solved", VIT, "ridge", ONCE, decoder="context"),
    "last-blocks": Tuner("pretrained, last 2 blocks", VIT, "last-blocks", WHOLE, min_steps=STEPS),
    "lora": Tuner("pretrained, LoRA", VIT, "lora", replace(WHOLE, lr=1e-3), min_steps=STEPS),
    "full": Tuner("pretrained, full", VIT, "full", WHOLE, min_steps=STEPS),
    "scratch": Tuner("from scratch", VIT, "scratch", WHOLE, min_steps=STEPS),
    "scratch-4x": Tuner(
        "from scratch, 4 times as large", replace(VIT, backbone_args=LARGE), "scratch", WHOLE, min_steps=STEPS
    ),
    "convlstm-frozen": Tuner(
        "ConvLSTM, pretrained, frozen", RECURRENT, "frozen", HEAD, min_steps=STEPS, decoder="conv"
    ),
    "convlstm-scratch": Tuner("ConvLSTM, from scratch", RECURRENT, "scratch", WHOLE, min_steps=STEPS, decoder="conv"),
}
METHODS = ("frozen", "ridge", "last-blocks", "lora", "full", "scratch", "scratch-4x")


def segmentation(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/masked"),
    methods: Sequence[str] = METHODS,
    shares: Sequence[float] = (0.01, 0.1, 1.0),
    seeds: Sequence[int] = (0, 1, 2),
    decoder: str = "light",
    data: str = "cellular",
    model: str = "",
    epochs: int | None = None,
    pretraining_epochs: int | None = None,
    smoke: bool = False,
) -> Path:
    """Segment spectrograms: a pretrained ViT, tuned in several ways, against the same and a larger one from scratch.

    Records are dealt at random to a pool of 3000 without labels, 600 that lend labels (and are pretrained on without),
    100 that choose the epoch and 300 that are asked once. Rows hold every score on the latter, and the curve of the
    score on validation: `episode` is the epoch, `seconds` the training so far. A picture of what the first seed's
    methods answer with all labels is in RUNS/pictures.

    The backbone is a ViT of 192 x 6, and one of 384 x 6 has 4 times its parameters. On one core (Xeon with AMX,
    bfloat16) a record of 128 x 128 cells takes 3.2 ms in pretraining; in tuning 10 ms when all of the network learns,
    18 ms of the larger one. A seed takes 3600 x 40 records of pretraining (500 s); with 60 and with 600 labels the
    frozen one takes 55 s together, from scratch 200 s, the larger one 400 s. Simulating takes 5 minutes, once.

    Args:
        results: folder of the file of rows.
        runs: folder of records, pretraining and tuning; what is finished is reused.
        methods: frozen, ridge, last-blocks, lora, full, scratch, scratch-4x, convlstm-frozen, convlstm-scratch. A head
            by ridge regression is linear in each token, its neighbours and the mean of all; a ConvLSTM, whose tokens
            are the cells, takes the decoder conv.
        shares: of the labels to learn from.
        seeds: of splits, weights and labels.
        decoder: of the others: linear, context, light or conv.
        data: name of the scene.
        model: a packaged model or folder to tune, instead of pretraining one.
        epochs: of tuning, instead of each method's own.
        pretraining_epochs: of pretraining, instead of our own.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    small = TINY_SIZES if smoke else SIZES
    field = Field(
        name="segmentation",
        scenes={data: TINY_SCENE if smoke else SCENES.get(data, {})},
        sizes=small,
        seeds=seeds,
        results=results,
        runs=runs,
        smoke=smoke,
    )
    tuners = [lookup(TUNERS, name, "method").sized(epochs, pretraining_epochs).starting_at(model) for name in methods]
    tuners = [tuner.shrunk(TINY[tuner.network.backbone]) for tuner in tuners] if smoke else tuners
    counts = counts_of(shares, small.train)
    opened = field.opened()
    classes = ("noise", *opened.source.classes)
    task = TASKS["segmentation"](classes=classes, decoder=decoder)
    exhibit = Exhibit(field, task, max(counts), lambda chances: chances.argmax(dim=1).to(torch.uint8))
    asked = counts[-1:] if smoke else counts
    for setting in field.settings_of(opened):
        questions = Questions(task, asked, shown=exhibit.note)
        tuned_in_turn(tuners, questions, setting)
        for count in asked:
            answered(LEVELS, level_table(setting, len(classes), count), questions, setting, count)
        cells = [cell_of(tuner, exhibit.count, questions, setting) for tuner in tuners]
        cells.append(baseline_cell(LEVELS, exhibit.count, questions, setting))
        exhibit.hang(cells, setting, lambda spec, masks: mask_picture(spec, masks, classes))
    return field.path
