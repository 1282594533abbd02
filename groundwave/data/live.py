"""Sources of samples that come one after the other: recordings, standard input, UDP, ZeroMQ.

A source yields `Packet`s of whole samples, or None when nothing has come for a while, and counts what it had to throw
away. All but UDP and a ZeroMQ publisher can be made to wait.
"""

import math
import os
import socket
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal, Protocol

import numpy as np

from groundwave.data.pmt import MAGIC, read_tags
from groundwave.data.recording import Recording
from groundwave.data.ring import Packet
from groundwave.data.samples import SampleType, sample_type
from groundwave.errors import DataError, GroundwaveError

POLL_S = 0.1  # how long a source is silent before it says so
PIECE_BYTES = 1 << 18  # read at once
MOST_HELD = 64  # packets that wait for an earlier one
RESTART = 1 << 16  # packets back or ahead: neither delay nor loss, the sender has begun anew
RESTART_SAMPLES = 1 << 32  # the same, where samples are counted and few are far ahead
SOCKET_BYTES = 1 << 25  # asked of the system, which may give less
DROPS_OPTION = 40  # SO_RXQ_OVFL of Linux: each packet tells how many the system has dropped before

Header = Literal["none", "sequence", "sequence+size"]
HEADER_BYTES = {"none": 0, "sequence": 8, "sequence+size": 10}  # of GNU Radio's UDP sink, little-endian


class LiveSource(Protocol):
    """What yields packets.

    Attributes:
        kind: sample type.
        num_channels: interleaved sample by sample.
        waits: whether the sender can be made to wait; otherwise what finds no room is dropped.
        thrown: counts of what was thrown away, by reason.
    """

    kind: SampleType
    num_channels: int
    waits: bool
    thrown: Counter[str]

    def packets(self) -> Iterator[Packet | None]:
        """Yield packets until the stream ends; None when nothing has come for a moment."""
        ...

    def close(self) -> None:
        """Let go of the socket."""
        ...


class _Source:
    """What the sources share.

    Args:
        datatype: a SigMF type or `cs8`, `cs16`, `cf32`, ...
        num_channels: interleaved sample by sample.
    """

    waits = True

    def __init__(self, datatype: str, num_channels: int) -> None:
        if num_channels < 1:
            raise DataError(f"{num_channels} channels", "at least 1", "correct --num-channels")
        self.kind, self.num_channels = sample_type(datatype), num_channels
        self.sample_bytes = self.kind.num_bytes * num_channels
        self.thrown: Counter[str] = Counter()

    def close(self) -> None:
        """Let go of what is open."""

    def whole(self, data: memoryview) -> memoryview:
        """Return the whole samples of a message; the odd bytes at its end are thrown away and counted."""
        odd = len(data) % self.sample_bytes
        if odd:
            self.thrown["odd bytes"] += odd
            return data[: len(data) - odd]
        return data


class RecordingSource(_Source):
    """A recording as a stream, as fast as it is taken; another capture is a cut."""

    def __init__(self, recording: Recording) -> None:
        super().__init__("cf32_le", recording.num_channels)
        self.recording = recording

    def packets(self) -> Iterator[Packet | None]:
        """Yield the recording piece by piece; samples that are not finite are not refused here."""
        starts = [capture.start for capture in self.recording.captures]
        num_at_once = PIECE_BYTES // self.sample_bytes
        for begin, end in zip(starts, [*starts[1:], self.recording.num_samples], strict=True):
            for first in range(begin, end, num_at_once):
                iq = self.recording.samples(first, min(num_at_once, end - first))
                data = np.ascontiguousarray(iq.T).view(np.uint8).reshape(-1).data
                yield Packet(data, cut=first == begin and begin > 0)


class PipeSource(_Source):
    """Raw samples from a file descriptor, such as standard input; samples may be torn anywhere."""

    def __init__(self, datatype: str, num_channels: int = 1, descriptor: int = 0) -> None:
        super().__init__(datatype, num_channels)
        self.descriptor = descriptor

    def packets(self) -> Iterator[Packet | None]:
        """Yield what comes until the other side closes."""
        rest = b""
        while piece := os.read(self.descriptor, PIECE_BYTES):
            joined = rest + piece if rest else piece
            end = len(joined) - len(joined) % self.sample_bytes
            rest = joined[end:]
            yield Packet(memoryview(joined)[:end])
        self.thrown["odd bytes"] += len(rest)


class UDPSource(_Source):
    """Raw samples in datagrams, as GNU Radio's UDP sink sends them.

    With sequence numbers, packets are put in order (as far as `MOST_HELD` apart) and those that never come are counted
    as lost; without, only what this machine's own buffer had to drop is known, and only on Linux. A datagram without
    any bytes ends the stream.

    Args:
        host: address to listen on.
        port: to listen on.
        datatype: of the samples.
        num_channels: interleaved sample by sample.
        header: what stands before the samples.
    """

    waits = False

    def __init__(self, host: str, port: int, datatype: str, num_channels: int = 1, header: Header = "none") -> None:
        super().__init__(datatype, num_channels)
        self.header = header
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
            if sys.platform == "linux":
                self.socket.setsockopt(socket.SOL_SOCKET, DROPS_OPTION, 1)
            self.socket.bind((host, port))
        except (OSError, OverflowError) as error:
            self.socket.close()
            raise DataError(f"udp://{host}:{port} ({error})", "a free address of this machine", "choose one") from error
        self.socket.settimeout(POLL_S)
        self.address: tuple[str, int] = self.socket.getsockname()[:2]
        self._next: int | None = None
        self._held: dict[int, bytes] = {}
        self._size = 0  # samples in the last packet: what one that is missing most likely held
        self._overflowed = 0

    def close(self) -> None:
        """Let go of the socket."""
        self.socket.close()

    def packets(self) -> Iterator[Packet | None]:
        """Yield packets in order until an empty one comes."""
        buffer = bytearray(1 << 16)
        view = memoryview(buffer)
        while True:
            try:
                count, notes, _, _ = self.socket.recvmsg_into([buffer], 32)
            except TimeoutError:
                yield from self._overdue()
                yield None
                continue
            if not count:
                break
            yield from self._ordered(view[:count], self._dropped(notes))
        yield from self._overdue()

    def _dropped(self, notes: list[Any]) -> int:
        """Return how many packets the system has dropped since the last one."""
        total = next((struct.unpack("I", data)[0] for _, kind, data in notes if kind == DROPS_OPTION), 0)
        new, self._overflowed = max(0, total - self._overflowed), max(total, self._overflowed)
        return new

    def _ordered(self, message: memoryview, dropped: int) -> Iterator[Packet]:
        header = HEADER_BYTES[self.header]
        if len(message) < header:
            self.thrown["packets without header"] += 1
            return
        data = self.whole(message[header:])
        self._size = len(data) // self.sample_bytes
        if not header:
            yield Packet(data, lost=dropped * self._size)
            return
        number = struct.unpack("<Q", message[:8])[0]
        anew = self._next is not None and abs(number - self._next) > RESTART
        if anew:
            yield from self._overdue()
        if anew or self._next is None:
            self._next = number
        if number < self._next or number in self._held:
            self.thrown["late or doubled packets"] += 1
        elif number == self._next:
            self._next += 1
            yield Packet(data, cut=anew)
            yield from self._following()
        else:
            self._held[number] = bytes(data)
            if len(self._held) > MOST_HELD:
                yield from self._skip()

    def _following(self) -> Iterator[Packet]:
        """Yield those held packets whose turn it is."""
        assert self._next is not None
        while self._next in self._held:
            yield Packet(self._held.pop(self._next))
            self._next += 1

    def _skip(self) -> Iterator[Packet]:
        """Give up on the packets before the first that is held."""
        assert self._next is not None
        first = min(self._held)
        missing, self._next = first - self._next, first + 1
        self.thrown["lost packets"] += missing
        yield Packet(self._held.pop(first), lost=missing * self._size)
        yield from self._following()

    def _overdue(self) -> Iterator[Packet]:
        while self._held:
            yield from self._skip()


class ZeroMQSource(_Source):
    """Raw samples in messages of ZeroMQ, as GNU Radio's PUB and PUSH sinks send them, with or without tags.

    Tags tell the number of the first sample, so that lost messages are counted, and `rx_rate` another sample rate.

    Args:
        pattern: `sub` for a PUB sink, `pull` for a PUSH sink; only the latter waits.
        address: to connect to, such as `tcp://127.0.0.1:5555`.
        datatype: of the samples.
        num_channels: interleaved sample by sample.
    """

    def __init__(self, pattern: Literal["sub", "pull"], address: str, datatype: str, num_channels: int = 1) -> None:
        super().__init__(datatype, num_channels)
        try:
            import zmq
        except ImportError as error:
            raise GroundwaveError(
                got=f"{pattern}:{address} without the package pyzmq",
                expected="what receives from ZeroMQ",
                do="install it: pip install 'groundwave[stream]'",
            ) from error
        self.waits = pattern == "pull"
        self._context: Any = zmq.Context()
        self._socket: Any = self._context.socket(zmq.SUB if pattern == "sub" else zmq.PULL)
        self._socket.set(zmq.RCVHWM, 256)  # messages: the ring is where samples wait
        if pattern == "sub":
            self._socket.set(zmq.SUBSCRIBE, b"")
        try:
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self.close()
            raise DataError(
                f"{pattern}:{address} ({error})", "an address of ZeroMQ", "write tcp://HOST:PORT"
            ) from error
        self._tagged: bool | None = None
        self._expected = 0

    def close(self) -> None:
        """Let go of the socket."""
        self._context.destroy(linger=0)

    def packets(self) -> Iterator[Packet | None]:
        """Yield messages as long as the socket is open; an empty message ends the stream."""
        while True:
            if not self._socket.poll(POLL_S * 1000):
                yield None
                continue
            parts = self._socket.recv_multipart(copy=False)  # with a key, the samples come last
            message = memoryview(parts[-1].buffer)
            if not len(message):
                return
            if self._tagged is None:
                self._tagged = bytes(message[:3]) == MAGIC
            yield from self._tagged_packet(message) if self._tagged else iter([Packet(self.whole(message))])

    def _tagged_packet(self, message: memoryview) -> Iterator[Packet]:
        try:
            tags = read_tags(message)
        except DataError:
            self.thrown["messages without tags"] += 1
            return
        data = self.whole(message[tags.size :])
        lost = tags.offset - self._expected if self._expected else 0
        self._expected = tags.offset + len(data) // self.sample_bytes
        rate = tags.values.get("rx_rate")
        if not isinstance(rate, float | int) or isinstance(rate, bool) or not (math.isfinite(rate) and rate > 0):
            rate = None
        anew = not 0 <= lost <= RESTART_SAMPLES
        yield Packet(data, lost=0 if anew else lost, cut=anew, sample_rate_hz=rate)
