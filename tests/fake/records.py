"""Fake records, and what it takes to break a disk."""

import errno
from typing import Any

import torch

from groundwave.contracts import Record
from groundwave.rng import generator


def records(count: int, num_samples: int = 64, *, antennas: int | None = None, seed: int = 0) -> Record:
    shape = (count, num_samples) if antennas is None else (count, antennas, num_samples)
    stream = generator(seed, "fake")
    return {
        "iq": torch.randn(shape, dtype=torch.complex64, generator=stream),
        "label": torch.arange(count) % 2,
        "snr_db": torch.linspace(-10, 20, count),
        "sample_rate_hz": torch.full((count,), 1e6, dtype=torch.float64),
    }


def no_space(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
