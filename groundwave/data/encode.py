"""From a record in memory to what a part of a store holds of it."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from groundwave.contracts import Record
from groundwave.data import part as parts
from groundwave.data.columns import uneven
from groundwave.data.manifest import Array, Manifest
from groundwave.errors import DataError

PIECE_BYTES = 1 << 18  # scaled at once: what stays in a core's own cache

Columns = dict[str, npt.NDArray[Any]]


def encoded(record: Record, manifest: Manifest) -> Columns:
    """Return the arrays and columns that a part stores of a batched record, but for the groups.

    Raises:
        DataError: The record does not fit the store, or its IQ holds a sample that is not finite.
    """
    arrays = {name: _array(record, name, array) for name, array in manifest.arrays.items()}
    columns: Columns = {}
    if manifest.num_samples is not None:
        arrays["iq"], columns["scale"] = _iq(record, manifest)
    num_records = len(next(iter(arrays.values())))
    unknown = dict.fromkeys(("label", *parts.WHOLE_NUMBERS), -1)
    defaults = {**unknown, "sample_rate_hz": manifest.sample_rate_hz or math.nan}
    for name, dtype in parts.column_types(manifest).items():
        if name not in ("group", "scale"):
            values = record.get(name)
            if values is None:
                values = torch.full((num_records,), defaults.get(name, math.nan))
            columns[name] = values.detach().cpu().to(dtype).numpy()
    for name, stored in {**arrays, **columns}.items():
        if len(stored) != num_records or (name in columns and stored.ndim != 1):
            raise uneven(name, stored.shape, num_records)
    _check_labels(columns["label"], manifest)
    return {**arrays, **columns}


def _iq(record: Record, manifest: Manifest) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]:
    """Return IQ as stored, and what multiplies each record's."""
    iq = record.get("iq", torch.empty(0))
    shape = parts.arrays(manifest)["iq"].shape[:-1]
    if tuple(iq.shape[1:]) != shape or not iq.is_complex():
        raise DataError(
            got=f"iq {iq.dtype} of shape {list(iq.shape)}",
            expected=f"complex [B, {', '.join(map(str, shape))}]",
            do="cut the records to the store's length, or create a store for this one",
        )
    stored, peak = quantized(torch.view_as_real(iq.detach().cpu().to(torch.complex64)), manifest.dtype)
    if not bool(peak.isfinite().all()):
        raise DataError(
            got=f"a NaN or infinite sample in record {int((~peak.isfinite()).nonzero()[0])} of the batch",
            expected="finite IQ",
            do="repair or leave out that record",
        )
    return stored.numpy(), _scale(peak, manifest.dtype).numpy()


def _array(record: Record, name: str, array: Array) -> npt.NDArray[Any]:
    values = record.get(name, torch.empty(0))
    if tuple(values.shape[1:]) != array.shape:
        raise DataError(
            got=f"{name} of shape {list(values.shape)}",
            expected=f"[B, {', '.join(map(str, array.shape))}]",
            do="create a store for records of this shape",
        )
    return values.detach().cpu().to(getattr(torch, array.dtype)).numpy()


def quantized(iq: Tensor, dtype: str) -> tuple[Tensor, Tensor]:
    """Return IQ float32 `[B, ..., 2]` as stored, and the largest magnitude of each record, NaN where it holds one."""
    stored, peak = torch.empty(iq.shape, dtype=getattr(torch, dtype)), torch.zeros(len(iq))
    per_piece = max(1, PIECE_BYTES // max(1, iq[:1].nbytes))
    for x, out, most in zip(*(tensor.split(per_piece) for tensor in (iq, stored, peak)), strict=True):
        if len(x):
            torch.amax(x.abs().flatten(1), 1, out=most)
            scale = _scale(most, dtype).reshape(-1, *[1] * (x.ndim - 1))
            out.copy_((x / scale).round_() if dtype == "int16" else x)
    return stored, peak


def _scale(peak: Tensor, dtype: str) -> Tensor:
    """Return what multiplies stored IQ: for int16 a record's peak is full scale."""
    return torch.where(peak > 0, peak / 32767, 1.0) if dtype == "int16" else torch.ones_like(peak)


def _check_labels(labels: npt.NDArray[np.int64], manifest: Manifest) -> None:
    known = len(manifest.classes)
    if labels.size and (labels.min() < -1 or labels.max() >= known):
        raise DataError(
            got=f"labels from {labels.min()} to {labels.max()}",
            expected=f"-1 (unlabelled) to {known - 1}, for the store's {known} classes",
            do="create the store with all class names, or correct the labels",
        )
