"""pretrain(): from unlabelled records to a model."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from groundwave.contracts import Record, Source, View
from groundwave.data.batch import loader
from groundwave.data.partner import Partner
from groundwave.errors import lookup
from groundwave.model import InputContract, Model
from groundwave.pretrain import OBJECTIVES
from groundwave.rng import stable_hash
from groundwave.train import Schedule, fit


def pretrain(
    source: Source,
    *,
    out: Path,
    contract: InputContract,
    views: Sequence[View],
    schedule: Schedule,
    indices: Tensor | None = None,
    backbone: str = "lsm",
    backbone_args: Mapping[str, Any] | None = None,
    objective: str = "lsm",
    objective_args: Mapping[str, Any] | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    groups: Tensor | None = None,
    seed: int = 0,
    card: str = "",
    progress: bool = True,
) -> Model:
    """Pretrain a backbone on `source` without labels and return it as a model, also saved in `out/model`.

    Called again with the same settings it resumes an interrupted run, and returns a finished one at once.

    Args:
        source: records with `iq`; labels are not looked at.
        out: folder of the run.
        contract: what the model will accept; stored with it.
        views: the perturbations that the representation must not depend on.
        schedule: how long and how fast.
        indices: the records to use, int64 `[M]`; all by default.
        backbone: name in `BACKBONES`.
        backbone_args: its arguments.
        objective: name in `OBJECTIVES`.
        objective_args: its arguments beyond backbone and views.
        batch_size: records per step.
        num_workers: processes that read ahead.
        groups: group of each record, int64 `[N]`: views are then taken from two records of one group.
        seed: addresses initial weights, order and views.
        card: text of the model card.
        progress: whether to draw a progress bar.

    Raises:
        OutputExistsError: `out` holds another run.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stable_hash(seed, "weights"))
        model = Model.build(backbone, contract, dict(backbone_args or {}), card=card)
        module = lookup(OBJECTIVES, objective, "objective")(model.backbone, views=views, **(objective_args or {}))
    config = {
        "backbone": [backbone, dict(backbone_args or {})],
        "objective": [objective, dict(objective_args or {})],
        "views": [repr(view) for view in views],
        "contract": asdict(contract),
        "batch_size": batch_size,
        "pairs": "records" if groups is None else "groups",
        "records": len(source) if indices is None else stable_hash(*indices.tolist()),
    }
    partner = None if groups is None else Partner(source, groups, indices)

    def batches(epoch: int) -> DataLoader[Record]:
        return loader(
            source,
            indices,
            batch_size=batch_size,
            seed=seed,
            drop_last=True,
            num_workers=num_workers,
            transform=partner,
            epoch=epoch,
        )

    fit(
        module,
        batches,
        schedule=schedule,
        out=out,
        seed=seed,
        config=config,
        progress=progress,
    )
    if not (out / "model").exists():
        model.save(out / "model")
    return Model.load(out / "model")
