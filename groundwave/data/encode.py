"""From a record in memory to what a part of a store holds of it."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from groundwave.contracts import Record
from groundwave.data import part as parts
from groundwave.data.columns import uneven
from groundwave.data.manifest import Manifest
from groundwave.errors import DataError

PIECE_BYTES = 1 << 18  # scaled at once: what stays in a core's own cache

Columns = dict[str, npt.NDArray[Any]]


def encoded(record: Record, manifest: Manifest) -> Columns:
    """Return the arrays that a part stores of a batched record, but for the groups.

    Raises:
        DataError: The record does not fit the store, or holds a sample that is not finite.
    """
    iq = record.get("iq", torch.empty(0))
    shape = parts.record_shape(manifest)[:-1]
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
    columns = {"iq": stored.numpy(), "scale": _scale(peak, manifest.dtype).numpy()}
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
