"""Where the annotations of a stream go: lines of JSON, and SigMF metadata."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from groundwave.data.recording import Annotation, Capture, Recording
from groundwave.data.samples import ComplexArray
from groundwave.data.sigmf import META
from groundwave.data.sigmf_out import write_annotations
from groundwave.deploy.stream import Sink
from groundwave.errors import DataError, OutputExistsError

MOST_ANNOTATIONS = 50_000  # of one SigMF file; what follows goes to the next


class Lines:
    """One JSON object a line: annotations, and events under the key `event`.

    Args:
        file: is flushed after each line.
    """

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def annotation(self, model: str, found: Annotation, sample_rate_hz: float) -> None:
        """Write an annotation, in samples and in seconds since the start of the stream."""
        self._write(
            {
                "model": model,
                "label": found.label,
                "start": found.start,
                "count": found.count,
                "start_s": round(found.start / sample_rate_hz, 9),
                "duration_s": round(found.count / sample_rate_hz, 9),
                "confidence": round(found.confidence or 0.0, 4),
            }
        )

    def event(self, name: str, **told: Any) -> None:
        """Write what happened."""
        self._write({"event": name, **told})

    def _write(self, fields: dict[str, Any]) -> None:
        print(json.dumps(fields), file=self.file, flush=True)


class SigMFFiles:
    """SigMF metadata with annotations: those of a recording beside its data, those of a live stream alone.

    `NAME.sigmf-meta`, then `NAME-2.sigmf-meta` and so on when another sample rate begins or a file has
    `MOST_ANNOTATIONS`; so memory is bounded. The model's name stands in each annotation's `core:comment`.

    Args:
        path: ends in `.sigmf-meta`.
        sample_rate_hz: of the stream.
        num_channels: of the stream.
        recording: that the stream is made of, if it is.
    """

    def __init__(self, path: Path, sample_rate_hz: float, num_channels: int, recording: Recording | None) -> None:
        if path.suffix != META:
            raise DataError(f"{path}", f"a name that ends in {META}", "choose such a name")
        if path.exists():
            raise OutputExistsError(path)
        self.path, self.recording, self.num_channels = path, recording, num_channels
        self.rate = sample_rate_hz
        self.written: list[Path] = []
        self._found: list[Annotation] = []
        self._begun = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def annotation(self, model: str, found: Annotation, sample_rate_hz: float) -> None:
        """Keep an annotation, and write a file when there are many."""
        self._found.append(replace(found, extra={**found.extra, "core:comment": f"model {model}"}))
        if len(self._found) >= MOST_ANNOTATIONS:
            self._save()

    def event(self, name: str, **told: Any) -> None:
        """Begin another file with another sample rate, and write the last one at the end."""
        if name == "sample rate":
            if self._found:
                self._save()
            self.rate = float(told["sample_rate_hz"])
        elif name == "end" and (self._found or not self.written):
            self._save()

    def _save(self) -> None:
        number = len(self.written) + 1
        name = self.path if number == 1 else self.path.with_name(f"{self.path.stem}-{number}{META}")
        self.written.append(write_annotations(self.recording or self._stream(), self._found, name))
        self._found = []

    def _stream(self) -> Recording:
        """Return what a live stream was, as a recording whose samples nobody has kept."""
        length = max((a.start + a.count for a in self._found), default=0)
        capture = Capture(0, extra={"core:datetime": self._begun})
        return Recording(self.path.stem, self.path, self.rate, length, self.num_channels, _nothing, (capture,))


def _nothing(start: int, count: int) -> ComplexArray:
    return np.empty((1, 0), np.complex64)


class Sinks:
    """Several sinks as one."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self.sinks = sinks

    def annotation(self, model: str, found: Annotation, sample_rate_hz: float) -> None:
        """Tell all of an annotation."""
        for sink in self.sinks:
            sink.annotation(model, found, sample_rate_hz)

    def event(self, name: str, **told: Any) -> None:
        """Tell all of what happened."""
        for sink in self.sinks:
            sink.event(name, **told)
