"""A ring buffer of raw samples between the thread that receives and the one that computes."""

import threading
from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]


class Packet(NamedTuple):
    """Whole samples as they came, and what happened before them.

    Attributes:
        data: their bytes.
        lost: samples that are missing before them.
        cut: whether they do not go on from those before, as after another tuning.
        sample_rate_hz: what the stream says of its rate from here on.
    """

    data: memoryview | bytes
    lost: int = 0
    cut: bool = False
    sample_rate_hz: float | None = None


class Mark(NamedTuple):
    """Something that happened before a sample: samples lost on the way, samples dropped here, another rate."""

    at: int
    lost: int
    dropped: int
    sample_rate_hz: float | None


class Ring:
    """Bounded memory for one writer and one reader.

    Args:
        num_samples: that it holds at most.
        sample_bytes: of one sample of all channels.

    Attributes:
        dropped: samples that came when there was no room.
        written: samples that went in.
        taken: samples that came out.
    """

    def __init__(self, num_samples: int, sample_bytes: int) -> None:
        self.num_samples, self.sample_bytes = num_samples, sample_bytes
        self.dropped = self.written = self.taken = 0
        self._bytes = np.empty(num_samples * sample_bytes, dtype=np.uint8)
        self._marks: deque[Mark] = deque()
        self._before = Packet(b"")  # what the next sample that goes in has to tell of those that did not
        self._dropped = 0  # since the last one that went in
        self._wanted = 0  # samples that the reader waits for: the writer wakes it no sooner
        self._closed = self._abandoned = False
        self._changed = threading.Condition()

    @property
    def filled(self) -> float:
        """Share of the room that is taken."""
        return (self.written - self.taken) / self.num_samples

    def put(self, packet: Packet, wait: bool) -> bool:
        """Store a packet; without room wait for it, or drop the packet and count it. Return whether to go on."""
        before = Packet(
            b"",
            self._before.lost + packet.lost,
            self._before.cut or packet.cut,
            packet.sample_rate_hz or self._before.sample_rate_hz,
        )
        data = np.frombuffer(packet.data, dtype=np.uint8)
        most = self.num_samples * self.sample_bytes
        for first in range(0, len(data), most):
            piece = data[first : first + most]
            if not self._room(len(piece) // self.sample_bytes, wait):
                count = len(data[first:]) // self.sample_bytes
                self.dropped += count
                self._dropped += count
                break
            if self._dropped or before != Packet(b""):
                self._marks.append(Mark(self.written, before.lost, self._dropped, before.sample_rate_hz))
            before, self._dropped = Packet(b""), 0
            self._store(piece)
        self._before = before
        return not self._abandoned

    def _room(self, count: int, wait: bool) -> bool:
        """Return whether there is room, after waiting for it where that is wanted."""
        with self._changed:
            while wait and not self._closed and self.num_samples - (self.written - self.taken) < count:
                self._changed.wait()
            return self.num_samples - (self.written - self.taken) >= count

    def _store(self, piece: Bytes) -> None:
        place = (self.written * self.sample_bytes) % len(self._bytes)
        first = min(len(piece), len(self._bytes) - place)
        self._bytes[place : place + first] = piece[:first]
        self._bytes[: len(piece) - first] = piece[first:]
        with self._changed:
            self.written += len(piece) // self.sample_bytes
            if self.written - self.taken >= self._wanted:
                self._changed.notify_all()

    def take(self, least: int, most: int, timeout_s: float) -> tuple[Mark | None, Bytes]:
        """Return the next samples, at most up to the next mark, and the mark that stands before them, if any.

        Waits until there are `least`, the stream has ended or `timeout_s` is over; the bytes are empty when nothing
        came in that time, or when there is nothing any more (`ended`).
        """
        with self._changed:
            self._wanted = min(least, self.num_samples // 2)  # a writer that waits for room never fills it all
            self._changed.wait_for(lambda: self._closed or self.written - self.taken >= self._wanted, timeout_s)
            mark = self._marks.popleft() if self._marks and self._marks[0].at == self.taken else None
            end = self._marks[0].at if self._marks else self.written
            count = min(most, min(end, self.written) - self.taken)
        place, size = (self.taken * self.sample_bytes) % len(self._bytes), count * self.sample_bytes
        first = min(size, len(self._bytes) - place)
        found = np.concatenate([self._bytes[place : place + first], self._bytes[: size - first]])
        with self._changed:
            self.taken += count
            self._changed.notify_all()
        return mark, found

    @property
    def ended(self) -> bool:
        """Whether the writer has closed and all is taken."""
        return self._closed and self.taken == self.written and not self._marks

    def close(self) -> None:
        """Say that nothing more will be put in; what was dropped or lost at the very end gets a last mark."""
        with self._changed:
            if self._dropped or self._before.lost:
                self._marks.append(Mark(self.written, self._before.lost, self._dropped, self._before.sample_rate_hz))
                self._before, self._dropped = Packet(b""), 0
            self._closed = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Say that nothing more will be taken: a writer that waits is woken and told."""
        self._abandoned = True
        self.close()
