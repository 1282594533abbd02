"""Results as rows: one JSON object a line, appended as soon as it is known, aggregated only when a table is made."""

import json
import math
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from groundwave import __version__
from groundwave.errors import DataError
from groundwave.metrics import Interval, interval


def hardware() -> str:
    """Return processor, threads in use and accelerator, as results name them.

    Where a processor's flags are known it says, too, whether there is a matrix unit for bfloat16 (AMX): times depend
    on it, and processors of one name differ.
    """
    import torch

    from groundwave.train import processor_flags

    flags = processor_flags()
    unit = ", AMX" if "amx_bf16" in flags else ", no AMX" if flags else ""
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no accelerator"
    threads = torch.get_num_threads()
    return f"{processor()}{unit}, {threads} thread{'s' * (threads > 1)}, {device}"


def processor() -> str:
    """Return the processor's model name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def hash_config(config: Mapping[str, Any]) -> str:
    """Return 12 hex digits that change when any setting changes, whatever the order of the keys."""
    text = json.dumps(config, sort_keys=True, default=str)
    return blake2b(text.encode(), digest_size=6).hexdigest()


def today() -> str:
    """Return the date in UTC, as ISO 8601."""
    return datetime.now(UTC).date().isoformat()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured value and everything needed to know what it is a value of.

    Args:
        protocol: what was done; also the name of the file of rows.
        method: what was measured.
        data: name of the data.
        metric: name of the value, `accuracy` or the like; a share is between 0 and 1.
        value: the value; None for a failed cell, which then says why in `failed`.
        n: how many records the value was computed from.
        split: name of the split; `split_hash` proves which records it held.
        split_hash: what `groundwave.data.split.split_hash` returns.
        seed: of the method.
        episode: number of the few-shot episode.
        shots: labelled records per class.
        snr_db: where the value belongs to one signal-to-noise ratio.
        seconds: what the cell took.
        config: all settings; `config_hash` follows from it.
        config_hash: see `hash_config`.
        version: of Groundwave.
        hardware: see `hardware`.
        date: in UTC.
        failed: the reason why there is no value.
    """

    protocol: str
    method: str
    data: str
    metric: str
    value: float | None
    n: int
    split: str = ""
    split_hash: str = ""
    seed: int = 0
    episode: int | None = None
    shots: int | None = None
    snr_db: float | None = None
    seconds: float = 0.0
    config: Mapping[str, Any] = field(default_factory=dict)
    config_hash: str = ""
    version: str = __version__
    hardware: str = field(default_factory=hardware)
    date: str = field(default_factory=today)
    failed: str | None = None

    def __post_init__(self) -> None:
        if not self.config_hash:
            object.__setattr__(self, "config_hash", hash_config(self.config))
        if (self.value is None) == (self.failed is None):
            raise DataError(
                got=f"a row with value={self.value} and failed={self.failed!r}",
                expected="either a value or the reason why there is none",
                do="set one of the two",
            )
        if self.value is not None and not math.isfinite(self.value):
            raise DataError(f"a value of {self.value}", "a finite value", "record the cell as failed, with its reason")


_LISTENING: list[list[Row]] = []


def append(path: Path, row: Row) -> None:
    """Append one row: a single write that is on disk when this returns.

    A torn last line, which an interrupted write left, is cut off first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(asdict(row), allow_nan=False, default=str) + "\n"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = _end_of_lines(handle)
        os.ftruncate(handle, end)
        os.pwrite(handle, line.encode(), end)
        os.fsync(handle)
    finally:
        os.close(handle)
    for rows in _LISTENING:
        rows.append(row)


def _end_of_lines(handle: int, step: int = 1 << 16) -> int:
    """Return the offset behind the last newline."""
    stop = os.fstat(handle).st_size
    while stop:
        start = max(0, stop - step)
        newline = os.pread(handle, stop - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        stop = start
    return 0


def read(path: Path) -> list[Row]:
    """Return all rows of a file; no file means no rows, and a torn last line is left out.

    Raises:
        DataError: a whole line is not a row.
    """
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            rows.append(Row(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise DataError(
                got=f"{path}, line {number}, which is not a result ({error})",
                expected=f"a JSON object with {', '.join(f.name for f in fields(Row))}",
                do="remove that line or restore the file",
            ) from error
    return rows


def done(rows: Iterable[Row], key: Sequence[str] = ("method", "shots", "seed", "episode")) -> set[tuple[Any, ...]]:
    """Return the keys of the cells that have a value, so that a resumed run leaves them out."""
    return {tuple(getattr(row, name) for name in key) for row in rows if row.failed is None}


CELL = ("protocol", "method", "data", "metric", "snr_db", "shots", "seed", "episode")


def latest(rows: Iterable[Row]) -> list[Row]:
    """Return the last row of each cell: a rerun with other weights or settings, or after a failure, replaces it.

    What is held out, where the settings tell it, parts cells, too.
    """
    return list({(*(getattr(row, name) for name in CELL), row.config.get("held_out")): row for row in rows}.values())


def reasons(rows: Iterable[Row]) -> list[str | None]:
    """Return why each cell has no value, by its last row; None where it has one."""
    return [row.failed for row in latest(rows)]


@contextmanager
def appended() -> Iterator[list[Row]]:
    """Yield a list that takes in every row that is appended inside: what a command did, whatever a file held before."""
    rows: list[Row] = []
    _LISTENING.append(rows)
    try:
        yield rows
    finally:
        _LISTENING.pop()


class Cell(NamedTuple):
    """What a table shows at one place: the interval over `rows` rows, or why there is none."""

    interval: Interval | None
    rows: int
    failed: str | None = None


def aggregate(
    rows: Iterable[Row], by: Sequence[str] = ("method", "shots", "snr_db"), metric: str | None = None
) -> dict[tuple[Any, ...], Cell]:
    """Return a cell for each combination of the fields `by`, in the order in which they first appear.

    Rows of the same (seed, episode) are not independent, so they are averaged first; the interval is over those means.
    A combination whose rows all failed gives the reason of the last one.

    Args:
        rows: what to aggregate.
        by: names of fields.
        metric: which metric; by default the only one that the rows have.

    Raises:
        DataError: several metrics and none chosen.
    """
    rows = list(rows)
    metric = metric or only_metric(rows)
    values: dict[tuple[Any, ...], dict[tuple[Any, ...], list[float]]] = {}
    reasons: dict[tuple[Any, ...], str] = {}
    for row in rows:
        if row.metric != metric:
            continue
        key = tuple(getattr(row, name) for name in by)
        draws = values.setdefault(key, {})
        if row.value is None:
            reasons[key] = row.failed or ""
        else:
            draws.setdefault((row.seed, row.episode), []).append(row.value)
    return {key: _cell(draws, reasons.get(key)) for key, draws in values.items()}


def only_metric(rows: Sequence[Row]) -> str:
    """Return the metric of all rows (an empty name without rows); raises `DataError` when there are several."""
    metrics = sorted({row.metric for row in rows})
    if len(metrics) > 1:
        raise DataError(f"rows of {', '.join(metrics)}", "one metric", "choose one of them")
    return metrics[0] if metrics else ""


def _cell(draws: Mapping[tuple[Any, ...], list[float]], reason: str | None) -> Cell:
    if not draws:
        return Cell(None, 0, reason)
    means = [math.fsum(values) / len(values) for values in draws.values()]
    return Cell(interval(means), sum(map(len, draws.values())), None)


def versions() -> dict[str, str]:
    """Return the versions that stand behind a result."""
    from importlib.metadata import version

    packages = ("torch", "numpy", "scikit-learn", "lightning")
    return {"groundwave": __version__, "python": sys.version.split()[0], **{name: version(name) for name in packages}}
