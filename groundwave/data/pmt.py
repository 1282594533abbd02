"""What GNU Radio writes before the samples when ZeroMQ sinks pass tags: an offset, and tags of polymorphic types."""

import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from groundwave.errors import DataError

MAGIC = b"\xf0\x5f\x01"  # 0x5FF0, little-endian, and version 1
DEEPEST = 32  # of values within values


class Tags(NamedTuple):
    """What stands before the samples of a message.

    Attributes:
        offset: number of its first sample in the whole stream.
        values: of the tags, by key, the last one of each; what is no number, text or truth value is None.
        size: bytes of the header.
    """

    offset: int
    values: dict[str, Any]
    size: int


def read_tags(message: memoryview) -> Tags:
    """Return the header of a message with tags; raises `DataError` for anything else."""
    reader = _Reader(message)
    try:
        if bytes(reader.take(3)) != MAGIC:
            raise ValueError("no magic number")
        offset, count = struct.unpack("<QQ", reader.take(16))
        values = {}
        for _ in range(count):
            reader.take(8)  # where the tag stands
            key, value, _ = reader.value(), reader.value(), reader.value()
            values[str(key)] = value
    except (ValueError, struct.error, UnicodeDecodeError) as error:
        raise DataError(
            got=f"a message whose header cannot be read ({error})",
            expected="the tags of GNU Radio's ZeroMQ sinks, or samples alone",
            do="switch `Pass Tags` off in the sink",
        ) from error
    return Tags(offset, values, reader.place)


class _Reader:
    """Reads serialised values one after the other; numbers are big-endian, but for those of uniform vectors."""

    def __init__(self, message: memoryview) -> None:
        self.message, self.place = message, 0

    def take(self, count: int) -> memoryview:
        if count < 0 or self.place + count > len(self.message):
            raise ValueError("it ends within a value")
        found = self.message[self.place : self.place + count]
        self.place += count
        return found

    def number(self, form: str) -> Any:
        return struct.unpack(f">{form}", self.take(struct.calcsize(f">{form}")))[0]

    def value(self, depth: int = 0) -> Any:
        """Return the next value; None for what holds others."""
        kind = self.take(1)[0]
        if kind in SCALARS:
            return SCALARS[kind](self)
        if depth > DEEPEST:
            raise ValueError("values within values without end")
        if kind in (0x08, 0x0C):  # vector, tuple
            for _ in range(self.number("I")):
                self.value(depth + 1)
        elif kind == 0x07:  # pair
            self.value(depth + 1)
            self.value(depth + 1)
        elif kind == 0x09:  # dictionary: a list of pairs
            self.value(depth + 1)
        elif kind == 0x0A:  # uniform vector
            width = WIDTHS.get(self.take(1)[0] & 0x7F, 0)
            count, padding = self.number("I"), self.number("B")
            self.take(padding + count * width)
        else:
            raise ValueError(f"a value of unknown kind {kind}")
        return None


# How the values without others inside are read, by kind.
SCALARS: Mapping[int, Callable[[_Reader], Any]] = {
    0x00: lambda reader: True,
    0x01: lambda reader: False,
    0x02: lambda reader: bytes(reader.take(reader.number("H"))).decode(),
    0x03: lambda reader: reader.number("i"),
    0x04: lambda reader: reader.number("d"),
    0x05: lambda reader: complex(reader.number("d"), reader.number("d")),
    0x06: lambda reader: None,
    0x0B: lambda reader: reader.number("Q"),
    0x0D: lambda reader: reader.number("q"),
}
# Bytes of the items of uniform vectors, by their kind.
WIDTHS = dict(enumerate((1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 8, 16)))
