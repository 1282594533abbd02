"""Labelled examples as a network is tuned on them: what it sees and what it must answer, in memory where they fit."""

import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from groundwave.contract import Contract
from groundwave.contracts import Record, Source, Task
from groundwave.data.sources import Records

AT_ONCE = 32  # records that are read together


class Examples:
    """A `Source` of `inputs` (what a model's network sees of a record) and `target` (what a task asks of it).

    Inputs are float16 and targets of the narrowest type for the task's classes, so that what is kept is small.

    Args:
        source: labelled records.
        rows: which of them, int64 `[M]`.
        contract: the model's.
        task: the task.
    """

    classes: Sequence[str] = ()

    def __init__(self, source: Source, rows: Tensor, contract: Contract, task: Task) -> None:
        self._source, self._rows, self._contract, self._task = source, rows, contract, task
        self._target = torch.uint8 if len(task.classes) <= 256 else torch.int32

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the examples at `indices` (int64 `[B]`)."""
        record = self._source[self._rows[indices]]
        inputs = self._contract.channels(self._contract.prepare(self._task.observed(record)))
        return {"inputs": inputs.to(torch.float16), "target": self._task.target(record).to(self._target)}


class Seen:
    """Examples whose `inputs` are what a frozen backbone makes of them, in bfloat16.

    Args:
        examples: the examples.
        look: from inputs to tokens or features.

    Attributes:
        seconds: that looking has taken.
    """

    classes: Sequence[str] = ()

    def __init__(self, examples: Source, look: Callable[[Tensor], Tensor]) -> None:
        self._examples, self._look = examples, look
        self.seconds = 0.0

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the examples at `indices` (int64 `[B]`)."""
        record = self._examples[indices]
        started = time.perf_counter()
        inputs = self._look(record["inputs"].float()).to(torch.bfloat16)
        self.seconds += time.perf_counter() - started
        return {"inputs": inputs, "target": record["target"]}


def kept(parts: Sequence[Source], most_bytes: float) -> list[Source]:
    """Return parts of the examples, each in memory where there is still room for it, otherwise as it is.

    Args:
        parts: read once and in order.
        most_bytes: memory that all of them may take together.
    """
    found: list[Source] = []
    for part in parts:
        order = torch.arange(len(part))
        size = len(part) * sum(x.nbytes for x in part[order[:1]].values())
        if size > most_bytes:
            found.append(part)
            continue
        most_bytes -= size
        pieces = [part[rows] for rows in order.split(AT_ONCE)]
        found.append(Records({name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}))
    return found
