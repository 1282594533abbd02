"""The ring: every sample comes out once and in order, or is counted as dropped."""

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from groundwave.data.ring import Packet, Ring

WIDTH = 2


def numbers(start: int, count: int) -> bytes:
    return np.arange(start, start + count, dtype="<u2").tobytes()


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 9), st.integers(0, 2)), max_size=40))
def test_what_does_not_come_out_is_told_before_what_does(steps: list[tuple[int, int, int]]) -> None:
    """Positions that count what was lost and dropped are the numbers that were put in."""
    ring, sent, position = Ring(8, WIDTH), 0, 0
    for count, asked, lost in steps:
        sent += lost
        ring.put(Packet(numbers(sent, count), lost=lost), wait=False)
        sent += count
        mark, raw = ring.take(0, asked, 0.0)
        position += mark.lost + mark.dropped if mark else 0
        found = raw.view("<u2")
        np.testing.assert_array_equal(found, np.arange(position, position + len(found)) % 65536)
        position += len(found)
    assert ring.written - ring.taken <= 8


def test_a_writer_that_waits_loses_nothing_and_holds_little() -> None:
    ring = Ring(10, WIDTH)
    writer = threading.Thread(
        target=lambda: ([ring.put(Packet(numbers(k, 7)), wait=True) for k in range(0, 7000, 7)], ring.close())
    )
    writer.start()
    pieces = []
    while not ring.ended:
        pieces.append(ring.take(3, 4, 1.0)[1].view("<u2"))
    writer.join()
    np.testing.assert_array_equal(np.concatenate(pieces), np.arange(7000))
    assert ring.dropped == 0


def test_more_than_all_the_room_at_once_is_dropped_or_waited_for() -> None:
    ring = Ring(8, WIDTH)
    ring.put(Packet(numbers(0, 20)), wait=False)
    assert (ring.written, ring.dropped) == (8, 12)


def test_marks_stand_where_they_happened() -> None:
    ring = Ring(8, WIDTH)
    ring.put(Packet(numbers(0, 2)), wait=False)
    ring.put(Packet(numbers(5, 2), lost=3, sample_rate_hz=2.0), wait=False)
    ring.put(Packet(numbers(7, 1), cut=True), wait=False)
    found = [ring.take(1, 8, 0.0) for _ in range(3)]
    assert [(m and (m.at, m.lost, m.sample_rate_hz), len(raw) // WIDTH) for m, raw in found] == [
        (None, 2),
        ((2, 3, 2.0), 2),
        ((4, 0, None), 1),
    ]


def test_a_writer_is_told_when_nobody_reads_any_more() -> None:
    ring = Ring(4, WIDTH)
    told: list[bool] = []
    writer = threading.Thread(target=lambda: told.append(ring.put(Packet(numbers(0, 9)), wait=True)))
    writer.start()
    ring.abandon()
    writer.join(timeout=5)
    assert told == [False]


def test_what_is_missing_at_the_very_end_is_told() -> None:
    ring = Ring(4, WIDTH)
    ring.put(Packet(numbers(0, 4)), wait=False)
    ring.put(Packet(numbers(6, 3), lost=2), wait=False)
    ring.close()
    ring.abandon()  # tells it no second time
    found = [ring.take(1, 8, 0.0) for _ in range(2)]
    assert [(mark and (mark.at, mark.lost, mark.dropped), len(raw) // WIDTH) for mark, raw in found] == [
        (None, 4),
        ((4, 2, 3), 0),
    ]
    assert ring.ended
