"""Live sources: torn pipes, packets late, lost, doubled and odd, messages with and without tags."""

import os
import socket
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from fake.gnuradio import header

from groundwave.data.live import PipeSource, RecordingSource, UDPSource, ZeroMQSource
from groundwave.data.recording import Capture, Recording
from groundwave.data.ring import Packet
from groundwave.errors import DataError, UnknownNameError

zmq = pytest.importorskip("zmq", reason="needs pyzmq, of the extra stream")


def samples(start: int, count: int) -> bytes:
    """Samples of cs16 whose I counts and whose Q is zero."""
    return np.stack([np.arange(start, start + count), np.zeros(count)], axis=-1).astype("<i2").tobytes()


def counted(packets: Iterator[Packet | None]) -> list[tuple[list[int], int]]:
    """Return the samples of each packet by their number, and how many are missing before."""
    return [(np.frombuffer(p.data, "<i2")[::2].tolist(), p.lost) for p in packets if p is not None]


def test_a_pipe_may_be_torn_within_a_sample() -> None:
    reading, writing = os.pipe()
    source = PipeSource("cs16", descriptor=reading)
    found = []
    packets = source.packets()
    for piece in (samples(0, 3)[:5], samples(0, 3)[5:] + b"odd"):
        os.write(writing, piece)
        found += counted(islice(packets, 1))
    os.close(writing)
    found += counted(packets)
    os.close(reading)
    assert [number for numbers, _ in found for number in numbers] == [0, 1, 2]
    assert source.thrown["odd bytes"] == 3


def send(source: UDPSource, *messages: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for message in (*messages, b""):
            sender.sendto(message, source.address)


def numbered(number: int, start: int) -> bytes:
    return struct.pack("<Q", number) + samples(start, 2)


def test_packets_are_put_in_order_and_the_missing_are_counted() -> None:
    source = UDPSource("127.0.0.1", 0, "cs16", header="sequence")
    order = (1, 3, 2, 2, 6, 4, 1)  # 5 never comes, 2 comes twice, 1 again much later
    send(source, *(numbered(k, 2 * k) for k in order), b"short")
    found = counted(source.packets())
    source.close()
    assert found == [([2, 3], 0), ([4, 5], 0), ([6, 7], 0), ([8, 9], 0), ([12, 13], 2)]
    assert source.thrown == {"late or doubled packets": 2, "lost packets": 1, "packets without header": 1}


def test_a_sender_that_begins_anew_is_followed() -> None:
    source = UDPSource("127.0.0.1", 0, "cs16", header="sequence")
    send(source, numbered(1 << 40, 0), numbered(1, 2), numbered(2, 4))
    found = [packet._replace(data=bytes(packet.data)) for packet in source.packets() if packet]
    assert counted(iter(found)) == [([0, 1], 0), ([2, 3], 0), ([4, 5], 0)]
    assert [packet.cut for packet in found] == [False, True, False]
    source.close()


def test_packets_held_when_the_sender_begins_anew_come_before_the_cut() -> None:
    source = UDPSource("127.0.0.1", 0, "cs16", header="sequence")
    send(source, *(numbered(number, 2 * k) for k, number in enumerate((100000, 100002, 0, 1))))
    found = [packet._replace(data=bytes(packet.data)) for packet in source.packets() if packet]
    assert counted(iter(found)) == [([0, 1], 0), ([2, 3], 2), ([4, 5], 0), ([6, 7], 0)]
    assert [packet.cut for packet in found] == [False, False, True, False]
    source.close()


def test_a_stray_number_far_ahead_is_a_cut_and_no_loss() -> None:
    source = UDPSource("127.0.0.1", 0, "cs16", header="sequence")
    send(source, numbered(7, 0), numbered(1 << 62, 2), numbered(8, 4))
    found = [packet._replace(data=bytes(packet.data)) for packet in source.packets() if packet]
    assert [(packet.lost, packet.cut) for packet in found] == [(0, False), (0, True), (0, True)]
    assert not source.thrown
    source.close()


def test_a_packet_that_is_never_followed_is_not_waited_for_for_ever() -> None:
    source = UDPSource("127.0.0.1", 0, "cs16", header="sequence+size")
    send(source, *(struct.pack("<QH", k, 8) + samples(k, 1) for k in (1, *range(3, 200))))
    found = counted(source.packets())
    assert found[1] == ([3], 1)
    assert sum(len(numbers) for numbers, _ in found) == 198
    source.close()


def test_packets_of_odd_length_lose_their_last_sample_only() -> None:
    source = UDPSource("127.0.0.1", 0, "cs16")
    send(source, samples(0, 2) + b"odd", samples(2, 1))
    assert counted(source.packets()) == [([0, 1], 0), ([2], 0)]
    assert source.thrown == {"odd bytes": 3}
    source.close()


def test_silence_is_told_as_none() -> None:
    source = UDPSource("127.0.0.1", 0, "cs16")
    assert list(islice(source.packets(), 1)) == [None]
    source.close()


def test_addresses_that_cannot_be_are_refused() -> None:
    with pytest.raises(DataError, match="free address"):
        UDPSource("192.0.2.1", 5555, "cs16")
    with pytest.raises(DataError, match="tcp://HOST:PORT"):
        ZeroMQSource("sub", "nowhere", "cf32")
    with pytest.raises(UnknownNameError, match="datatype"):
        PipeSource("cs17")


@pytest.fixture
def messenger(request: pytest.FixtureRequest) -> Iterator[tuple["zmq.Socket[bytes]", str]]:
    context = zmq.Context()
    sender = context.socket(request.param)
    yield sender, f"tcp://127.0.0.1:{sender.bind_to_random_port('tcp://127.0.0.1')}"
    context.destroy(linger=0)


@pytest.mark.parametrize("messenger", [zmq.PUSH], indirect=True)
def test_gnu_radios_push_sink(messenger: tuple["zmq.Socket[bytes]", str]) -> None:
    sender, address = messenger
    source = ZeroMQSource("pull", address, "cs16")
    for message in (samples(0, 3), samples(3, 1) + b"odd", b""):
        sender.send(message)
    assert counted(source.packets()) == [([0, 1, 2], 0), ([3], 0)]
    assert source.thrown == {"odd bytes": 3}
    source.close()


@pytest.mark.parametrize("messenger", [zmq.PUB], indirect=True)
def test_gnu_radios_pub_sink_with_tags_and_a_key(messenger: tuple["zmq.Socket[bytes]", str]) -> None:
    sender, address = messenger
    source = ZeroMQSource("sub", address, "cs16")
    packets = source.packets()
    assert next(packets) is None  # by then it is connected
    sender.send_multipart([b"key", header(10, {}) + samples(10, 2)])
    sender.send(header(17, {"rx_rate": 5e5}) + samples(17, 1))
    sender.send(samples(99, 1))  # without the header that all others have
    sender.send(b"")
    found = [packet for packet in packets if packet is not None]
    assert [(p.lost, p.sample_rate_hz) for p in found] == [(0, None), (5, 5e5)]
    assert counted(iter(found)) == [([10, 11], 0), ([17], 5)]
    assert source.thrown == {"messages without tags": 1}
    source.close()


@pytest.mark.parametrize("messenger", [zmq.PUSH], indirect=True)
def test_offsets_far_away_are_cuts_and_rates_that_cannot_be_are_none(
    messenger: tuple["zmq.Socket[bytes]", str],
) -> None:
    sender, address = messenger
    source = ZeroMQSource("pull", address, "cs16")
    rates = (float("inf"), float("nan"), True, -1.0, 5)
    for offset, rate in zip((10, 1 << 62, 12, 15, 2), rates, strict=True):
        sender.send(header(offset, {"rx_rate": rate}) + samples(0, 1))
    sender.send(b"")
    found = [packet for packet in source.packets() if packet is not None]
    assert [(p.lost, p.cut) for p in found] == [(0, False), (0, True), (0, True), (2, False), (0, True)]
    assert [p.sample_rate_hz for p in found] == [None] * 4 + [5.0]
    source.close()


def test_a_recording_is_cut_where_a_capture_begins() -> None:
    iq = np.arange(6, dtype=np.complex64).reshape(2, 3)
    recording = Recording(
        "x", Path("x"), 1e6, 3, 2, lambda start, count: iq[:, start : start + count], (Capture(0), Capture(2))
    )
    found = [packet for packet in RecordingSource(recording).packets() if packet]
    assert [packet.cut for packet in found] == [False, True]
    read = np.concatenate([np.frombuffer(packet.data, "<c8") for packet in found])
    np.testing.assert_array_equal(read, iq.T.ravel())
