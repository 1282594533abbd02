"""Tags of GNU Radio: what an independent writer of its format writes is read; damage is told of."""

import struct
from contextlib import suppress

import pytest
from fake.gnuradio import header
from hypothesis import given
from hypothesis import strategies as st

from groundwave.data.pmt import MAGIC, read_tags
from groundwave.errors import DataError


def test_rate_and_time_of_a_receiver_are_read() -> None:
    tags = {"rx_rate": 2e6, "rx_time": (5, 0.25), "packet_len": 9, "on": True, "name": "β", "x": b"1234", "n": None}
    head = header(7, tags)
    found = read_tags(memoryview(head + b"samples"))
    assert (found.offset, found.size) == (7, len(head))
    assert found.values == {**tags, "rx_time": None, "x": None}
    assert read_tags(memoryview(header(0, {"rx_rate": 2e6}, numbers="<"))).values["rx_rate"] != 2e6


@given(st.integers(0, 200), st.integers(0, 255))
def test_damage_is_read_as_something_or_told_of(place: int, value: int) -> None:
    message = bytearray(header(7, {"rx_rate": 2e6, "rx_time": (5, 0.25), "x": b"1234"}))
    message[place % len(message)] = value
    with suppress(DataError):
        assert read_tags(memoryview(message)).size <= len(message)


def test_values_within_values_without_end_are_refused() -> None:
    endless = MAGIC + struct.pack("<QQ", 0, 1) + bytes(8) + b"\x07" * 5000
    with pytest.raises(DataError, match="without end"):
        read_tags(memoryview(endless))
