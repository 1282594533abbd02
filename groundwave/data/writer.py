"""Appending to a store: batches are gathered into large parts, written beside, and committed by one rename."""

import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from groundwave.contracts import Record
from groundwave.data import part as parts
from groundwave.data.atomic import exclusive, full_disk_told, sync
from groundwave.data.columns import uneven
from groundwave.data.manifest import Manifest, Part, describe_files
from groundwave.errors import DataError

if TYPE_CHECKING:
    from groundwave.data.store import Store

PART_BYTES = 64 << 20  # gathered in memory before they are written


class Appender:
    """Gathers batches and commits them on leaving the `with` block; an error or Ctrl-C inside it commits nothing."""

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
        self._codes = {name: code for code, name in enumerate(self._manifest.group_names)}
        self._rows: list[dict[str, npt.NDArray[Any]]] = []
        self._num_rows = self._num_read = 0
        self._parts: list[Part] = []
        size = int(np.prod(parts.record_shape(self._manifest))) * np.dtype(self._manifest.dtype).itemsize
        chunk = parts.num_per_chunk(self._manifest)
        self._num_per_part = max(1, PART_BYTES // (size * chunk)) * chunk
        return self

    def add(self, record: Record, *, groups: Sequence[str | None] | None = None) -> None:
        """Take one batched record (see `Store.append`); raises `DataError` when it does not fit the store."""
        columns = _checked(record, self._manifest)
        columns["group"] = self._group_codes(record, groups, len(columns["iq"]))
        if self._commit_each_part:
            columns["index"] = record["index"].cpu().numpy()
        self._rows.append(columns)
        self._num_rows += len(columns["iq"])
        while self._num_rows >= self._num_per_part:
            self._write(self._num_per_part)
            if self._commit_each_part:
                self._commit()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._write(self._num_rows)
                self._commit()
        finally:
            _sweep(self._store.path, self._manifest)
            self._lock.__exit__(None, None, None)

    def _group_codes(self, record: Record, groups: Sequence[str | None] | None, count: int) -> npt.NDArray[np.int32]:
        if groups is None:
            given = record.get("group", torch.full((count,), -1)).tolist()
            names: list[str | None] = [None if code < 0 else str(code) for code in given]
        else:
            names = list(groups)
        if len(names) != count:
            raise uneven("group", [len(names)], count)
        codes = [-1 if name is None else self._codes.setdefault(name, len(self._codes)) for name in names]
        return np.asarray(codes, dtype=np.int32)

    def _write(self, count: int) -> None:
        if not count:
            return
        gathered = {name: np.concatenate([row[name] for row in self._rows]) for name in self._rows[0]}
        self._rows = [{name: values[count:] for name, values in gathered.items()}] if self._num_rows > count else []
        self._num_rows -= count
        iq = gathered.pop("iq")[:count]
        if self._commit_each_part:
            self._num_read = int(gathered.pop("index")[count - 1]) + 1
        name = f"part-{len(self._manifest.parts) + len(self._parts):05d}.zarr"
        final, temporary = self._store.path / name, self._store.path / f".{name}.{secrets.token_hex(4)}"
        with full_disk_told(self._store.path):
            parts.write(temporary, self._manifest, iq, {key: values[:count] for key, values in gathered.items()})
            for path in [*temporary.rglob("*"), temporary]:
                sync(path)
            temporary.rename(final)
            sync(self._store.path)
        self._parts.append(Part(name, count, describe_files(self._store.path, name)))

    def _commit(self) -> None:
        if not self._parts:
            return
        manifest = self._manifest.with_parts(self._parts, list(self._codes), self._sources)
        if self._commit_each_part:
            manifest = replace(manifest, notes={**manifest.notes, "num_read": self._num_read})
        with full_disk_told(self._store.path):
            manifest.save(self._store.path)
        self._manifest, self._parts = manifest, []
        self._store.committed(manifest)


def _sweep(folder: Path, manifest: Manifest) -> None:
    """Remove parts that the manifest does not list: what an interrupted append left."""
    listed = {part.name for part in manifest.parts}
    for path in [*folder.glob("part-*.zarr"), *folder.glob(".part-*"), *folder.glob(".manifest.json.*")]:
        if path.name not in listed:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _checked(record: Record, manifest: Manifest) -> dict[str, npt.NDArray[Any]]:
    """Return what a part stores of a record, after checking that it fits."""
    iq = record.get("iq", torch.empty(0))
    shape = parts.record_shape(manifest)[:-1]
    if tuple(iq.shape[1:]) != shape or not iq.is_complex():
        raise DataError(
            got=f"iq {iq.dtype} of shape {list(iq.shape)}",
            expected=f"complex [B, {', '.join(map(str, shape))}]",
            do="cut the records to the store's length, or create a store for this one",
        )
    bad = ~torch.isfinite(torch.view_as_real(iq)).flatten(1).all(1)
    if bad.any():
        raise DataError(
            got=f"a NaN or infinite sample in record {int(bad.nonzero()[0])} of the batch",
            expected="finite IQ",
            do="repair or leave out that record",
        )
    stored, scale = _quantized(torch.view_as_real(iq.detach().cpu().to(torch.complex64)), manifest.dtype)
    columns = {"iq": stored.numpy(), "scale": scale.numpy()}
    defaults = {"label": -1, "snr_db": float("nan"), "sample_rate_hz": manifest.sample_rate_hz or float("nan")}
    for name, dtype in parts.column_types(manifest).items():
        if name not in ("group", "scale"):
            values = record.get(name)
            if values is None:
                values = torch.full((len(iq),), defaults.get(name, float("nan")))
            if values.shape != (len(iq),):
                raise uneven(name, values.shape, len(iq))
            columns[name] = values.detach().cpu().to(dtype).numpy()
    _check_labels(columns["label"], manifest)
    return columns


def _quantized(iq: Tensor, dtype: str) -> tuple[Tensor, Tensor]:
    """Return IQ as stored and one scale per record: int16 uses the record's peak as full scale."""
    if dtype == "float32":
        return iq, torch.ones(len(iq))
    scale = iq.abs().flatten(1).amax(1) / 32767 if len(iq) else torch.ones(0)
    scale = torch.where(scale > 0, scale, 1.0)
    return (iq / scale.reshape(-1, *[1] * (iq.ndim - 1))).round().to(torch.int16), scale


def _check_labels(labels: npt.NDArray[Any], manifest: Manifest) -> None:
    known = len(manifest.classes)
    if labels.size and (labels.min() < -1 or labels.max() >= known):
        raise DataError(
            got=f"labels from {labels.min()} to {labels.max()}",
            expected=f"-1 (unlabelled) to {known - 1}, for the store's {known} classes",
            do="create the store with all class names, or correct the labels",
        )
