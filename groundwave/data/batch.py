"""The loader: batches whose content and order depend on (seed, epoch, step) and on nothing else."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from groundwave.contracts import Record, Source
from groundwave.rng import generator

WINDOW = 16384  # records shuffled together; a full permutation of a large store would read a chunk for each record

Transform = Callable[[Record, Generator], Record]


class Address(NamedTuple):
    """Where a batch stands in training, and the records that it holds."""

    epoch: int
    step: int
    indices: Tensor


class Batches(Sampler[Address]):
    """Yields the addresses of an epoch's batches; Lightning calls `set_epoch` before each epoch."""

    def __init__(
        self,
        indices: Tensor,
        *,
        batch_size: int,
        seed: int,
        shuffle: bool,
        drop_last: bool,
        num_per_chunk: int | None,
        num_chunks_per_window: int | None,
    ) -> None:
        self._indices, self._batch_size, self._seed = indices, batch_size, seed
        self._shuffle, self._drop_last = shuffle, drop_last
        self._num_per_chunk, self._num_chunks = num_per_chunk, num_chunks_per_window
        self._epoch = self._step = 0

    def set_epoch(self, epoch: int, step: int = 0) -> None:
        """Go to an epoch, at its beginning or (to resume) at a later step."""
        if (epoch, 0) != (self._epoch, step):  # a resumed step outlives Lightning's announcement of the same epoch
            self._epoch, self._step = epoch, step

    def __len__(self) -> int:
        whole, rest = divmod(len(self._indices), self._batch_size)
        return whole + (rest > 0 and not self._drop_last) - self._step

    def __iter__(self) -> Iterator[Address]:
        order = self._order()
        first, last = self._step, self._step + len(self)
        for step in range(first, last):
            rows = order[step * self._batch_size : (step + 1) * self._batch_size]
            yield Address(self._epoch, step, rows)
        self._step = 0

    def _order(self) -> Tensor:
        if not self._shuffle:
            return self._indices
        stream = generator(self._seed, "order", self._epoch)
        small = self._num_chunks is None and len(self._indices) <= WINDOW
        if self._num_per_chunk is None or small:
            return self._indices[torch.randperm(len(self._indices), generator=stream)]
        window = WINDOW if self._num_chunks is None else self._num_chunks * self._num_per_chunk
        return shuffle_by_chunk(self._indices, self._num_per_chunk, window, generator=stream)


def shuffle_by_chunk(indices: Tensor, num_per_chunk: int, window: int, *, generator: Generator) -> Tensor:
    """Shuffle chunks of neighbouring records, then records within windows of the result: few chunks stay in use.

    Args:
        indices: Record indices, int64 `[N]`.
        num_per_chunk: Records that are read together; record `i` is in chunk `i // num_per_chunk`.
        window: Records that are shuffled together.
        generator: Where the randomness comes from.
    """
    chunk = indices // num_per_chunk
    rank = torch.randperm(int(chunk.max()) + 1 if len(chunk) else 0, generator=generator)
    by_chunk = indices[rank[chunk].argsort(stable=True)]
    pieces = [piece[torch.randperm(len(piece), generator=generator)] for piece in torch.split(by_chunk, window)]
    return torch.cat(pieces)


class _Fetch(Dataset[Record]):
    """Turns an address into a batched record, in whichever worker it is asked."""

    def __init__(self, source: Source, transform: Transform | None, seed: int) -> None:
        self._source, self._transform, self._seed = source, transform, seed

    def __getitem__(self, address: Address) -> Record:
        record = self._source[address.indices]
        if self._transform is None:
            return record
        return self._transform(record, generator(self._seed, "transform", address.epoch, address.step))


def loader(
    source: Source,
    indices: Tensor | None = None,
    *,
    batch_size: int,
    seed: int,
    shuffle: bool = True,
    drop_last: bool = False,
    num_workers: int = 0,
    transform: Transform | None = None,
    epoch: int = 0,
    step: int = 0,
) -> DataLoader[Record]:
    """Return a loader of batched records, the same for any number of workers and from any resume point.

    The order is a function of (seed, epoch): call `loader.sampler.set_epoch(epoch)` before each epoch (Lightning does).

    Args:
        source: Where records come from. One with `num_per_chunk` is shuffled by chunks and within windows of them.
        indices: The records to use, int64 `[M]`; all by default.
        batch_size: Records per batch; the last one may be smaller.
        seed: Addresses the order and the transform's generators.
        shuffle: Another order each epoch; otherwise the order of `indices`.
        drop_last: Leave out a smaller last batch.
        num_workers: Processes that read ahead; 0 reads in this one.
        transform: `transform(record, generator) -> record` (a view), with a generator at (seed, epoch, step).
        epoch: Epoch to begin with.
        step: Batch of that epoch to begin with.
    """
    batches = Batches(
        torch.arange(len(source)) if indices is None else indices,
        batch_size=batch_size,
        seed=seed,
        shuffle=shuffle,
        drop_last=drop_last,
        num_per_chunk=getattr(source, "num_per_chunk", None),
        num_chunks_per_window=getattr(source, "num_chunks_per_window", None),
    )
    batches.set_epoch(epoch, step)
    return DataLoader(
        _Fetch(source, transform, seed),
        sampler=batches,
        batch_size=None,  # an address is a whole batch: a source reads it at once
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
    )
