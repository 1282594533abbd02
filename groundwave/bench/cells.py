"""The places of a table before they have a value: which of them are missing, and rows for them as they are known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from groundwave.bench.rows import Row, append, done, hash_config, read

KEY = ("method", "data", "metric", "seed", "shots", "snr_db", "config_hash")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One place of a table: everything that is settled before the value is known.

    Args:
        method: what is measured.
        data: name of the data.
        seed: of split, weights and draws.
        shots: labelled records per class; None for all.
        snr_db: the SNR; None for all together.
        metric: name of the value.
        config: all settings.
    """

    method: str
    data: str
    seed: int
    shots: int | None = None
    snr_db: float | None = None
    metric: str = "macro recall"
    config: Mapping[str, Any] = field(default_factory=dict)

    def key(self) -> tuple[Any, ...]:
        """Return what tells this cell from all others of its file."""
        return tuple(hash_config(self.config) if k == "config_hash" else getattr(self, k) for k in KEY)


class Sheet:
    """The rows of a protocol: knows which cells have a value, and appends a row as soon as a cell gets one.

    Args:
        path: file of rows.
        protocol: its name.
    """

    def __init__(self, path: Path, protocol: str) -> None:
        self.path, self.protocol = path, protocol
        self._done = done(read(path), KEY)

    def missing(self, cells: Iterable[Cell]) -> list[Cell]:
        """Return the cells without a value, those that failed among them."""
        return [cell for cell in cells if cell.key() not in self._done]

    def fill(self, cell: Cell, value: float, *, n: int, split: str, split_hash: str, seconds: float) -> None:
        """Append the row of a cell whose value is known."""
        told = {"n": n, "split": split, "split_hash": split_hash, "seconds": round(seconds, 4)}
        append(self.path, self._row(cell, value=value, **told))
        self._done.add(cell.key())

    def fail(self, cells: Iterable[Cell], reason: str) -> None:
        """Append rows that say why cells have no value; they stay missing."""
        for cell in cells:
            append(self.path, self._row(cell, value=None, n=0, failed=reason))

    def _row(self, cell: Cell, **told: Any) -> Row:
        known = {k: getattr(cell, k) for k in ("method", "data", "metric", "seed", "shots", "snr_db", "config")}
        return Row(protocol=self.protocol, **known, **told)
