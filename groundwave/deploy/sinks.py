"""Where the annotations of a stream go: lines of JSON, and SigMF metadata."""

import json
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
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

    def annotation(self, model: str, found: Annotation, start_s: float, duration_s: float) -> None:
        """Write an annotation, in samples and in seconds since the start of the stream."""
        self._write(
            {
                "model": model,
                "label": found.label,
                "start": found.start,
                "count": found.count,
                "start_s": round(start_s, 9),
                "duration_s": round(duration_s, 9),
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
        ours = re.compile(rf"{re.escape(path.stem)}(-\d+)?{re.escape(META)}")
        for there in sorted(path.parent.glob(f"*{META}")):
            if ours.fullmatch(there.name):
                raise OutputExistsError(there)
        self.path, self.recording, self.num_channels = path, recording, num_channels
        self.rate = sample_rate_hz
        self.written: list[Path] = []
        self._found: list[Annotation] = []
        self._begun = datetime.now(UTC)
        self._captures: tuple[Capture, ...] = (self._capture(0, 0.0),)

    def annotation(self, model: str, found: Annotation, start_s: float, duration_s: float) -> None:
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
            self._captures = (Capture(0), self._capture(told["at"], told["seconds"]))
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
        return Recording(self.path.stem, self.path, self.rate, length, self.num_channels, _nothing, self._captures)

    def _capture(self, start: int, seconds: float) -> Capture:
        """Return a capture that says when its first sample came."""
        came = self._begun + timedelta(seconds=seconds)
        return Capture(start, extra={"core:datetime": came.strftime("%Y-%m-%dT%H:%M:%S.%fZ")})


def _nothing(start: int, count: int) -> ComplexArray:
    return np.empty((1, 0), np.complex64)


class Sinks:
    """Several sinks as one: all are told, even where one fails, as a pipe whose reader has gone."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self.sinks = sinks

    def annotation(self, model: str, found: Annotation, start_s: float, duration_s: float) -> None:
        """Tell all of an annotation."""
        with ExitStack() as stack:
            for sink in reversed(self.sinks):
                stack.callback(sink.annotation, model, found, start_s, duration_s)

    def event(self, name: str, **told: Any) -> None:
        """Tell all of what happened."""
        with ExitStack() as stack:
            for sink in reversed(self.sinks):
                stack.callback(sink.event, name, **told)
