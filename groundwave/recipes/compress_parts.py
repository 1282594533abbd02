"""Labelled records dealt to training, validation and test, as a network takes them."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from groundwave.bench.plans import Plan, check_plan
from groundwave.contracts import Source
from groundwave.data.split import Grouped, split
from groundwave.errors import DataError
from groundwave.model import Model
from groundwave.recipes.inputs import read

SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}


class Part(NamedTuple):
    """Records as the network takes them: inputs `[N, ...]`, labels as the model numbers them, SNRs (NaN: unknown)."""

    x: Tensor
    label: Tensor
    snr_db: Tensor


def deal(source: Grouped, seed: int, *, shares: Mapping[str, float] = SHARES, rows: Tensor | None = None) -> Plan:
    """Deal groups to training, validation, which chooses, and test, which is asked in the end.

    Raises:
        SplitError: too few groups, or a group on two sides.
    """
    parts = split(source, shares, seed=seed, indices=rows)
    none, classes = torch.empty(0, dtype=torch.long), tuple(range(len(source.classes)))
    told = " / ".join(f"{100 * share:g}" for share in shares.values())
    plan = Plan(
        split=f"{told} % of groups",
        pretraining=none,
        support=parts["train"],
        query=parts["test"],
        validation=parts["validation"],
        classes=classes,
        known=(),
    )
    return check_plan(plan, source.groups)


def parts_of(model: Model, source: Source, plan: Plan) -> dict[str, Part]:
    """Return the three parts of a plan as a model's network sees them; raises as `part_of` does."""
    rows = {"train": plan.support, "validation": plan.validation, "test": plan.query}
    return {name: part_of(model, source, some) for name, some in rows.items()}


def part_of(model: Model, source: Source, rows: Tensor) -> Part:
    """Return records as a model's network sees them; of long ones, every window.

    Raises:
        DataError: labels of classes that the model does not have, or records without a label.
        ContractError: records that the model does not take.
    """
    known = {name: number for number, name in enumerate(model.classes)}
    if strange := [name for name in source.classes if name not in known]:
        raise DataError(
            got=f"records of {', '.join(strange)}",
            expected=f"of the model's classes: {', '.join(model.classes)}",
            do="give records of the classes that the model was adapted to",
        )
    record = read(source, rows)
    if bool((record["label"] < 0).any()):
        raise DataError("records without a label", "a label for each", "give labelled records")
    windows = model.contract.windows(model.contract.prepare(record))
    numbers = torch.tensor([known[name] for name in source.classes])
    columns = (numbers[record["label"]], record["snr_db"])
    label, snr_db = (column.repeat_interleave(windows.shape[1]) for column in columns)
    return Part(model.contract.channels(windows.flatten(0, 1)), label, snr_db)


def inputs(record: Mapping[str, Tensor]) -> Tensor:
    """Return what the network takes of a record of a part."""
    return record["x"]
