"""What callers hand to a contract: a tensor, an array, or a record that holds one; and how refusals name records."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from groundwave.contracts import Record
from groundwave.errors import ContractError

Given = Tensor | NDArray[Any] | Record


def taken(given: Given, modality: str, index: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return the array that is meant, and what errors call its records; raises `ContractError` where there is none."""
    if not isinstance(given, dict):
        return torch.as_tensor(given), index
    if modality not in given:
        raise ContractError(
            got=f"a record of {', '.join(given)}",
            expected=f"one that holds {modality!r}, which this model takes",
            do="give records of that modality, or a model of another",
        )
    return given[modality], given.get("index") if index is None else index


def first_of(flags: Tensor, index: Tensor | None) -> tuple[int, ...]:
    """Return the place of the first flag that is set in `[B, ...]`, its record by what errors call it."""
    row, *rest = flags.cpu().nonzero()[0].tolist()
    return (row if index is None else int(index.reshape(-1)[row]), *rest)
