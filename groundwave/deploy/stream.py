"""Models on a live stream: one thread receives into a ring, one computes; what cannot be kept up with is counted."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from groundwave.data.live import POLL_S, LiveSource
from groundwave.data.recording import Annotation
from groundwave.data.ring import Mark, Packet, Ring
from groundwave.data.samples import ComplexArray, to_complex
from groundwave.deploy.classifiers import Classifier
from groundwave.deploy.watch import NUM_WINDOWS, Decisions, Watcher
from groundwave.errors import ContractError, DataError, GroundwaveError

BUFFER_S = 1.0  # of the stream that the ring holds
LEAST_BUFFER, MOST_BUFFER = 1 << 18, 1 << 25  # samples
AT_ONCE = 1 << 18  # samples that are turned into complex numbers together
SILENT_S = 1.0  # without a sample: what is open is told
OFF_RATE = 0.2  # share by which samples may arrive faster or slower than they should
RATE_S = 2.0  # for so long it is measured
PAUSE_S = 0.5  # without a packet: it is measured anew, as a pause is no rate


class Sink(Protocol):
    """What is told of annotations and of what happens."""

    def annotation(self, model: str, found: Annotation, start_s: float, duration_s: float) -> None:
        """Take an annotation of a model: seconds from the start of the stream to its own, and its length."""
        ...

    def event(self, name: str, **told: Any) -> None:
        """Take something that happened."""
        ...


@dataclass
class Progress:
    """How a stream goes.

    Args:
        sample_rate_hz: that the samples have now.
        samples: that were looked at.
        seconds: of the stream that they are, each at the rate that it had.
        dropped: that came when the ring was full.
        lost: that were missing when they came here.
        thrown: what the source threw away, by reason.
        broken: windows with samples that are not finite, of all models.
        annotations: made, of all models.
        busy_s: spent computing.
        filled: share of the ring that is taken.
        arriving_hz: samples that come in a second, as measured of late.
        now: what each model hears at the moment.
    """

    sample_rate_hz: float
    samples: int = 0
    seconds: float = 0.0
    dropped: int = 0
    lost: int = 0
    thrown: dict[str, int] = field(default_factory=dict)
    broken: int = 0
    annotations: int = 0
    busy_s: float = 0.0
    filled: float = 0.0
    arriving_hz: float | None = None
    now: dict[str, str | None] = field(default_factory=dict)

    @property
    def real_time_factor(self) -> float:
        """How many times faster than the samples come they could be looked at."""
        return self.seconds / self.busy_s if self.busy_s else 0.0

    def told(self) -> dict[str, Any]:
        """Return what a report says."""
        return {
            "samples": self.samples,
            "seconds": round(self.seconds, 6),
            "dropped": self.dropped,
            "lost": self.lost,
            "thrown": {reason: count for reason, count in self.thrown.items() if count},
            "broken_windows": self.broken,
            "annotations": self.annotations,
            "real_time_factor": round(self.real_time_factor, 3),
        }


def stream(
    source: LiveSource,
    sample_rate_hz: float,
    classifiers: Sequence[Classifier],
    sink: Sink,
    *,
    decisions: Decisions | None = None,
    timeout_s: float | None = None,
    duration_s: float | None = None,
    show: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Let models name what is in a stream until it ends; return how it went.

    Memory is bounded: a ring of `BUFFER_S` (within limits), and a block of windows for each model. A stream that does
    not wait for us loses what finds no room, which is counted and told, and no window reaches across such a gap.
    Positions count every sample, also those that are missing. Where the source, a model or a sink fails, what was found
    is told all the same, and the event `end` says what `failed`; the error is raised then.

    Args:
        source: where the samples come from; it is closed at the end.
        sample_rate_hz: theirs.
        classifiers: one or more.
        sink: is told of annotations and events.
        decisions: when something is on the air, and when its label changes.
        timeout_s: a stream silent for so long has ended; None waits for ever.
        duration_s: of the stream, after which we stop.
        show: is called again and again with how it goes.

    Raises:
        ContractError: a model of another number of channels.
        DataError: no sample rate.
        GroundwaveError: a time that is not above 0.
    """
    for name, seconds in (("timeout", timeout_s), ("duration", duration_s)):
        if seconds is not None and not seconds > 0:
            raise GroundwaveError(f"--{name} {seconds:g}", "seconds above 0", "leave it out to wait for the end")
    if not 0 < sample_rate_hz < float("inf"):
        raise DataError(f"a sample rate of {sample_rate_hz} Hz", "a positive number", "give --sample-rate HZ")
    for one in classifiers:
        if one.num_antennas != source.num_channels:
            raise ContractError(
                got=f"a stream of {source.num_channels} channels for {one.name}",
                expected=f"{one.num_antennas}, as the model was trained on",
                do="correct --num-channels, or use another model",
            )
    run = _Run(source, sample_rate_hz, [Watcher(one, decisions or Decisions()) for one in classifiers], sink, show)
    try:
        return run.until_end(timeout_s, duration_s)
    finally:
        run.stop()


class _Run:
    """One stream from its first sample to its last."""

    def __init__(
        self,
        source: LiveSource,
        sample_rate_hz: float,
        watchers: list[Watcher],
        sink: Sink,
        show: Callable[[Progress], None],
    ) -> None:
        self.source, self.watchers, self.sink, self.show = source, watchers, sink, show
        self.progress = Progress(sample_rate_hz)
        self.position, self.clock = 0, _Clock(sample_rate_hz)
        self.step = source.kind.num_bytes * source.num_channels
        size = min(MOST_BUFFER, max(LEAST_BUFFER, round(BUFFER_S * sample_rate_hz)))
        self.ring = Ring(size, self.step)
        self.least = min(AT_ONCE, NUM_WINDOWS * max(one.hop for one in watchers))
        self.heard_at: float | None = None
        self.resumed_at = 0.0  # when what is being heard began, or went on after a pause
        self.error: BaseException | None = None
        self.rate, self.off_rate = _Rate(), False
        self.thread = threading.Thread(target=self._receive, name="receiver", daemon=True)

    def _receive(self) -> None:
        """Put what comes into the ring: the other thread."""
        try:
            for packet in self.source.packets():
                if packet is not None:
                    now = time.monotonic()
                    if self.heard_at is None or now - self.heard_at > PAUSE_S:
                        self.resumed_at = now  # before `heard_at`, so that no look takes the pause for a part of it
                    self.heard_at = now
                if not self.ring.put(packet or Packet(b""), self.source.waits):
                    break
        except BaseException as error:  # told by the thread that computes
            self.error = error
        finally:
            self.ring.close()

    def until_end(self, timeout_s: float | None, duration_s: float | None) -> Progress:
        """Compute until the stream ends, is silent for too long, or has lasted long enough."""
        self.thread.start()
        try:
            with suppress(KeyboardInterrupt):  # what was found is told all the same
                self._work(timeout_s, duration_s)
            self._cut()
        except Exception as error:
            self.error = error
            for watcher in self.watchers:
                self._tell(watcher, watcher.closed())
        finally:
            self._look()
            failed = {} if self.error is None else {"failed": str(self.error)}
            self.sink.event("end", at=self.position, **self.progress.told(), **failed)
        if self.error is not None:
            raise self.error
        return self.progress

    def _work(self, timeout_s: float | None, duration_s: float | None) -> None:
        begun, silent = time.monotonic(), False
        while not self.ring.ended:
            mark, raw = self.ring.take(self.least, AT_ONCE, 0.25)
            if mark:
                self._happened(mark)
            if len(raw):
                self._compute(raw)
                silent = False
            self._look()
            quiet_s = time.monotonic() - (self.heard_at or begun)
            if quiet_s > SILENT_S and not silent and self.heard_at and not len(raw):
                silent = True
                self._cut()
                self.sink.event("silent", at=self.position)
            if timeout_s is not None and quiet_s > timeout_s and not len(raw):
                self.sink.event("timeout", at=self.position, seconds=round(quiet_s, 3))
                return
            if duration_s is not None and self.clock.seconds(self.position) >= duration_s:
                return

    def stop(self) -> None:
        """End the other thread."""
        self.ring.abandon()
        if self.thread.ident is not None:
            self.thread.join(timeout=2 * POLL_S)  # a pipe may keep it waiting; it dies with us
        self.source.close()

    def _compute(self, raw: Any) -> None:
        begun = time.perf_counter()
        iq = self._complex(raw)
        for watcher in self.watchers:
            self._tell(watcher, watcher.push(iq))
        self.position += iq.shape[1]
        self.progress.samples += iq.shape[1]
        self.progress.seconds += iq.shape[1] / self.progress.sample_rate_hz
        self.progress.busy_s += time.perf_counter() - begun

    def _complex(self, raw: Any) -> ComplexArray:
        """Return raw bytes as complex64 `[channel, time]`."""
        parts = raw.view(self.source.kind.component)
        iq = to_complex(parts, self.source.kind.is_complex)
        return np.ascontiguousarray(iq.reshape(-1, self.source.num_channels).T)

    def _happened(self, mark: Mark) -> None:
        """End what is open before a gap, another tuning or another rate, and tell of it."""
        self._cut(mark.lost + mark.dropped)
        self.progress.lost += mark.lost
        if mark.lost or mark.dropped:
            self.sink.event("gap", at=self.position, lost=mark.lost, dropped=mark.dropped)
        self.position += mark.lost + mark.dropped
        if mark.sample_rate_hz and mark.sample_rate_hz != self.progress.sample_rate_hz:
            self.progress.sample_rate_hz = mark.sample_rate_hz
            self.clock.change(self.position, mark.sample_rate_hz)
            seconds = round(self.clock.seconds(self.position), 9)
            self.sink.event("sample rate", at=self.position, seconds=seconds, sample_rate_hz=mark.sample_rate_hz)
            for watcher in self.watchers:
                watcher.forget()

    def _cut(self, lost: int = 0) -> None:
        for watcher in self.watchers:
            self._tell(watcher, watcher.cut(lost))

    def _tell(self, watcher: Watcher, found: list[Annotation]) -> None:
        self.progress.annotations += len(found)
        for one in found:
            begin, end = self.clock.seconds(one.start), self.clock.seconds(one.start + one.count)
            self.sink.annotation(watcher.classifier.name, one, begin, end - begin)

    def _look(self) -> None:
        """Bring the progress up to date, and tell when samples come faster or slower than they should."""
        progress = self.progress
        progress.dropped, progress.filled = self.ring.dropped, self.ring.filled
        progress.thrown = dict(self.source.thrown)
        progress.broken = sum(watcher.broken for watcher in self.watchers)
        progress.now = {watcher.classifier.name: watcher.now for watcher in self.watchers}
        heard_at, resumed_at, samples = self.heard_at, self.resumed_at, self.ring.written + self.ring.dropped
        if heard_at and not self.source.waits and (measured := self.rate.measured(heard_at, resumed_at, samples)):
            progress.arriving_hz = measured
            off = abs(measured / progress.sample_rate_hz - 1) > OFF_RATE
            if off and not self.off_rate:
                self.sink.event("off rate", at=self.position, arriving_hz=round(measured, 1))
            self.off_rate = off
        self.show(progress)


class _Clock:
    """When each sample came, in seconds since the start of the stream, whatever rates there were before."""

    def __init__(self, sample_rate_hz: float) -> None:
        self._position, self._seconds, self._rate = 0, 0.0, sample_rate_hz

    def seconds(self, position: int) -> float:
        """Return when a sample since the last change of the rate came."""
        return self._seconds + (position - self._position) / self._rate

    def change(self, position: int, sample_rate_hz: float) -> None:
        """Count at another rate from a sample on."""
        self._position, self._seconds, self._rate = position, self.seconds(position), sample_rate_hz


class _Rate:
    """How many samples arrive in a second, measured over `RATE_S` in which there was no pause."""

    def __init__(self) -> None:
        self._since: tuple[float, int] | None = None

    def measured(self, heard_at: float, resumed_at: float, samples: int) -> float | None:
        """Return the rate when it has been measured for long enough, up to the last packet."""
        if self._since is None or self._since[0] < resumed_at:
            self._since = (heard_at, samples)
            return None
        elapsed = heard_at - self._since[0]
        if elapsed < RATE_S:
            return None
        rate = (samples - self._since[1]) / elapsed
        self._since = (heard_at, samples)
        return rate
