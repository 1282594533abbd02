"""Sources that are not files: records held in memory, and a finite slice of an endless scene."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor

from groundwave.contracts import Record, Scene
from groundwave.data.columns import uneven


class Records:
    """A `Source` in memory: one batched record with its class and group names."""

    def __init__(self, record: Record, *, classes: Sequence[str] = (), group_names: Sequence[str] = ()) -> None:
        """Check that each entry of `record` has one row for each record; raises `DataError`."""
        num_records = len(next(iter(record.values())))
        for name, values in record.items():
            if values.shape[:1] != (num_records,):
                raise uneven(name, values.shape, num_records)
        self.classes, self.group_names = tuple(classes), tuple(group_names)
        self.labels = record.get("label", torch.full((num_records,), -1))
        self.groups = record.get("group", torch.full((num_records,), -1))
        unknown = torch.full((num_records,), torch.nan)
        defaults = {"label": self.labels, "group": self.groups, "snr_db": unknown, "sample_rate_hz": unknown.double()}
        self._record = {**defaults, **record}

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the records at `indices` (int64 `[B]`)."""
        return {**{name: values[indices] for name, values in self._record.items()}, "index": indices}


class SceneSource:
    """A `Source` of the `num_records` records of a scene that follow record `start`; nothing is stored.

    Record `i` is row `i % num_per_block` of the scene's block `i // num_per_block`, so that any reading order and any
    number of workers give the same records. Group codes are the scene's own.
    """

    num_chunks_per_window = 1  # records of a scene are independent: shuffling within a block is enough

    def __init__(self, scene: Scene, num_records: int, *, start: int = 0, num_cached: int = 4) -> None:
        self.classes: Sequence[str] = tuple(scene.classes)
        self.num_per_chunk = scene.num_per_block
        self.scene = scene
        self._num_records, self._start, self._num_cached = num_records, start, num_cached
        self._cache: OrderedDict[int, Record] = OrderedDict()

    def __len__(self) -> int:
        return self._num_records

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the records at `indices` (int64 `[B]`); `index` is their position here, from 0."""
        rows = indices.reshape(-1) + self._start
        if len(rows) and not (self._start <= int(rows.min()) and int(rows.max()) < self._start + self._num_records):
            raise IndexError(f"record {int(indices.min())}..{int(indices.max())} of {self._num_records}")
        if _in_a_row(rows):
            return {**self._run(int(rows[0]), int(rows[-1]) + 1), "index": indices.reshape(-1)}
        number, inverse = torch.unique(rows // self.num_per_chunk, return_inverse=True)
        pieces, places = [], []
        for position, b in enumerate(number.tolist()):
            where = (inverse == position).nonzero().squeeze(1)
            block = self._block(b)
            pieces.append({name: values[rows[where] % self.num_per_chunk] for name, values in block.items()})
            places.append(where)
        if not pieces:
            return {name: values[:0] for name, values in self._block(self._start // self.num_per_chunk).items()}
        order = torch.cat(places).argsort()
        record = {name: torch.cat([piece[name] for piece in pieces])[order] for name in pieces[0]}
        return {**record, "index": indices.reshape(-1)}

    def _run(self, start: int, stop: int) -> Record:
        """Return records `start:stop` of the scene as it gives them: whole blocks need no sorting and no copy."""
        size = self.num_per_chunk
        pieces = []
        for b in range(start // size, -(-stop // size)):
            rows = slice(max(0, start - b * size), stop - b * size)
            pieces.append({name: values[rows] for name, values in self._block(b).items()})
        if len(pieces) == 1:
            return pieces[0]
        return {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}

    def _block(self, b: int) -> Record:
        if b not in self._cache:
            self._cache[b] = self.scene.block(b)
            while len(self._cache) > self._num_cached:
                self._cache.popitem(last=False)
        self._cache.move_to_end(b)
        return self._cache[b]


def _in_a_row(rows: Tensor) -> bool:
    return len(rows) > 0 and bool((rows.diff() == 1).all())
