"""The data sets of the panels of LSM: the replica of RadioML 2016.10a, as published and put right, or the real file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundwave.atomic import sha256
from groundwave.bench.encoders import Labelled
from groundwave.data.radioml import open_radioml_2016
from groundwave.data.sources import Records
from groundwave.errors import GroundwaveError, UnknownNameError
from groundwave.scenes.radioml import SNRS_DB, VERSIONS, RadioML

RECORDS_PER_CELL = 1000
DATA_SEED = 2016  # the data set is one; seeds of the panels part it and draw from it


@dataclass(frozen=True)
class DataSet:
    """Records with their SNRs, and what tells this data set from another."""

    name: str
    source: Labelled
    snr_db: Tensor
    config: dict[str, Any] = field(default_factory=dict)


def open_set(
    data: str,
    *,
    snrs_db: tuple[float, ...] = SNRS_DB,
    records_per_cell: int = RECORDS_PER_CELL,
    by: str = "groups",
) -> DataSet:
    """Open `as-published` or `fixed`, which are simulated in memory, or a real RML2016.10a file.

    Args:
        data: one of those names, or a path.
        snrs_db: which SNRs to simulate; a file is taken whole.
        records_per_cell: how many to simulate of each class at each SNR.
        by: what splits keep whole: `groups` (passes of the generator), or single `records`, as in the literature, where
            neighbours of one pass then lie on both sides.

    Raises:
        UnknownNameError: neither a name nor a path.
        GroundwaveError: another `by`.
    """
    if by not in ("groups", "records"):
        raise GroundwaveError(f"by={by}", "groups or records", "correct it")
    source: Labelled
    if data in VERSIONS:
        name, source, snr_db, config = _simulated(data, snrs_db, records_per_cell)
    elif Path(data).is_file():
        name, source, snr_db, config = _real(Path(data))
    else:
        raise UnknownNameError("data (neither a path nor a replica)", data, VERSIONS)
    if by == "groups":
        return DataSet(name, source, snr_db, config)
    return DataSet(f"{name}, split by record", _one_by_one(source), snr_db, {**config, "by": by})


def _simulated(version: Any, snrs_db: tuple[float, ...], records_per_cell: int) -> tuple[str, Records, Tensor, Any]:
    scene = RadioML(version, snrs_db=snrs_db, records_per_cell=records_per_cell, seed=DATA_SEED)
    record = scene.block(0)
    names = [str(group) for group in range(scene.num_per_block)]
    config = {"data_seed": DATA_SEED, "records_per_cell": records_per_cell, "snrs_db": list(map(float, snrs_db))}
    if version == "as-published":
        config["fading"] = "GNU Radio 3.7"
    return f"radioml {version}", Records(record, classes=scene.classes, group_names=names), record["snr_db"], config


def _real(path: Path) -> tuple[str, Labelled, Tensor, Any]:
    source = open_radioml_2016(path)
    return path.name, source, source.columns["snr_db"], {"data_sha256": sha256(path)[:12]}


def _one_by_one(source: Labelled) -> Records:
    """Return the same records, each a group of its own."""
    rows = torch.arange(len(source))
    record = {**source[rows], "group": rows}
    return Records(record, classes=source.classes, group_names=[str(row) for row in range(len(rows))])
