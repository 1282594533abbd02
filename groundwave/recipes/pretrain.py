"""Pretraining on whatever the user names, with our choices for the question that is to be answered."""

from collections.abc import Mapping
from inspect import signature
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
from groundwave.pretrain.objective import LabelledObjective
from groundwave.pretrain.run import pretrain as run
from groundwave.recipes import device, lsm, modulation
from groundwave.recipes.inputs import open_input, records
from groundwave.train import Schedule
from groundwave.views import Crop, Normalise

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
    """Pretrain a backbone, without labels unless the objective learns from them; the model is saved in `out/model`.

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
        options: how to read a file: `sample_rate_hz`, `iq`, `label`, `group`, `classes`.
        progress: whether to draw a progress bar.

    Raises:
        OutputExistsError: `out` holds another run.
        DataError: fewer than two records, or none with a label where the objective learns from labels.
    """
    lookup(BACKBONES, backbone, "backbone")
    lookup(OBJECTIVES, objective, "objective")
    chosen = lookup(SETTINGS, setting, "setting")
    if Path(data).exists() and any(value is not None for value in (options or {}).values()):
        opened = open_input(data, **(options or {}))
        source = RecordingWindows(opened, num_samples) if isinstance(opened, Recording) else opened
    else:
        source = records(data, num_records=num_records, num_samples=num_samples, seed=seed)
    labelled = learns_from_labels(objective)
    rows = labelled_rows(source, data) if labelled else torch.arange(len(source))
    if len(rows) < 2:
        raise DataError(f"{len(rows)} records in {data}", "at least two, to tell them apart", "give more recordings")
    whole = fixes_length(backbone)
    sized = {"num_samples": contract(source).num_samples} if whole else None
    return run(
        source,
        out=out,
        contract=contract(source, whole),
        views=(Normalise(),) if objective == "sclbss" else views(source, chosen, whole),
        schedule=Schedule(epochs=epochs, lr=lr),
        indices=rows if len(rows) < len(source) else None,
        backbone=backbone,
        backbone_args=chosen.BACKBONE if backbone == "lsm" else sized,
        objective=objective,
        objective_args=chosen.OBJECTIVE if objective == "lsm" else {"answer": chosen.OBJECTIVE["answer"]},
        batch_size=min(batch_size, len(rows)),
        groups=recordings(source, data) if chosen.PAIRS_WITHIN_RECORDING and not labelled else None,
        seed=seed,
        card=f"# {backbone} pretrained with {objective} for {setting}\n\n"
        f"{epochs} epochs over {len(rows)} records of {data}, seed {seed}.\n",
        progress=progress,
    )


def learns_from_labels(objective: str) -> bool:
    """Return whether an objective of the table is one of supervision."""
    made = OBJECTIVES[objective]
    return isinstance(made, type) and issubclass(made, LabelledObjective)


def labelled_rows(source: Any, data: str) -> Tensor:
    """Return which records have a label, int64 `[M]`; those of a scene all have one.

    Raises:
        DataError: none has.
    """
    labels = getattr(source, "labels", None)
    rows = torch.arange(len(source)) if labels is None else (labels >= 0).nonzero().squeeze(1)
    if len(rows) == 0:
        raise DataError(
            got=f"{data} without labelled records",
            expected="labels, which this objective learns from",
            do="ingest with --label KEY, name the array of a .npz with --label, or choose an objective without labels",
        )
    return rows


def fixes_length(backbone: str) -> bool:
    """Return whether a backbone is built for records of one length."""
    length = signature(BACKBONES[backbone]).parameters.get("num_samples")
    return length is not None and length.default is not None


def contract(source: Any, whole: bool = False) -> InputContract:
    """Return the contract of a model that is trained on records like these, `whole` when it takes this length only."""
    shape = source[torch.tensor([0])]["iq"].shape[1:]
    length = shape[-1]
    return InputContract(
        num_samples=length,
        min_samples=length if whole else max(1, length // 4),
        max_samples=length if whole else 2 * length,
        num_antennas=shape[0] if len(shape) == 2 else 1,
    )


def views(source: Any, setting: ModuleType, whole: bool = False) -> tuple[View, ...]:
    """Return the views of a setting, with a crop of the same share of these records, or with none of a `whole` one."""
    if whole:
        return tuple(view for view in setting.VIEWS if not isinstance(view, Crop))
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
