"""Blocks that hold every class at every SNR equally often, as RadioML's data sets do."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record
from groundwave.errors import lookup
from groundwave.scenes.knobs import Check
from groundwave.scenes.waveforms import WAVEFORMS

_PIECE = 1 << 15


@dataclass(frozen=True)
class Cells:
    """Pairs of a class and an SNR, each with as many records; rows are made class by class, SNR by SNR."""

    classes: tuple[str, ...]
    snrs_db: tuple[float, ...]
    records_per_cell: int

    @property
    def per_class(self) -> int:
        """Records of one class."""
        return len(self.snrs_db) * self.records_per_cell

    @property
    def num(self) -> int:
        """Records of all cells."""
        return len(self.classes) * self.per_class

    def labels(self) -> Tensor:
        """Return the class index of each row."""
        return torch.arange(len(self.classes)).repeat_interleave(self.per_class)

    def snr_db(self) -> Tensor:
        """Return the SNR label of each row."""
        return torch.tensor(self.snrs_db).repeat_interleave(self.records_per_cell).repeat(len(self.classes))

    def order(self, draw: Generator) -> Tensor:
        """Return a random permutation that spreads classes and SNRs evenly, so that every prefix is balanced.

        Each run of as many rows as classes holds each class once, each run of as many rows as cells each cell once.
        """
        shape = (self.records_per_cell, len(self.snrs_db), len(self.classes))
        label = torch.rand(shape, generator=draw).argsort(2)
        snr = torch.rand(shape, generator=draw).argsort(1).gather(2, label)
        cell = label * len(self.snrs_db) + snr
        return (cell * self.records_per_cell + torch.arange(self.records_per_cell)[:, None, None]).flatten()

    def record(self, b: int, order: Tensor, group: Tensor) -> Record:
        """Return what is known about the rows of block `b` in their order; `group` counts within the block."""
        index = b * self.num + torch.arange(self.num)
        shown = {"label": self.labels()[order], "snr_db": self.snr_db()[order], "group": b * self.num + group[order]}
        return {**shown, "index": index}


def check_cells(classes: Sequence[str], snrs_db: Sequence[float], records_per_cell: int) -> list[Check]:
    """Return what `knobs.require` has to check; raises `UnknownNameError` for a class that no waveform has."""
    for name in classes:
        lookup(WAVEFORMS, name, "modulation")
    return [
        ("classes", classes, len(set(classes)) == len(classes) > 0, "at least one, each once"),
        ("snrs_db", snrs_db, len(snrs_db) > 0, "at least one"),
        ("snrs_db", snrs_db, all(map(math.isfinite, snrs_db)), "finite numbers in dB"),
        ("records_per_cell", records_per_cell, records_per_cell >= 1, "at least 1"),
    ]


def received(clean: Tensor, noise: Tensor, order: Tensor, normalise: Callable[[Tensor], Tensor]) -> Tensor:
    """Return clean plus noise, normalised and in order; in pieces that fit the processor's cache."""
    iq = torch.empty_like(clean)
    num_rows = max(1, _PIECE // clean.shape[1])
    for out, rows in zip(iq.split(num_rows), order.split(num_rows), strict=True):
        out.copy_(normalise(clean[rows].add_(noise[rows])))
    return iq


def unit_magnitude_sum(x: Tensor) -> Tensor:
    """Scale each record so that its magnitudes add up to 1: what RadioML and RML22 call its energy."""
    return x / x.abs().sum(-1, keepdim=True)
