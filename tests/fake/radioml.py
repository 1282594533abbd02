"""Fake RadioML files: a pickle as Python 2 wrote it, opcode by opcode, and an HDF5."""

import struct
from pathlib import Path

import h5py
import numpy as np


def _text(value: bytes) -> bytes:
    return b"U" + bytes([len(value)]) + value


def _number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _array(values: np.ndarray) -> bytes:
    shape = b"(" + b"".join(_number(n) for n in values.shape) + b"t"
    raw = values.astype("<f4").tobytes()
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + _text(b"b") + b"tR"
    dtype = b"cnumpy\ndtype\n(" + _text(b"f4") + b"K\x00K\x01tR(K\x03" + _text(b"<") + b"NNN" + 2 * _number(-1)
    state = b"(K\x01" + shape + dtype + b"K\x00tb" + b"\x89" + b"T" + struct.pack("<i", len(raw)) + raw + b"t"
    return empty + state + b"b"


def write_2016(path: Path, cells: dict[tuple[str, int], np.ndarray]) -> Path:
    body = b"".join(b"(" + _text(m.encode()) + _number(snr) + b"t" + _array(x) + b"s" for (m, snr), x in cells.items())
    path.write_bytes(b"\x80\x02}" + body + b".")
    return path


def write_2018(path: Path, x: np.ndarray, labels: np.ndarray, snr: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        file["X"] = x.astype(np.float32)
        file["Y"] = np.eye(24, dtype=np.int64)[labels]
        file["Z"] = snr.reshape(-1, 1).astype(np.int64)
    return path
