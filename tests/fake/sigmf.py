"""Fake SigMF recordings, written byte by byte rather than by the code under test."""

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np


def write_pair(
    folder: Path,
    data: bytes | None,
    datatype: str = "cf32_le",
    *,
    name: str = "fake",
    captures: list[dict[str, Any]] | None = None,
    annotations: list[dict[str, Any]] | None = None,
    **fields: Any,
) -> Path:
    head = {"core:datatype": datatype, "core:version": "1.2.0", "core:sample_rate": 1e6}
    head |= {f"core:{key}": value for key, value in fields.items()}
    metadata = {
        "global": {key: value for key, value in head.items() if value is not None},
        "captures": captures if captures is not None else [{"core:sample_start": 0, "core:frequency": 433.92e6}],
        "annotations": annotations or [],
    }
    meta = folder / f"{name}.sigmf-meta"
    meta.write_text(json.dumps(metadata))
    if data is not None:
        (folder / fields.get("dataset", f"{name}.sigmf-data")).write_bytes(data)
    return meta


def pack(meta: Path) -> Path:
    """Pack a pair into an uncompressed archive and remove it."""
    archive = meta.with_suffix(".sigmf")
    with tarfile.open(archive, "w") as tar:
        for file in (meta, meta.with_suffix(".sigmf-data")):
            tar.add(file, f"{meta.stem}/{file.name}")
            file.unlink()
    return archive


def ramp(num_samples: int, num_channels: int = 1, seed: int = 0) -> np.ndarray:
    """Complex samples [time, channel] on a grid that 8 bits hold exactly (multiples of 1/128)."""
    numbers = np.random.default_rng(seed).integers(-128, 128, (num_samples, num_channels, 2)) / 128
    return (numbers[..., 0] + 1j * numbers[..., 1]).astype(np.complex64)
