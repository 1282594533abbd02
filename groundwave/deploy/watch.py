"""From an endless stream to annotations: windows, activity over the noise floor, labels with hysteresis, merging."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from groundwave.data.recording import Annotation
from groundwave.deploy.classifiers import IQ, Classifier, Probabilities
from groundwave.errors import GroundwaveError

NUM_WINDOWS = 64  # decided together
HISTORY = 4096  # powers of windows from which the noise floor is taken

Powers = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Decisions:
    """When something is on the air, and when its label changes.

    Args:
        threshold_db: power of a window over the noise floor with which something begins; it ends at half of that. With
            0 everything is named, as a band that is never quiet needs it.
        floor_quantile: share of the windows that surely hold noise alone.
        overlap: share of a window that the next one sees again.
        memory: weight of the answers before in the mean that decides on the label.
        margin: by how much another label must lead in that mean to take over.
        max_gap: windows of silence after which the same label goes on as one annotation.
        min_windows: annotations of less are dropped.
    """

    threshold_db: float = 3.0
    floor_quantile: float = 0.1
    overlap: float = 0.0
    memory: float = 0.7
    margin: float = 0.1
    max_gap: int = 4
    min_windows: int = 1

    def __post_init__(self) -> None:
        shares = (self.floor_quantile, self.overlap, self.memory, self.margin)
        if not (self.threshold_db >= 0 and all(0 <= s < 1 for s in shares) and self.max_gap >= 0 < self.min_windows):
            raise GroundwaveError(
                got=f"{self}",
                expected="a threshold and gaps of at least 0, shares of 0 up to 1 (exclusive), windows of at least 1",
                do="correct the settings",
            )


@dataclass
class _Segment:
    """An annotation that may still grow."""

    label: int
    start: int
    stop: int
    total: float = 0.0
    num_windows: int = 0


class Watcher:
    """One model on a stream. What it says does not depend on how the stream was cut into packets.

    Windows are decided in blocks of `NUM_WINDOWS`, counted from the start or the last gap. Memory is that of one block
    and of the last `HISTORY` powers.

    Args:
        classifier: names the class of windows.
        decisions: when something is on the air, and when its label changes.

    Attributes:
        broken: windows left out because a sample in them was not finite.
        asked: windows that the classifier was asked about.
    """

    def __init__(self, classifier: Classifier, decisions: Decisions) -> None:
        self.classifier, self.decisions = classifier, decisions
        self.length = classifier.num_samples
        self.hop = max(1, round(self.length * (1 - decisions.overlap)))
        self.broken = self.asked = 0
        self._carry: IQ = np.empty((classifier.num_antennas, 0), np.complex64)
        self._position = 0  # of the first sample in it
        self._powers: Powers = np.empty(0, np.float32)
        self._active = False
        self._label = -1
        self._mean: npt.NDArray[np.float32] | None = None
        self._open: _Segment | None = None

    @property
    def now(self) -> str | None:
        """The label that is on the air at the moment, None where nothing is."""
        return self.classifier.classes[self._label] if self._active and self._label >= 0 else None

    def push(self, iq: IQ) -> list[Annotation]:
        """Take the next samples `[antenna, time]` and return the annotations that are complete."""
        self._carry = np.concatenate([self._carry, iq], axis=1)
        step = NUM_WINDOWS * self.hop
        size = step - self.hop + self.length
        found: list[Annotation] = []
        while self._carry.shape[1] >= size:
            found += self._decide(self._carry[:, :size])
            self._carry = self._carry[:, step:]
            self._position += step
        return found

    def cut(self, lost: int = 0) -> list[Annotation]:
        """Decide on what there is, because the stream does not go on: it ends, or `lost` samples are missing."""
        found = self._decide(self._carry) if self._carry.shape[1] >= self.length else []
        self._position += self._carry.shape[1] + lost
        self._carry = self._carry[:, :0]
        self._active = False
        return found + self._finished()

    def closed(self) -> list[Annotation]:
        """Return the open annotation without another look at the samples, because something has failed."""
        return self._finished()

    def forget(self) -> None:
        """Forget the noise floor, because the receiver has changed."""
        self._powers = self._powers[:0]

    def _decide(self, block: IQ) -> list[Annotation]:
        """Return the annotations that end within a block of windows."""
        windows = np.lib.stride_tricks.sliding_window_view(block, self.length, axis=1)[:, :: self.hop]
        active = self._activity(windows)
        answers = iter(self._ask(windows[:, active].swapaxes(0, 1)) if any(active) else ())
        found: list[Annotation] = []
        for number, heard in enumerate(active):
            start = self._position + number * self.hop
            if heard:
                found += self._name(next(answers), start)
            else:
                self._mean, self._label = None, -1
                if self._open and start - self._open.stop >= self.decisions.max_gap * self.hop:
                    found += self._finished()
        return found

    def _activity(self, windows: IQ) -> list[bool]:
        """Return in which windows `[antenna, W, time]` something is on the air."""
        parts = windows.view(np.float32)
        with np.errstate(all="ignore"):
            powers = np.vecdot(parts, parts).mean(axis=0) / self.length
        good = np.isfinite(powers)
        self.broken += len(good) - int(good.sum())
        heard = good & (powers > 0)  # digital silence says nothing of the noise
        self._powers = np.concatenate([self._powers, powers[heard]])[-HISTORY:]
        if not len(self._powers):
            return [False] * len(powers)
        if not self.decisions.threshold_db:
            return [bool(one) for one in heard]
        floor = float(np.quantile(self._powers, self.decisions.floor_quantile))
        loud = floor * 10 ** (self.decisions.threshold_db / 10)
        faint = floor * 10 ** (self.decisions.threshold_db / 20)
        active = []
        for power, one in zip(powers.tolist(), heard.tolist(), strict=True):
            self._active = one and power > (faint if self._active else loud)
            active.append(self._active)
        return active

    def _ask(self, windows: IQ) -> Probabilities:
        self.asked += len(windows)
        return self.classifier.answer(np.ascontiguousarray(windows))

    def _name(self, answer: npt.NDArray[np.float32], start: int) -> list[Annotation]:
        """Take a window's probabilities into the mean, and return the annotation that its label ends, if any."""
        memory = self.decisions.memory
        mean = answer if self._mean is None else memory * self._mean + (1 - memory) * answer
        top = int(mean.argmax())
        if self._label < 0 or mean[top] > mean[self._label] + self.decisions.margin:
            self._label = top
        self._mean = mean
        found: list[Annotation] = []
        if self._open and (
            self._open.label != self._label or start - self._open.stop > self.decisions.max_gap * self.hop
        ):
            found = self._finished(before=start)
        if self._open is None:
            self._open = _Segment(self._label, start, start)
        self._open.stop = start + self.length
        self._open.total += float(answer[self._label])
        self._open.num_windows += 1
        return found

    def _finished(self, before: int | None = None) -> list[Annotation]:
        """Return the open annotation, ended before another begins, unless it is too short."""
        done, self._open = self._open, None
        if done is None or done.num_windows < self.decisions.min_windows:
            return []
        stop = done.stop if before is None else min(done.stop, before)
        label = self.classifier.classes[done.label]
        confidence = done.total / done.num_windows
        return [Annotation(done.start, stop - done.start, label, confidence=confidence)]
