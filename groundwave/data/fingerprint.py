"""Fingerprints: which records a run learns from, told without reading all of them."""

from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor

from groundwave.contracts import Source
from groundwave.errors import DataError


def digest(*parts: Tensor) -> str:
    """Return 16 hex digits that change with any number in the parts."""
    found = blake2b(digest_size=8)
    for part in parts:
        found.update(part.contiguous().numpy().tobytes())
    return found.hexdigest()


def fingerprint(source: Source, rows: Tensor, groups: Tensor | None, modality: str = "iq") -> str:
    """Return a hash of what is trained on, without reading all of it: which rows, their groups, and the two ends.

    Raises:
        DataError: the records do not hold the modality.
    """
    record = source[rows[[0, -1]]]
    if modality not in record:
        raise DataError(
            got=f"records of {', '.join(record)}",
            expected=f"records that hold {modality!r}",
            do="choose records of that modality, or a contract of theirs",
        )
    ends = torch.view_as_real(record[modality]) if record[modality].is_complex() else record[modality]
    shape = torch.tensor([len(source), *ends.shape[1:]])
    return digest(shape, rows, torch.empty(0) if groups is None else groups[rows], ends)


def labels_of(source: Source, rows: Tensor) -> list[Any]:
    """Return the names of the labels and, where the source tells them without reading records, their hash."""
    labels = getattr(source, "labels", torch.empty(0, dtype=torch.int64))
    return [*source.classes, digest(labels[rows] if len(labels) else labels)]
