"""Appending to a store: batches are gathered into large parts, written beside, and committed by one rename.

A part is written by a thread while the next one is gathered; there is never more than one on its way.
"""

import secrets
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import torch

from groundwave.atomic import exclusive, full_disk_told, sync
from groundwave.contracts import Record
from groundwave.data import part as parts
from groundwave.data.columns import uneven
from groundwave.data.encode import Columns, encoded
from groundwave.data.manifest import Manifest, Part, describe_files
from groundwave.errors import BusyError, DataError

if TYPE_CHECKING:
    from groundwave.data.store import Store

PART_BYTES = 64 << 20  # gathered in memory before they are written


class Appender:
    """Gathers batches and commits them on leaving the `with` block; an error or Ctrl-C inside it commits nothing.

    With `commit_each_part`, whole parts are committed as they come and stay, whatever happens then.
    """

    def __init__(self, store: "Store", *, sources: Sequence[Mapping[str, Any]], commit_each_part: bool) -> None:
        self._store, self._sources, self._commit_each_part = store, sources, commit_each_part
        self._lock = exclusive(store.path)

    def __enter__(self) -> Self:
        self._lock.__enter__()
        try:
            self._manifest = Manifest.load(self._store.path)  # another process may have appended since
            _sweep(self._store.path, self._manifest)
        except BaseException as error:
            self._lock.__exit__(type(error), error, error.__traceback__)
            raise
        self._codes = {name: code for code, name in enumerate(self._manifest.group_names or ())}
        self._gathered: Columns = {}  # room for a part, and for the one before, which may be on its way
        self._spare: Columns = {}
        self._num_rows = 0
        self._num_read = int(self._manifest.notes.get("num_read", 0))
        self._parts: list[Part] = []
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[Part] | None = None
        self._num_per_part = parts.num_per_part(self._manifest, PART_BYTES)
        return self

    def add(self, record: Record, *, groups: Sequence[str | None] | None = None) -> None:
        """Take one batched record (see `Store.append`); raises `DataError` when it does not fit the store."""
        columns = encoded(record, self._manifest)
        num_records = len(columns["label"])
        columns["group"] = self._group_codes(record, groups, num_records)
        if self._commit_each_part:
            columns["index"] = record["index"].cpu().numpy()
            if (columns["index"] < self._num_read).any():  # since the caller looked where to go on from
                raise BusyError(self._store.path)
        start = 0
        while start < num_records:
            start += self._gather({name: values[start:] for name, values in columns.items()})
            if self._num_rows == self._num_per_part:
                self._write()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._write()
            if kind is None or self._commit_each_part:
                self._settle()
            if kind is None:
                self._commit()
        finally:
            self._thread.shutdown()
            _sweep(self._store.path, self._manifest)
            self._lock.__exit__(None, None, None)

    def _group_codes(self, record: Record, groups: Sequence[str | None] | None, count: int) -> npt.NDArray[np.int64]:
        given = record.get("group", torch.full((count,), -1)).cpu().to(torch.int64)
        if given.shape != (count,):
            raise uneven("group", given.shape, count)
        if self._manifest.group_names is None:
            if groups is not None:
                raise DataError(f"names of groups for {self._store.path}", "numbers", "leave the names out")
            return given.numpy()
        names = [None if code < 0 else str(code) for code in given.tolist()] if groups is None else list(groups)
        if len(names) != count:
            raise uneven("group", [len(names)], count)
        codes = [-1 if name is None else self._codes.setdefault(name, len(self._codes)) for name in names]
        return np.asarray(codes, dtype=np.int64)

    def _gather(self, columns: Columns) -> int:
        """Copy as many rows as the part has room for, and return their number."""
        if not self._gathered:
            room = self._num_per_part
            self._gathered = {name: np.empty((room, *v.shape[1:]), v.dtype) for name, v in columns.items()}
        count = min(len(columns["label"]), self._num_per_part - self._num_rows)
        for name, values in columns.items():
            self._gathered[name][self._num_rows : self._num_rows + count] = values[:count]
        self._num_rows += count
        return count

    def _write(self) -> None:
        """Hand the rows to the thread, as soon as it has written the part before."""
        if not self._num_rows:
            return
        self._settle()
        columns = {name: values[: self._num_rows] for name, values in self._gathered.items()}
        self._gathered, self._spare, self._num_rows = self._spare, self._gathered, 0
        if self._commit_each_part:
            self._num_read = int(columns.pop("index")[-1]) + 1
        number = len(self._manifest.parts) + len(self._parts)
        self._writing = self._thread.submit(_write_part, self._store.path, number, self._manifest, columns)

    def _settle(self) -> None:
        """Wait for the part on its way; raises what went wrong with it."""
        if self._writing is None:
            return
        writing, self._writing = self._writing, None
        self._parts.append(writing.result())
        if self._commit_each_part:
            self._commit()

    def _commit(self) -> None:
        if not self._parts:
            return
        names = None if self._manifest.group_names is None else tuple(self._codes)
        manifest = self._manifest.with_parts(self._parts, names, self._sources)
        if self._commit_each_part:
            manifest = replace(manifest, notes={**manifest.notes, "num_read": self._num_read})
        with full_disk_told(self._store.path):
            manifest.save(self._store.path)
        self._manifest, self._parts = manifest, []
        self._store.committed(manifest)


def _write_part(folder: Path, number: int, manifest: Manifest, columns: Columns) -> Part:
    """Write a part under another name, sync it and rename it."""
    name = f"part-{number:05d}.zarr"
    final, temporary = folder / name, folder / f".{name}.{secrets.token_hex(4)}"
    with full_disk_told(folder):
        parts.write(temporary, manifest, columns)
        for path in [*temporary.rglob("*"), temporary]:
            sync(path)
        temporary.rename(final)
        sync(folder)
    return Part(name, len(columns["label"]), describe_files(folder, name))


def _sweep(folder: Path, manifest: Manifest) -> None:
    """Remove parts that the manifest does not list: what an interrupted append left."""
    listed = {part.name for part in manifest.parts}
    for path in [*folder.glob("part-*.zarr"), *folder.glob(".part-*"), *folder.glob(".manifest.json.*")]:
        if path.name not in listed:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
