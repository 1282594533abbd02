"""Forecasting of spectrum occupancy: a pretrained ConvLSTM, frozen, against one from scratch and simple forecasts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundwave.bench.answer_pictures import forecast_picture
from groundwave.bench.encoders import Pretraining
from groundwave.bench.tuning import (
    Answer,
    Questions,
    Tally,
    Tuner,
    answered,
    baseline_cell,
    cell_of,
    tuned_in_turn,
)
from groundwave.contract import SpectrogramContract
from groundwave.contracts import Record, Task
from groundwave.errors import lookup
from groundwave.recipes.exhibits import Exhibit
from groundwave.recipes.spectrogram_sets import DATA_SEED, Field, Sizes
from groundwave.scenes.occupancy import Occupancy
from groundwave.signal.energy import energy_occupancy
from groundwave.tasks.baselines import FORECASTS, Forecast
from groundwave.tasks.forecasting import Forecasting
from groundwave.tasks.levels import best_threshold
from groundwave.train import Schedule

SIZES = Sizes(pool=1000, train=1000, validation=100, test=400)
TINY_SIZES = Sizes(pool=8, train=8, validation=4, test=4)
TINY_TASK = Forecasting(num_slices=2, slice=4, context=8)
FALSE_ALARM = 0.01  # of the energy detector that tells the simple forecasts what was occupied

SEEN = 128  # frames of the past
SCENE: Mapping[str, int] = {"num_freqs": 64, "num_averaged": 4}
TINY_SCENE: Mapping[str, int] = {"num_freqs": 64, "num_averaged": 4, "num_per_block": 12}
CONVLSTM = {"dim": 16, "depth": 3, "kernel": 3, "slice": 8}
VIT = {"dim": 192, "depth": 6, "num_heads": 6, "patch": (8, 8)}
TINY: Mapping[str, Mapping[str, object]] = {
    "convlstm": {"dim": 4, "depth": 2, "slice": 4},
    "vit": {"dim": 16, "depth": 2, "num_heads": 2, "patch": (8, 4)},
}

# A fifth of the cells is replaced by noise, as published (Aboulfotouh et al., 2024, arXiv 2411.09849), where it has 5
# layers of 64 kernels and takes 25 times as long.
RECURRENT = Pretraining(
    backbone="convlstm",
    objective="msm",
    views=(),
    schedule=Schedule(epochs=10, lr=1e-3),
    batch_size=32,
    contract=SpectrogramContract(min_frames=4),
    backbone_args=CONVLSTM,
    objective_args={"mask": "random", "ratio": 0.2, "fill": "noise", "decoder": {"name": "linear"}},
)
PATCHES = replace(
    RECURRENT,
    backbone="vit",
    backbone_args=VIT,
    objective_args={"mask": "random", "ratio": 0.75, "fill": "drop"},
)
HEAD = Schedule(epochs=15, lr=2e-3, weight_decay=0.05)
WHOLE = Schedule(epochs=15, lr=1e-3, weight_decay=0.05)

TUNERS: Mapping[str, Tuner] = {
    "convlstm-frozen": Tuner("ConvLSTM, pretrained, frozen", RECURRENT, "frozen", HEAD),
    "convlstm-scratch": Tuner("ConvLSTM, from scratch", RECURRENT, "scratch", WHOLE),
    "vit-frozen": Tuner("ViT, pretrained, frozen", PATCHES, "frozen", HEAD),
    "vit-scratch": Tuner("ViT, from scratch", PATCHES, "scratch", WHOLE),
}
ORACLES = ("persistence of the truth", "patterns known")
METHODS = (*TUNERS, *FORECASTS, *ORACLES)


def forecasting(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/masked"),
    methods: Sequence[str] = METHODS,
    seeds: Sequence[int] = (0, 1, 2),
    slices: int = 6,
    epochs: int | None = None,
    pretraining_epochs: int | None = None,
    smoke: bool = False,
) -> Path:
    """Forecast which cells of the next slices are occupied: pretrained networks, the same from scratch, simple rules.

    Rows tell for each horizon (`F1 3`: three slices ahead) the talk's probability of correct occupied predictions
    (`detection`), the false alarms beside it, and F1; each method's threshold is the one of the highest F1 on
    validation. The simple rules see the occupancy that an energy detector finds in the past. Two rows know what no
    receiver does: persistence of the truth repeats the last true slice; who knows all patterns of the scene `occupancy`
    and their states in the last frame is as good as any forecast can be. A picture of the first seed's forecasts is in
    RUNS/pictures.

    On one core (Xeon with AMX, bfloat16) that other jobs share, a record of 64 x 128 cells takes the ConvLSTM (3 layers
    of 16 kernels) 40 ms and the ViT (192 x 6) 6 ms in pretraining; 33 ms and 15 ms when all of it learns. A seed takes
    2000 x 10 records of pretraining (800 s and 120 s) and 1000 x 15 of tuning (from scratch 490 s and 230 s, frozen 35
    s together): with all answers half an hour; simulating takes seconds, once.

    Args:
        results: folder of the file of rows.
        runs: folder of records, pretraining and tuning; what is finished is reused.
        methods: convlstm-frozen, convlstm-scratch, vit-frozen, vit-scratch, autoregression, mean occupancy,
            persistence, persistence of the truth, patterns known.
        seeds: of splits and weights.
        slices: how many slices of 8 frames to forecast.
        epochs: of tuning, instead of each method's own.
        pretraining_epochs: of pretraining, instead of our own.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    task = TINY_TASK if smoke else Forecasting(num_slices=slices, slice=CONVLSTM["slice"])
    seen = 4 * task.slice if smoke else SEEN
    scene = {**(TINY_SCENE if smoke else SCENE), "num_frames": seen + task.num_frames}
    field = Field(
        name="forecasting",
        scenes={"occupancy": scene},
        sizes=TINY_SIZES if smoke else SIZES,
        seeds=seeds,
        results=results,
        runs=runs,
        smoke=smoke,
    )
    chosen = [lookup({known: known for known in METHODS}, name, "method") for name in methods]
    exhibit = Exhibit(field, task, None, lambda chances: chances[:, 1].half())
    for setting in field.settings_of():
        questions = Questions(task, (None,), thresholded, shown=exhibit.note)
        tuners = {name: TUNERS[name].sized(epochs, pretraining_epochs) for name in chosen if name in TUNERS}
        if smoke:
            tuners = {name: tuner.shrunk(TINY[tuner.network.backbone]) for name, tuner in tuners.items()}
        tuned_in_turn(list(tuners.values()), questions, setting)
        cells = []
        for name in chosen:
            if name in tuners:
                cells.append(cell_of(tuners[name], None, questions, setting))
            else:
                answered(name, rule_of(name, task, scene), questions, setting)
                cells.append(baseline_cell(name, None, questions, setting))
        exhibit.hang(cells, setting, forecast_picture)
    return field.path


def rule_of(name: str, task: Forecasting, scene: Mapping[str, Any]) -> Answer:
    """Return what answers without learning; two of the answers know a setting of the scene, or all of them."""
    if name in FORECASTS:
        return partial(ruled, FORECASTS[name], task, scene["num_averaged"])
    if name == "persistence of the truth":
        return partial(repeated, task)
    return partial(known, Occupancy(**scene, seed=DATA_SEED))


def thresholded(task: Task, total: Tally) -> Task:
    """Return the forecasting task with the threshold of the highest mean F1."""
    assert isinstance(task, Forecasting)
    return replace(task, threshold=best_threshold(total["levels"]))


def ruled(forecast: Forecast, task: Forecasting, num_averaged: int, record: Record) -> Tensor:
    """Return what a simple forecast says after an energy detector, as probabilities `[B, 2, freq, frames]`."""
    past = energy_occupancy(record["spec"].float(), FALSE_ALARM, num_averaged=num_averaged).float()
    return both(forecast(past, task.slice, task.num_slices))


def repeated(task: Forecasting, record: Record) -> Tensor:
    """Return the last true slice, repeated, as probabilities."""
    past = (record["mask"][..., : record["spec"].shape[-1]] > 0).float()
    return both(FORECASTS["persistence"](past, task.slice, task.num_slices))


def known(scene: Occupancy, record: Record) -> Tensor:
    """Return what the scene's oracle says of records by their numbers, as probabilities."""
    blocks, rows = record["index"] // scene.num_per_block, record["index"] % scene.num_per_block
    chances = {b: scene.forecast(b, record["spec"].shape[-1]) for b in blocks.unique().tolist()}
    return both(torch.stack([chances[b][row] for b, row in zip(blocks.tolist(), rows.tolist(), strict=True)]))


def both(chance: Tensor) -> Tensor:
    """Return the probabilities of free and occupied."""
    return torch.stack([1 - chance, chance], dim=1)
