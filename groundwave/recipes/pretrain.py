"""Pretraining on whatever the user names, with our choices for the question that is to be answered."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from groundwave.contracts import View
from groundwave.data.cut import RecordingWindows
from groundwave.data.recording import Recording
from groundwave.errors import DataError, lookup
from groundwave.model import InputContract, Model
from groundwave.nn import BACKBONES
from groundwave.pretrain import OBJECTIVES
from groundwave.pretrain.run import pretrain as run
from groundwave.recipes import device, lsm, modulation
from groundwave.recipes.inputs import open_input, records
from groundwave.train import Schedule
from groundwave.views import Crop

SETTINGS: Mapping[str, ModuleType] = {"device": device, "lsm-published": lsm, "modulation": modulation}


def pretrain(
    data: str,
    *,
    out: Path,
    setting: str = "modulation",
    objective: str = "lsm",
    backbone: str = "lsm",
    epochs: int = 10,
    batch_size: int = 256,
    lr: float = 1e-3,
    num_records: int = 20_000,
    num_samples: int = 1024,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Model:
    """Pretrain a backbone without labels; the model is saved in `out/model`.

    The same call resumes an interrupted run after its last whole epoch, with the weights that an uninterrupted run has.

    Args:
        data: a store, a file of windows, a recording, or the name of a scene.
        out: folder of the run: checkpoint, logs, model.
        setting: what the model is for, a name in `SETTINGS`: it brings views, towers and terms, and for devices takes
            two windows of one recording as a pair.
        objective: name in `OBJECTIVES`.
        backbone: name in `BACKBONES`.
        epochs: passes over the records.
        batch_size: records per step.
        lr: peak learning rate.
        num_records: how many to draw from a scene.
        num_samples: length of a scene's records, and of windows cut from a recording.
        seed: of weights, order, views, and of a scene.
        options: how to read a file: `sample_rate_hz`, `iq`, `group`.
        progress: whether to draw a progress bar.

    Raises:
        OutputExistsError: `out` holds another run.
        DataError: fewer than two records.
    """
    lookup(BACKBONES, backbone, "backbone")
    lookup(OBJECTIVES, objective, "objective")
    chosen = lookup(SETTINGS, setting, "setting")
    if Path(data).exists() and any(value is not None for value in (options or {}).values()):
        opened = open_input(data, **(options or {}))
        source = RecordingWindows(opened, num_samples) if isinstance(opened, Recording) else opened
    else:
        source = records(data, num_records=num_records, num_samples=num_samples, seed=seed)
    if len(source) < 2:
        raise DataError(f"{len(source)} records in {data}", "at least two, to tell them apart", "give more recordings")
    return run(
        source,
        out=out,
        contract=contract(source),
        views=views(source, chosen),
        schedule=Schedule(epochs=epochs, lr=lr),
        backbone=backbone,
        backbone_args=chosen.BACKBONE if backbone == "lsm" else None,
        objective=objective,
        objective_args=chosen.OBJECTIVE if objective == "lsm" else None,
        batch_size=min(batch_size, len(source)),
        groups=recordings(source, data) if chosen.PAIRS_WITHIN_RECORDING else None,
        seed=seed,
        card=f"# {backbone} pretrained with {objective} for {setting}\n\n"
        f"{epochs} epochs over {len(source)} records of {data}, seed {seed}.\n",
        progress=progress,
    )


def contract(source: Any) -> InputContract:
    """Return the contract of a model that is trained on records like these."""
    shape = source[torch.tensor([0])]["iq"].shape[1:]
    length = shape[-1]
    return InputContract(
        num_samples=length,
        min_samples=max(1, length // 4),
        max_samples=2 * length,
        num_antennas=shape[0] if len(shape) == 2 else 1,
    )


def views(source: Any, setting: ModuleType) -> tuple[View, ...]:
    """Return the views of a setting, with a crop of the same share of these records."""
    length = source[torch.tensor([0])]["iq"].shape[-1]
    crop = Crop(max(1, round(length * setting.CROP / setting.CONTRACT.num_samples)))
    return tuple(crop if isinstance(view, Crop) else view for view in setting.VIEWS)


def recordings(source: Any, data: str) -> Tensor:
    """Return the group of each record; raises `DataError` unless there are two groups to tell apart."""
    groups = getattr(source, "groups", torch.empty(0))
    if len(groups[groups >= 0].unique()) < 2:
        raise DataError(
            got=f"{data}, whose records are not of several recordings",
            expected="groups, since pairs are two windows of one recording",
            do="ingest recordings together, name the group with --group KEY, or pretrain --setting modulation",
        )
    return torch.as_tensor(groups)
