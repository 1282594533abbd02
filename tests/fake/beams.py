"""Fake files of beams: DeepBeam's HDF5 in the published order, and DeepSense's powers and positions."""

import zlib
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def write_deepbeam(
    path: Path,
    blocks: np.ndarray,
    *,
    gains: Sequence[Any] = (40,),
    beams: Sequence[int] = (0,),
    angles: Sequence[float] | None = None,
    rx_beam: int = 12,
    **storage: Any,
) -> Path:
    """Write complex `blocks` `[N, time]`, as many to each gain, beam and angle, with columns of every sample.

    Args:
        path: the file to make.
        blocks: in the order gain, beam, angle, frame, block.
        gains: numbers, or words as the Pi-Radio set has them.
        beams: of the transmitter.
        angles: in degrees; None: a file without.
        rx_beam: of the receiver.
        storage: for the datasets, such as `chunks` and `compression`.
    """
    cells = list(product(gains, beams, [0.0] if angles is None else angles))
    each = blocks.size // len(cells)
    iq = np.stack([blocks.real, blocks.imag], -1).reshape(-1, 2).astype(np.float32)
    columns = {
        "gain": np.repeat(np.array([gain for gain, _, _ in cells], h5py_type(gains)), each),
        "tx_beam": np.repeat([beam for _, beam, _ in cells], each),
        "rx_beam": np.full(blocks.size, rx_beam),
        **({} if angles is None else {"angle": np.repeat([angle for _, _, angle in cells], each)}),
    }
    with h5py.File(path, "w") as file:
        file.create_dataset("iq", data=iq, **storage)
        for name, values in columns.items():
            file.create_dataset(name, data=values)
    return path


def h5py_type(gains: Sequence[Any]) -> Any:
    return "S16" if isinstance(gains[0], str) else np.int64


def write_large_deepbeam(path: Path, num_chunks: int, *, beams: int = 24) -> Path:
    """Write 3 gains and `beams` beams, `num_chunks` times 150 blocks of 2048 samples of each, that fill no disk.

    Samples that are never written are read as zeros; the first sample of each gain and beam holds their numbers.
    """
    chunk = 150 * 2048
    each = num_chunks * chunk
    num = 3 * beams * each
    with h5py.File(path, "w") as file:
        iq = file.create_dataset("iq", (num, 2), np.float32, chunks=(1 << 16, 2))
        packed = {"chunks": (chunk,), "compression": "gzip"}
        columns = [file.create_dataset(name, (num,), np.int8, **packed) for name in ("gain", "tx_beam", "rx_beam")]
        for cell, values in enumerate(product((40, 50, 60), range(beams))):
            iq[cell * each] = values
            for column, value in zip(columns, values, strict=False):
                bits = zlib.compress(bytes([value]) * chunk)
                for k in range(num_chunks):  # the same chunk again and again, packed once
                    column.id.write_direct_chunk((cell * each + k * chunk,), bits)
    return path


def write_deepsense(path: Path, powers: Mapping[int, np.ndarray], *, calibrated: Sequence[int] = ()) -> Path:
    """Write powers `[N, beam]` of scenarios by number: two drives each, a car that goes north 10 m a record."""
    arrays: dict[str, np.ndarray] = {}
    for number, power in powers.items():
        num = len(power)
        base = np.tile([60.0, 10.0], (num, 1))
        car = base + np.degrees(10.0 / 6_371_000.0) * np.stack([np.arange(num), np.zeros(num)], 1)
        arrays[f"scenario{number}_unit1_pwr_60ghz"] = power.astype(np.float32)
        arrays[f"scenario{number}_seq_index"] = (1 + np.arange(num) * 2 // num).astype(np.int16)
        arrays[f"scenario{number}_unit1_loc"], arrays[f"scenario{number}_unit2_loc"] = base, car
        if number in calibrated:
            east = np.degrees(4.0 / 6_371_000.0) / np.cos(np.radians(60.0))
            arrays[f"scenario{number}_unit2_loc_cal"] = car + np.array([0.0, east])
    np.savez(path, **arrays)
    return path
