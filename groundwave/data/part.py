"""One part of a store on disk: a zarr 3 group with `iq` and one array for each column."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from groundwave.data.manifest import REMEDY, Manifest
from groundwave.errors import DataError

CHUNK_BYTES = 1 << 20  # read as one: large enough to hide zarr's cost per call, small enough to shuffle by
SHARD_BYTES = 32 << 20
COLUMNS = {"label": torch.int64, "group": torch.int64, "snr_db": torch.float32, "sample_rate_hz": torch.float64}


def record_shape(manifest: Manifest) -> tuple[int, ...]:
    """Return the stored shape of a record: `[(antenna,) time, 2]`."""
    antennas = () if manifest.num_antennas is None else (manifest.num_antennas,)
    return (*antennas, manifest.num_samples, 2)


def num_per_chunk(manifest: Manifest) -> int:
    """Return how many records make a chunk of about `CHUNK_BYTES`."""
    size = int(np.prod(record_shape(manifest))) * np.dtype(manifest.dtype).itemsize
    return max(1, min(4096, CHUNK_BYTES // size))


def column_types(manifest: Manifest) -> dict[str, torch.dtype]:
    """Return the type of each stored column; `scale` multiplies the stored IQ."""
    return {**COLUMNS, **dict.fromkeys(manifest.extra, torch.float32), "scale": torch.float32}


def no_columns(manifest: Manifest) -> dict[str, Tensor]:
    """Return the columns of no record."""
    return {name: torch.empty(0, dtype=dtype) for name, dtype in column_types(manifest).items()}


def write(folder: Path, manifest: Manifest, iq: npt.NDArray[Any], columns: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write `iq` `[N, (antenna,) time, 2]` and the columns `[N]` as a new zarr group."""
    import zarr
    from zarr.codecs import Crc32cCodec

    group = zarr.create_group(folder, zarr_format=3)
    chunk = num_per_chunk(manifest)
    per_shard = chunk * max(1, SHARD_BYTES // CHUNK_BYTES)
    # A chunk of zeros must be written too: a file that may be absent could not be told from a lost one. The checksum
    # of each chunk makes a damaged one fail when it is read, not only in `verify`.
    options = {"compressors": (Crc32cCodec(),), "config": {"write_empty_chunks": True}}
    shape = iq.shape[1:]
    array = group.create_array(
        "iq", shape=iq.shape, dtype=iq.dtype, chunks=(chunk, *shape), shards=(per_shard, *shape), **options
    )
    for start in range(0, len(iq), per_shard):
        array[start : start + per_shard] = iq[start : start + per_shard]
    for name, values in columns.items():
        column = group.create_array(name, shape=values.shape, dtype=values.dtype, chunks=(len(values),), **options)
        column[:] = values


def check_shapes(folder: Path, manifest: Manifest) -> None:
    """Raise `DataError` for the first part of a store whose array is not of the manifest's shape and type."""
    for part in manifest.parts:
        path = folder / part.name / "iq" / "zarr.json"
        try:
            described = json.loads(path.read_text())
            found = (list(described["shape"]), described["data_type"])
        except (ValueError, OSError, KeyError, TypeError) as error:
            raise _damaged(path.parent, error) from error
        wanted = ([part.num_records, *record_shape(manifest)], manifest.dtype)
        if found != wanted:
            raise DataError(
                got=f"{path.parent} of {found[1]} and shape {found[0]}",
                expected=f"{wanted[1]} and shape {wanted[0]}, as the manifest says",
                do=REMEDY,
            )


class IqArray:
    """The IQ of one part, opened once and read by rows."""

    def __init__(self, folder: Path) -> None:
        """Open it; raises `DataError` when damaged."""
        import zarr

        self._path = folder / "iq"
        try:
            self._array = zarr.open_array(self._path, mode="r")
        except (ValueError, OSError, KeyError) as error:
            raise _damaged(self._path, error) from error

    def read(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Return stored rows `start:stop`, `[B, (antenna,) time, 2]`; raises `DataError` when damaged."""
        per_shard, stop = self._array.shards[0], min(stop, self._array.shape[0])
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
