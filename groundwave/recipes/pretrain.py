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
from groundwave.model import Model
from groundwave.nn import BACKBONES
from groundwave.pretrain import OBJECTIVES
from groundwave.pretrain.objective import LabelledObjective
from groundwave.pretrain.run import pretrain as run
from groundwave.recipes import device, lsm, modulation
from groundwave.recipes.inputs import open_input, records
from groundwave.recipes.modality import SUITED, USUAL, Usual, check_objective, contract_of, modality_of
from groundwave.train import Schedule
from groundwave.views import Crop, Normalise

SETTINGS: Mapping[str, ModuleType] = {"device": device, "lsm-published": lsm, "modulation": modulation}


def pretrain(
    data: str,
    *,
    out: Path,
    setting: str = "modulation",
    objective: str | None = None,
    backbone: str | None = None,
    modality: str | None = None,
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
        setting: what a model of IQ is for, a name in `SETTINGS`: it brings views, towers and terms, and for devices
            takes two windows of one recording as a pair.
        objective: name in `OBJECTIVES`; by default what is usual for the modality.
        backbone: name in `BACKBONES`, likewise.
        modality: what of the records to learn from: `iq`, `spec` or `csi`; by default the first that they hold.
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
        DataError: fewer than two records, none of the modality, or none with a label where the objective learns from
            labels.
        GroundwaveError: an objective that does not work on the modality.
    """
    for table, name, kind in ((BACKBONES, backbone, "backbone"), (OBJECTIVES, objective, "objective")):
        if name is not None:
            lookup(table, name, kind)
    chosen = lookup(SETTINGS, setting, "setting")
    if Path(data).exists() and any(value is not None for value in (options or {}).values()):
        opened = open_input(data, **(options or {}))
        source = RecordingWindows(opened, num_samples) if isinstance(opened, Recording) else opened
    else:
        source = records(data, num_records=num_records, num_samples=num_samples, seed=seed)
    first = source[torch.arange(min(1, len(source)))]
    modality = modality_of(first, modality, data)
    objective, backbone = objective or USUAL[modality].objective, backbone or USUAL[modality].backbone
    check_objective(objective, modality)
    labelled = learns_from_labels(objective)
    rows = labelled_rows(source, data) if labelled else torch.arange(len(source))
    if len(rows) < 2:
        raise DataError(f"{len(rows)} records in {data}", "at least two, to tell them apart", "give more recordings")
    whole = fixes_length(backbone)
    if modality == "iq":
        choices = of_setting(source, data, chosen, objective, backbone, whole, pairs=not labelled)
        purpose = f"to tell {len(source.classes)} classes" if labelled else f"in the setting {setting}"
    else:
        choices, purpose = {"views": (), "objective_args": SUITED.get(Usual(objective, backbone))}, f"on {modality}"
    told = f"Classes: {', '.join(source.classes)}.\n" if labelled and modality == "iq" else ""
    return run(
        source,
        out=out,
        contract=contract_of(source, first, modality, whole),
        schedule=Schedule(epochs=epochs, lr=lr),
        indices=rows if len(rows) < len(source) else None,
        backbone=backbone,
        objective=objective,
        batch_size=min(batch_size, len(rows)),
        seed=seed,
        card=f"# {backbone} pretrained with {objective} {purpose}\n\n"
        f"{epochs} epochs over {len(rows)} records of {data}, seed {seed}.\n{told}",
        progress=progress,
        **choices,
    )


def of_setting(
    source: Any, data: str, setting: ModuleType, objective: str, backbone: str, whole: bool, *, pairs: bool
) -> dict[str, Any]:
    """Return what a setting chooses for records of IQ: views, pairs, and arguments of objective and backbone."""
    sized = {"num_samples": source[torch.tensor([0])]["iq"].shape[-1]} if whole else None
    return {
        "views": (Normalise(),) if objective == "sclbss" else views(source, setting, whole),
        "backbone_args": setting.BACKBONE if backbone == "lsm" else sized,
        "objective_args": setting.OBJECTIVE if objective == "lsm" else {"answer": setting.OBJECTIVE["answer"]},
        "groups": recordings(source, data) if setting.PAIRS_WITHIN_RECORDING and pairs else None,
    }


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
