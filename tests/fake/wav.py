"""Fake WAV files: RIFF chunks by hand, so that odd ones can be made, too."""

import struct
from pathlib import Path

import numpy as np


def write(path: Path, samples: np.ndarray, rate: int = 48_000, *, channels: int = 2, size: int | None = None) -> Path:
    """Write `samples` `[time, channels]`; `size` replaces the data chunk's true size."""
    data = samples.tobytes()
    width = samples.dtype.itemsize
    tag = 3 if samples.dtype.kind == "f" else 1
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * channels * width, channels * width, 8 * width)
    chunks = b"fmt " + struct.pack("<I", len(fmt)) + fmt + b"auxi" + struct.pack("<I", 3) + b"odd\0"
    chunks += b"data" + struct.pack("<I", len(data) if size is None else size) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    return path
