"""The training store: labelled IQ records in a folder of immutable, sharded zarr parts behind one manifest.

A part is written under a temporary name, synced and renamed; then the manifest is replaced. Whatever interrupts this
leaves the store as it was, and parts that no manifest lists are swept away by the next append.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from groundwave import __version__
from groundwave.contracts import Record
from groundwave.data import part as parts
from groundwave.data.columns import Numerals
from groundwave.data.manifest import DTYPES, REMEDY, Array, Manifest, check_files
from groundwave.data.writer import Appender
from groundwave.errors import DataError, OutputExistsError

CACHE_BYTES = 96 << 20  # decoded chunks kept by one process: more than a loader's shuffling window needs


class Store:
    """A `Source` on disk. Reading is by chunks with a small cache; columns other than IQ are held in memory."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path, self.manifest = path, manifest
        self._starts = [0, *accumulate(part.num_records for part in manifest.parts)]
        self._cache: OrderedDict[tuple[str, int, int], npt.NDArray[Any]] = OrderedDict()
        self._arrays: dict[tuple[str, int], parts.PartArray] = {}

    @classmethod
    def create(
        cls,
        path: str | PathLike[str],
        *,
        classes: Sequence[str],
        num_samples: int | None,
        num_antennas: int | None = None,
        dtype: str = "int16",
        sample_rate_hz: float | None = None,
        extra: Sequence[str] = (),
        arrays: Mapping[str, Array] | None = None,
        numbered_groups: bool = False,
        notes: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make an empty store.

        Args:
            path: A folder that does not exist yet.
            classes: Class names; labels index them. Empty for unlabelled data.
            num_samples: Complex samples per record; None for records without IQ.
            num_antennas: Antennas per record, or None when records have no antenna axis.
            dtype: `int16` (with one scale per record, relative error below 2e-5 of its peak) or `float32` (exact).
            sample_rate_hz: Rate of records that do not carry `sample_rate_hz` themselves.
            extra: Names of further columns `[B]` to keep: `room`, `user`, `access_point` as int64, others as float32.
            arrays: Further arrays of each record (`spec`, `mask`, ...), kept exactly.
            numbered_groups: Keep `group` as it comes, without a list of names (a scene has a group for each record).
            notes: Anything worth keeping that JSON can hold.
        """
        folder = Path(path)
        if folder.exists():
            raise OutputExistsError(folder)
        if dtype not in DTYPES:
            raise DataError(f"store dtype {dtype!r}", f"one of {', '.join(DTYPES)}", "choose one of those")
        if num_samples is None and not arrays:
            raise DataError("a store of nothing", "IQ, or other arrays", "name what records hold")
        folder.mkdir(parents=True)
        manifest = Manifest(
            classes=tuple(classes),
            num_samples=num_samples,
            num_antennas=num_antennas,
            dtype=dtype,
            sample_rate_hz=sample_rate_hz,
            extra=tuple(extra),
            groundwave=__version__,
            group_names=None if numbered_groups else (),
            notes=dict(notes or {}),
            arrays=dict(arrays or {}),
        )
        manifest.save(folder)
        return cls(folder, manifest)

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Self:
        """Open a store; raises `DataError` unless every file it lists has its size and fits what the manifest says."""
        folder = Path(path)
        manifest = Manifest.load(folder)
        check_files(folder, manifest, hashes=False)
        parts.check_shapes(folder, manifest)
        store = cls(folder, manifest)
        for column, names in (("label", store.classes), ("group", store.group_names)):
            codes = store.columns[column]
            if len(codes) and int(codes.max()) >= len(names):
                raise DataError(
                    got=f"{folder} with {column} {int(codes.max())}, and {len(names)} names in its manifest",
                    expected="a name for each",
                    do=REMEDY,
                )
        return store

    def verify(self) -> None:
        """Read every file and compare its SHA-256 with the manifest; raises `DataError` naming what differs."""
        check_files(self.path, self.manifest, hashes=True)

    def appender(self, *, sources: Sequence[Mapping[str, Any]] = (), commit_each_part: bool = False) -> Appender:
        """Return a context manager that gathers batches into large parts and commits them when it ends well.

        Args:
            sources: Provenance (`path`, `sha256`, `size`, ...) to list in the manifest.
            commit_each_part: Commit whenever a part is full, so that an interrupted long job can go on from there:
                `notes["num_read"]` is one more than the `index` of the last record committed.
        """
        return Appender(self, sources=sources, commit_each_part=commit_each_part)

    def append(
        self, record: Record, *, groups: Sequence[str | None] | None = None, source: Mapping[str, Any] | None = None
    ) -> None:
        """Append one batched record and commit; for many small batches use `appender`.

        Args:
            record: `iq` complex `[B, (antenna,) time]`; optional `label`, `snr_db`, `group`, `sample_rate_hz` `[B]`.
            groups: A group name for each row, None where unknown; without them the codes in `group` become names.
            source: Provenance to list in the manifest.
        """
        with self.appender(sources=[source] if source else []) as appender:
            appender.add(record, groups=groups)

    def committed(self, manifest: Manifest) -> None:
        """Take over a manifest that has just been saved: the store's length grows, rows already there stay."""
        self.manifest = manifest
        self._starts = [0, *accumulate(part.num_records for part in manifest.parts)]
        self.__dict__.pop("columns", None)

    @property
    def classes(self) -> Sequence[str]:
        """Class names; `label` indexes them."""
        return self.manifest.classes

    @property
    def group_names(self) -> Sequence[str]:
        """Group names; `group` indexes them."""
        if self.manifest.group_names is None:
            return Numerals(int(self.groups.max()) + 1 if len(self) else 0)
        return self.manifest.group_names

    @property
    def num_per_chunk(self) -> int:
        """Records that are read together: what a loader should shuffle as one."""
        return parts.num_per_chunk(self.manifest)

    @cached_property
    def columns(self) -> Mapping[str, Tensor]:
        """Every column but IQ, for all records: `label`, `group` int64, `snr_db` float32, `sample_rate_hz` float64."""
        pieces = [parts.read_columns(self.path / part.name, self.manifest) for part in self.manifest.parts]
        empty = parts.no_columns(self.manifest)
        return {name: torch.cat([empty[name], *(piece[name] for piece in pieces)]) for name in empty}

    @property
    def labels(self) -> Tensor:
        """Labels of all records, int64 `[N]`; -1 means unlabelled."""
        return self.columns["label"]

    @property
    def groups(self) -> Tensor:
        """Groups of all records, int64 `[N]`; -1 means unknown."""
        return self.columns["group"]

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the records at `indices` (int64 `[B]`) with `iq` complex64, in the order asked for."""
        rows = np.asarray(indices, dtype=np.int64).reshape(-1)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
            raise IndexError(f"record {rows.min()}..{rows.max()} of a store of {len(self)}")
        kept = torch.from_numpy(rows.copy())
        record = {name: column[kept] for name, column in self.columns.items()}
        scale = record.pop("scale", None)
        arrays = {name: self._rows(name, array, rows) for name, array in parts.arrays(self.manifest).items()}
        if scale is not None:
            iq = arrays["iq"]
            arrays["iq"] = torch.view_as_complex(iq * scale.reshape(-1, *[1] * (iq.ndim - 1)))
        return {**arrays, "index": kept, **record}

    def _rows(self, name: str, array: Array, rows: npt.NDArray[np.int64]) -> Tensor:
        """Return rows of an array as stored, each chunk read once."""
        out = np.empty((rows.size, *array.shape), dtype=array.dtype)
        number = np.searchsorted(self._starts, rows, side="right") - 1
        for part in np.unique(number).tolist():
            among = np.flatnonzero(number == part)
            opened = self._opened(name, part)
            chunk, offset = np.divmod(rows[among] - self._starts[part], opened.num_per_chunk)
            order = np.argsort(chunk, kind="stable")
            keys, firsts = np.unique(chunk[order], return_index=True)
            for key, some in zip(keys.tolist(), np.split(order, firsts[1:]), strict=True):
                out[among[some]] = self._chunk(name, part, key)[offset[some]]
        return torch.from_numpy(out)

    def _opened(self, name: str, part: int) -> parts.PartArray:
        if (name, part) not in self._arrays:
            self._arrays[name, part] = parts.PartArray(self.path / self.manifest.parts[part].name, name)
        return self._arrays[name, part]

    def _chunk(self, name: str, part: int, chunk: int) -> npt.NDArray[Any]:
        key = (name, part, chunk)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        block = self._opened(name, part).read(chunk)
        self._cache[key] = block
        while len(self._cache) > max(1, CACHE_BYTES // max(1, block.nbytes)):
            self._cache.popitem(last=False)
        return block

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "manifest": self.manifest}  # the cache is not sent to a loader's worker

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def open_iq(path: str | PathLike[str]) -> Store:
    """Open a store as a source of IQ; raises `DataError` as `Store.open` does, and when its records have none."""
    store = Store.open(path)
    if store.manifest.num_samples is None:
        held = ", ".join(store.manifest.arrays)
        raise DataError(f"{path}, a store of {held}", "a store of IQ", "generate the scene again with --scene.with-iq")
    return store
