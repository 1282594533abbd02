"""pretrain(): from records, most often unlabelled, to a model."""

from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from groundwave.contract import Contract, identity
from groundwave.contracts import Record, Source, View
from groundwave.data.batch import loader
from groundwave.data.fingerprint import fingerprint, labels_of
from groundwave.data.partner import Partner
from groundwave.errors import GroundwaveError, lookup
from groundwave.model import Model
from groundwave.pretrain import OBJECTIVES
from groundwave.pretrain.objective import LabelledObjective
from groundwave.rng import generator, stable_hash
from groundwave.train import Schedule, fit, holds_run


def pretrain(
    source: Source,
    *,
    out: Path,
    contract: Contract,
    views: Sequence[View],
    schedule: Schedule,
    indices: Tensor | None = None,
    backbone: str = "lsm",
    backbone_args: Mapping[str, Any] | None = None,
    objective: str = "lsm",
    objective_args: Mapping[str, Any] | None = None,
    batch_size: int = 256,
    groups: Tensor | None = None,
    others: Mapping[str, Contract] | None = None,
    seed: int = 0,
    card: str = "",
    progress: bool = True,
) -> Model:
    """Pretrain a backbone on `source` and return it as a model, also saved in `out/model`.

    Called again with the same settings and records it resumes an interrupted run, and returns a finished one at once.

    Args:
        source: records of the contract's modality; their labels are looked at by a `LabelledObjective` only.
        out: folder of the run.
        contract: what the model will accept; stored with it.
        views: the perturbations that the representation must not depend on.
        schedule: how long and how fast.
        indices: the records to use, int64 `[M]`; all by default.
        backbone: name in `BACKBONES`.
        backbone_args: its arguments.
        objective: name in `OBJECTIVES`.
        objective_args: its arguments beyond backbone and views, and what the records and the contract say
            (`num_classes`, `num_channels`, `contract`, `contracts` by modality).
        batch_size: records per step.
        groups: group of each record, int64 `[N]`: views are then taken from two records of one group.
        others: contracts of further modalities, which the records hold beside the contract's (see `SideBySide`).
        seed: addresses initial weights, order and views.
        card: text of the model card.
        progress: whether to draw a progress bar.

    Raises:
        OutputExistsError: `out` holds another run.
        GroundwaveError: a batch size or records that cannot be trained with; nothing is written then.
        DataError: records without a label and an objective that learns from labels.
    """
    rows = torch.arange(len(source)) if indices is None else indices
    if not 2 <= batch_size <= len(rows):
        raise GroundwaveError(
            got=f"a batch size of {batch_size} for {len(rows)} records",
            expected="at least 2 and at most the number of records",
            do="change the batch size" if len(rows) > 1 else "give more records",
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stable_hash(seed, "weights"))
        model = Model.build(backbone, contract, dict(backbone_args or {}), card=card, others=dict(others or {}))
        module = _build(objective, model, source, views=views, **(objective_args or {}))
    config = {
        "backbone": [backbone, dict(backbone_args or {})],
        "objective": [objective, dict(objective_args or {})],
        "views": [repr(view) for view in views],
        "contract": identity(contract),
        "batch_size": batch_size,
        "pairs": "records" if groups is None else "groups" if not model.others else ["groups", *model.others],
        "records": fingerprint(source, rows, groups, contract.modality),
        **{
            f"{name} records": [identity(o), fingerprint(source, rows, groups, name)]
            for name, o in model.others.items()
        },
        **({"labels": labels_of(source, rows)} if isinstance(module, LabelledObjective) else {}),
    }
    if holds_run(out, schedule=schedule, seed=seed, config=config) and (out / "model").exists():
        return Model.load(out / "model")
    partner = None if groups is None else Partner(source, groups, indices, (contract.modality, *model.others))

    def batches(epoch: int) -> DataLoader[Record]:
        return loader(
            source,
            indices,
            batch_size=batch_size,
            seed=seed,
            drop_last=True,
            transform=partner,
            epoch=epoch,
        )

    if isinstance(module, LabelledObjective):
        seen = next(iter(batches(0)))  # an episode needs several records of several classes
    else:
        seen = source[rows[:2]]
        seen = partner(seen, generator(0, "rehearsal")) if partner else seen
    _rehearse(module, seen, contract.modality)
    if isinstance(module, LabelledObjective):
        module.begin(source, rows)
    fit(
        module,
        batches,
        schedule=schedule,
        out=out,
        seed=seed,
        config=config,
        progress=progress,
    )
    if isinstance(module, LabelledObjective):
        model = module.finished(model, seen, source.classes)
    if not (out / "model").exists():
        model.save(out / "model")
    return Model.load(out / "model")


def _build(objective: str, model: Model, source: Source, **settings: Any) -> nn.Module:
    """Return an objective on a model's backbone, told what it asks for and the records or the contract say."""
    make = lookup(OBJECTIVES, objective, "objective")
    known = {
        "num_classes": len(source.classes),
        "num_channels": model.contract.num_channels,
        "contract": model.contract,
        "contracts": {model.contract.modality: model.contract, **model.others},
    }
    asked = {name: value for name, value in known.items() if name in signature(make).parameters}
    return make(model.backbone, **asked, **settings)


def _rehearse(module: nn.Module, record: Record, modality: str) -> None:
    """Take one step's loss on a few records, without learning, so that what cannot work is told before it starts."""
    training = module.training
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            module.eval()(record, generator(0, "rehearsal", "views"))
    except GroundwaveError:
        raise
    except (RuntimeError, ValueError, IndexError) as error:
        size = " by ".join(map(str, record[modality].shape[1:]))
        unit = "samples" if modality == "iq" else "cells"
        raise GroundwaveError(
            got=f"records of {size} {unit}, on which the objective fails ({error})",
            expected="records large enough for the network and the views",
            do="give longer records, or another backbone",
        ) from error
    finally:
        module.train(training)
