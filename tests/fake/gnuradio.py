"""What GNU Radio's ZeroMQ sinks write before the samples when they pass tags."""

import struct
from typing import Any

from groundwave.data.pmt import MAGIC


def symbol(text: str) -> bytes:
    return b"\x02" + struct.pack(">H", len(text.encode())) + text.encode()


def written(value: Any, numbers: str = ">") -> bytes:
    """Serialise a value as GNU Radio's `pmt::serialize` does, whose numbers are big-endian."""
    if value is None:
        return b"\x06"
    if isinstance(value, bool):
        return b"\x00" if value else b"\x01"
    if isinstance(value, str):
        return symbol(value)
    if isinstance(value, int):
        return b"\x03" + struct.pack(f"{numbers}i", value)
    if isinstance(value, float):
        return b"\x04" + struct.pack(f"{numbers}d", value)
    if isinstance(value, bytes):  # a uniform vector of u8, one byte of padding
        return b"\x0a\x00" + struct.pack(">IB", len(value), 1) + b"\x00" + value
    assert isinstance(value, tuple)
    return b"\x0c" + struct.pack(">I", len(value)) + b"".join(written(one) for one in value)


def header(offset: int, tags: dict[str, Any], numbers: str = ">") -> bytes:
    parts = [MAGIC, struct.pack("<QQ", offset, len(tags))]
    for key, value in tags.items():
        parts += [struct.pack("<Q", offset), symbol(key), written(value, numbers), b"\x01"]
    return b"".join(parts)
