"""Pretraining on whatever the user names, with our choice of views."""

from pathlib import Path
from typing import Any

import torch

from groundwave.contracts import View
from groundwave.errors import DataError, lookup
from groundwave.model import InputContract, Model
from groundwave.nn import BACKBONES
from groundwave.pretrain import OBJECTIVES
from groundwave.pretrain.run import pretrain as run
from groundwave.recipes.inputs import records
from groundwave.recipes.modulation import VIEWS
from groundwave.train import Schedule
from groundwave.views.clock import Crop


def pretrain(
    data: str,
    *,
    out: Path,
    objective: str = "lsm",
    backbone: str = "lsm",
    epochs: int = 10,
    batch_size: int = 256,
    lr: float = 1e-3,
    num_records: int = 20_000,
    num_samples: int = 1024,
    seed: int = 0,
    progress: bool = True,
) -> Model:
    """Pretrain a backbone without labels; the model is saved in `out/model`.

    The same call resumes an interrupted run after its last whole epoch, with the weights that an uninterrupted run has.

    Args:
        data: a store, a file of windows, a recording, or the name of a scene.
        out: folder of the run: checkpoint, logs, model.
        objective: name in `OBJECTIVES`.
        backbone: name in `BACKBONES`.
        epochs: passes over the records.
        batch_size: records per step.
        lr: peak learning rate.
        num_records: how many to draw from a scene.
        num_samples: length of a scene's records, and of windows cut from a recording.
        seed: of weights, order, views, and of a scene.
        progress: whether to draw a progress bar.

    Raises:
        OutputExistsError: `out` holds another run.
        DataError: fewer than two records.
    """
    lookup(BACKBONES, backbone, "backbone")
    lookup(OBJECTIVES, objective, "objective")
    source = records(data, num_records=num_records, num_samples=num_samples, seed=seed)
    if len(source) < 2:
        raise DataError(f"{len(source)} records in {data}", "at least two, to tell them apart", "give more recordings")
    return run(
        source,
        out=out,
        contract=contract(source),
        views=views(source),
        schedule=Schedule(epochs=epochs, lr=lr),
        backbone=backbone,
        objective=objective,
        batch_size=min(batch_size, len(source)),
        seed=seed,
        card=f"# {backbone} pretrained with {objective}\n\n"
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


def views(source: Any) -> tuple[View, ...]:
    """Return the views of the modulation recipe, with a crop of half of the records."""
    length = source[torch.tensor([0])]["iq"].shape[-1]
    return (Crop(max(1, length // 2)), *(view for view in VIEWS if not isinstance(view, Crop)))
