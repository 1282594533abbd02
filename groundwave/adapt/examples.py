"""Labelled examples as a network is tuned on them: what it sees and what it must answer, in memory where they fit."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from groundwave.contract import Contract
from groundwave.contracts import Record, Source, Task
from groundwave.data.sources import Records

AT_ONCE = 32  # records that are read together


class Examples:
    """A `Source` of `inputs` (what a model's network sees of a record) and `target` (what a task asks of it).

    Args:
        source: labelled records.
        rows: which of them, int64 `[M]`.
        contract: the model's.
        task: the task.
    """

    classes: Sequence[str] = ()

    def __init__(self, source: Source, rows: Tensor, contract: Contract, task: Task) -> None:
        self._source, self._rows, self._contract, self._task = source, rows, contract, task

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the examples at `indices` (int64 `[B]`)."""
        record = self._source[self._rows[indices]]
        inputs = self._contract.channels(self._contract.prepare(self._task.observed(record)))
        return {"inputs": inputs, "target": self._task.target(record)}


class Seen:
    """Examples whose `inputs` are what a frozen backbone makes of them.

    Args:
        examples: the examples.
        look: from inputs to tokens or features.
    """

    classes: Sequence[str] = ()

    def __init__(self, examples: Source, look: Callable[[Tensor], Tensor]) -> None:
        self._examples, self._look = examples, look

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the examples at `indices` (int64 `[B]`)."""
        record = self._examples[indices]
        return {"inputs": self._look(record["inputs"].float()), "target": record["target"]}


def kept(examples: Source, most_bytes: float, dtype: torch.dtype) -> Source:
    """Return the examples in memory, or as they are where they do not fit.

    Args:
        examples: read once and in order; no class of their targets is above 255.
        most_bytes: memory that they may take.
        dtype: of the inputs in memory.
    """
    order = torch.arange(len(examples))
    first = _small(examples[order[:1]], dtype)
    if len(examples) * sum(x.numel() * x.element_size() for x in first.values()) > most_bytes:
        return examples
    parts = [_small(examples[rows], dtype) for rows in order.split(AT_ONCE)]
    return Records({name: torch.cat([part[name] for part in parts]) for name in first})


def _small(record: Record, dtype: torch.dtype) -> Record:
    return {"inputs": record["inputs"].to(dtype), "target": record["target"].to(torch.uint8)}
