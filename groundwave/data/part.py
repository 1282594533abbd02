"""One part of a store on disk: a zarr 3 group with `iq`, further arrays, and one array for each column."""

import json
import math
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from groundwave.data.manifest import REMEDY, Array, Manifest
from groundwave.errors import DataError

CHUNK_BYTES = 1 << 20  # read as one: large enough to hide zarr's cost per call, small enough to shuffle by
SHARD_BYTES = 16 << 20  # allocations of 32 MB and more are mapped anew each time, which takes longer than the writing
COLUMNS = {"label": torch.int64, "group": torch.int64, "snr_db": torch.float32, "sample_rate_hz": torch.float64}
# Further columns that are int64; all others are float32.
WHOLE_NUMBERS = ("room", "user", "access_point", "front_end", "rx_beam", "place", "scenario")


def arrays(manifest: Manifest) -> dict[str, Array]:
    """Return what is stored of each record besides columns; `iq` as `[(antenna,) time, 2]`."""
    if manifest.num_samples is None:
        return dict(manifest.arrays)
    antennas = () if manifest.num_antennas is None else (manifest.num_antennas,)
    return {"iq": Array(manifest.dtype, (*antennas, manifest.num_samples, 2)), **manifest.arrays}


def record_bytes(array: Array) -> int:
    """Return the bytes that a record has in an array."""
    return math.prod(array.shape) * np.dtype(array.dtype).itemsize


def num_per_chunk(manifest: Manifest) -> int:
    """Return how many records are read together: those in a chunk of about `CHUNK_BYTES` of the largest array."""
    return min(map(_num_per_chunk, arrays(manifest).values()))


def _num_per_chunk(array: Array) -> int:
    return max(1, min(4096, CHUNK_BYTES // record_bytes(array)))


def num_per_part(manifest: Manifest, part_bytes: int) -> int:
    """Return how many records make a part of about `part_bytes`, in whole chunks."""
    chunk = num_per_chunk(manifest)
    return max(1, part_bytes // (chunk * sum(map(record_bytes, arrays(manifest).values())))) * chunk


def column_types(manifest: Manifest) -> dict[str, torch.dtype]:
    """Return the type of each stored column; `scale` multiplies the stored IQ."""
    scale = {} if manifest.num_samples is None else {"scale": torch.float32}
    extra = {name: torch.int64 if name in WHOLE_NUMBERS else torch.float32 for name in manifest.extra}
    return {**COLUMNS, **extra, **scale}


def no_columns(manifest: Manifest) -> dict[str, Tensor]:
    """Return the columns of no record."""
    return {name: torch.empty(0, dtype=dtype) for name, dtype in column_types(manifest).items()}


def write(folder: Path, manifest: Manifest, stored: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write the arrays `[N, ...]` and the columns `[N]` as a new zarr group."""
    import zarr
    from zarr.codecs import Crc32cCodec

    group = zarr.create_group(folder, zarr_format=3)
    # A chunk of zeros must be written too: a file that may be absent could not be told from a lost one. The checksum
    # of each chunk makes a damaged one fail when it is read, not only in `verify`.
    options = {"compressors": (Crc32cCodec(),), "config": {"write_empty_chunks": True}}
    sizes = {name: _num_per_chunk(array) for name, array in arrays(manifest).items()}
    for name, values in stored.items():
        layout = {"shape": values.shape, "dtype": values.dtype}
        if name not in sizes:
            group.create_array(name, **layout, chunks=values.shape, **options)[:] = values
            continue
        per_shard, shape = sizes[name] * max(1, SHARD_BYTES // CHUNK_BYTES), values.shape[1:]
        chunks = {"chunks": (sizes[name], *shape), "shards": (per_shard, *shape)}
        array = group.create_array(name, **layout, **chunks, **options)
        for start in range(0, len(values), per_shard):
            array[start : start + per_shard] = values[start : start + per_shard]


def check_shapes(folder: Path, manifest: Manifest) -> None:
    """Raise `DataError` for the first array of a store's parts that is not of the manifest's shape and type."""
    for part, (name, array) in product(manifest.parts, arrays(manifest).items()):
        path = folder / part.name / name / "zarr.json"
        try:
            described = json.loads(path.read_text())
            found = (list(described["shape"]), described["data_type"])
        except (ValueError, OSError, KeyError, TypeError) as error:
            raise _damaged(path.parent, error) from error
        wanted = ([part.num_records, *array.shape], array.dtype)
        if found != wanted:
            raise DataError(
                got=f"{path.parent} of {found[1]} and shape {found[0]}",
                expected=f"{wanted[1]} and shape {wanted[0]}, as the manifest says",
                do=REMEDY,
            )


class PartArray:
    """One array of a part, opened once and read by chunks."""

    def __init__(self, folder: Path, name: str) -> None:
        """Open it; raises `DataError` when damaged."""
        import zarr

        self._path = folder / name
        try:
            self._array = zarr.open_array(self._path, mode="r")
        except (ValueError, OSError, KeyError) as error:
            raise _damaged(self._path, error) from error

    @property
    def num_per_chunk(self) -> int:
        """Records that are read together."""
        return int(self._array.chunks[0])

    def read(self, chunk: int) -> npt.NDArray[Any]:
        """Return the stored rows of a chunk, `[B, ...]`; raises `DataError` when damaged."""
        start = chunk * self.num_per_chunk
        per_shard, stop = self._array.shards[0], min(start + self.num_per_chunk, self._array.shape[0])
        try:
            for shard in range(start // per_shard, -(-stop // per_shard)):
                # zarr reads a shard that is not there as zeros
                (self._path / "c" / "/".join([str(shard), *["0"] * (self._array.ndim - 1)])).stat()
            return np.asarray(self._array[start:stop])
        except (ValueError, OSError, KeyError) as error:
            raise _damaged(self._path, error) from error


def read_columns(folder: Path, manifest: Manifest) -> dict[str, Tensor]:
    """Return a part's columns as tensors `[N]`; raises `DataError` when damaged."""
    import zarr

    columns = {}
    for name, dtype in column_types(manifest).items():
        try:
            columns[name] = torch.from_numpy(np.asarray(zarr.open_array(folder / name, mode="r")[:])).to(dtype)
        except (ValueError, OSError, KeyError) as error:
            raise _damaged(folder / name, error) from error
    return columns


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        got=f"a damaged shard in {path} ({error})",
        expected="the bytes that were written",
        do=REMEDY,
    )
