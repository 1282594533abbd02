"""A stream from its source to its sinks: nothing is lost silently, whatever the sender does."""

import io
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import sigmf
from fake.classifiers import TurnClassifier, air

from groundwave.data.live import RecordingSource
from groundwave.data.raw import open_raw
from groundwave.data.recording import Annotation, Recording
from groundwave.data.ring import Packet
from groundwave.data.samples import sample_type
from groundwave.data.sigmf import open_sigmf
from groundwave.deploy import sinks as module
from groundwave.deploy import stream as streaming
from groundwave.deploy.sinks import Lines, SigMFFiles, Sinks
from groundwave.deploy.stream import Progress, stream
from groundwave.errors import ContractError, DataError, OutputExistsError

IQ = air((1000, 3000, "right"), (8000, 2000, "left"))
RATE = 1e5


class Sender:
    """A live source that plays a script of packets; a number is a pause in seconds."""

    kind, num_channels, waits = sample_type("cf32"), 1, False

    def __init__(self, *script: Packet | float) -> None:
        self.script, self.thrown, self.closed = script, Counter(), False

    def packets(self) -> Iterator[Packet | None]:
        for step in self.script:
            if isinstance(step, Packet):
                yield step
            else:
                until = time.monotonic() + step
                while time.monotonic() < until:
                    time.sleep(0.01)
                    yield None

    def close(self) -> None:
        self.closed = True


def played(*script: Packet | float, **settings: object) -> tuple[Progress, list[dict[str, object]]]:
    file, source = io.StringIO(), Sender(*script)
    progress = stream(source, RATE, [TurnClassifier()], Lines(file), **settings)  # type: ignore[arg-type]
    assert source.closed
    return progress, [json.loads(line) for line in file.getvalue().splitlines()]


def packet(start: int, stop: int, **told: object) -> Packet:
    return Packet(IQ[start:stop].tobytes(), **told)  # type: ignore[arg-type]


def annotations(lines: list[dict[str, object]]) -> list[tuple[object, ...]]:
    return [(line["label"], line["start"], line["count"]) for line in lines if "label" in line]


WHOLE = [("right", 960, 3072), ("left", 8000, 2048)]


def test_a_stream_is_told_in_lines() -> None:
    progress, lines = played(*(packet(k, k + 700) for k in range(0, 20_000, 700)))
    assert annotations(lines) == WHOLE
    assert lines[0]["start_s"] == pytest.approx(0.0096)
    assert lines[-1]["event"] == "end"
    assert (lines[-1]["samples"], lines[-1]["dropped"], lines[-1]["lost"]) == (20_000, 0, 0)
    assert progress.samples == 20_000
    assert progress.real_time_factor > 0


def test_lost_packets_are_told_and_positions_count_them() -> None:
    progress, lines = played(packet(0, 5000), packet(6000, 20_000, lost=1000))
    assert annotations(lines)[0] == WHOLE[0]
    assert abs(annotations(lines)[1][1] - 8000) <= 64  # type: ignore[operator]
    assert {"event": "gap", "at": 5000, "lost": 1000, "dropped": 0} in lines
    assert progress.lost == 1000


def test_a_pause_tells_what_is_open_and_the_stream_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "SILENT_S", 0.05)
    _, lines = played(packet(0, 3000), 0.6, packet(3000, 20_000))
    assert {"event": "silent", "at": 3000} in lines
    assert [label for label, _, _ in annotations(lines)] == ["right", "right", "left"]


def test_a_stream_that_stops_has_ended_after_the_timeout() -> None:
    progress, lines = played(packet(0, 12_000), 60.0, timeout_s=0.3)
    assert annotations(lines) == WHOLE
    assert [line["event"] for line in lines if "event" in line] == ["timeout", "end"]
    assert progress.samples == 12_000


def test_a_stream_that_never_begins_has_ended_after_the_timeout() -> None:
    _, lines = played(60.0, timeout_s=0.2)
    assert [line["event"] for line in lines] == ["timeout", "end"]


def test_another_sample_rate_counts_in_seconds_from_there_on() -> None:
    progress, lines = played(packet(0, 6000), packet(6000, 20_000, sample_rate_hz=2 * RATE))
    assert {"event": "sample rate", "at": 6000, "seconds": 0.06, "sample_rate_hz": 2 * RATE} in lines
    left = next(line for line in lines if line.get("label") == "left")
    assert left["start_s"] == pytest.approx(0.06 + (left["start"] - 6000) / (2 * RATE), abs=1e-9)  # type: ignore[operator]
    assert [line["duration_s"] for line in lines if "label" in line] == pytest.approx([0.03072, 0.0106], rel=0.05)
    assert progress.sample_rate_hz == 2 * RATE
    assert lines[-1]["seconds"] == pytest.approx(6000 / RATE + 14_000 / (2 * RATE))
    assert progress.real_time_factor == pytest.approx(0.13 / progress.busy_s)


def test_a_duration_counts_seconds_at_the_rates_that_there_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "AT_ONCE", 1000)
    steps = [packet(k, k + 1000, sample_rate_hz=2 * RATE) for k in range(6000, 20_000, 1000)]
    progress, _ = played(packet(0, 6000), *steps, duration_s=0.09)
    assert progress.samples == 6000 + 6000


def test_samples_that_come_at_another_rate_than_told_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "RATE_S", 0.1)
    steps = [step for k in range(0, 20_000, 1000) for step in (packet(k, k + 1000), 0.03)]  # 33 kHz at most
    progress, lines = played(*steps)
    assert [line["event"] for line in lines if "event" in line] == ["off rate", "end"]
    assert progress.arriving_hz is not None
    assert progress.arriving_hz < 4e4


class Pausing(Sender):
    """Sends at the right rate whatever the machine does, but twice is silent."""

    def packets(self) -> Iterator[Packet | None]:
        for pause_s in (1.0, 0.45):
            begun = time.monotonic()
            for k in range(160):
                time.sleep(max(0.0, begun + 0.01 * k - time.monotonic()))
                yield packet(0, 1000)
            time.sleep(pause_s)


def test_a_pause_is_no_other_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "RATE_S", 1.0)
    file = io.StringIO()
    progress = stream(Pausing(), RATE, [TurnClassifier()], Lines(file))
    assert '"off rate"' not in file.getvalue()
    assert progress.arriving_hz == pytest.approx(RATE, rel=streaming.OFF_RATE)


class Slow(TurnClassifier):
    """A classifier that waits until the sender has sent everything."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = threading.Event()

    def answer(self, iq: np.ndarray) -> np.ndarray:
        assert self.may_go_on.wait(20)
        return super().answer(iq)


class Endless(Sender):
    """Sends far more than the ring holds while the classifier waits."""

    slow: Slow

    def packets(self) -> Iterator[Packet | None]:
        yield packet(0, 20_000)
        time.sleep(0.3)  # by now it computes
        for _ in range(40):
            yield packet(0, 20_000)
        self.slow.may_go_on.set()


def test_what_cannot_be_kept_up_with_is_dropped_and_counted() -> None:
    source, slow, file = Endless(), Slow(), io.StringIO()
    source.slow = slow
    progress = stream(source, RATE, [slow], Lines(file))
    assert progress.dropped > 0
    assert progress.samples + progress.dropped == 41 * 20_000
    assert progress.samples <= 2 * streaming.LEAST_BUFFER
    told = [json.loads(line) for line in file.getvalue().splitlines()]
    assert told[-1]["dropped"] == progress.dropped


def test_two_models_at_once_and_sigmf_that_the_validator_accepts(tmp_path: Path) -> None:
    path = tmp_path / "air.cs16"
    (np.stack([IQ.real, IQ.imag], axis=-1) * 16_000).astype("<i2").tofile(path)
    recording, out = open_raw(path, sample_rate_hz=RATE), tmp_path / "air.sigmf-meta"
    kept = SigMFFiles(out, RATE, 1, recording)
    models = [TurnClassifier(), TurnClassifier(128, "other")]
    progress = stream(RecordingSource(recording), RATE, models, Sinks([Lines(io.StringIO()), kept]))
    assert kept.written == [out]
    found = sigmf.fromfile(str(out))
    found.validate()
    comments = Counter(a["core:comment"] for a in found.get_annotations())
    assert comments == {"model turn": 2, "model other": 2}
    assert progress.annotations == 4
    assert len(open_sigmf(out).annotations) == 4
    with pytest.raises(OutputExistsError):
        SigMFFiles(out, RATE, 1, recording)
    with pytest.raises(DataError, match="sigmf-meta"):
        SigMFFiles(tmp_path / "air.json", RATE, 1, recording)


def test_sigmf_of_a_live_stream_begins_anew_with_another_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ANNOTATIONS", 2)
    kept = SigMFFiles(tmp_path / "live.sigmf-meta", RATE, 1, None)
    for start in (0, 100, 200):
        kept.annotation("turn", Annotation(start, 50, "left", confidence=0.9), start / RATE, 50 / RATE)
    kept.event("sample rate", at=300, seconds=3.0, sample_rate_hz=2 * RATE)
    kept.annotation("turn", Annotation(300, 50, "left", confidence=0.9), 3.0, 25 / RATE)
    kept.event("end", at=400)
    assert [path.name for path in kept.written] == [f"live{n}.sigmf-meta" for n in ("", "-2", "-3")]
    rates, counts, begun = [], [], []
    for path in kept.written:
        found = sigmf.SigMFFile(metadata=path.read_text())
        found.validate()
        rates.append(found.get_global_field("core:sample_rate"))
        counts.append(len(found.get_annotations()))
        begun.append(found.get_captures()[-1])
    assert (rates, counts) == ([RATE, RATE, 2 * RATE], [2, 1, 1])
    assert [capture["core:sample_start"] for capture in begun] == [0, 0, 300]
    first, _, third = (datetime.fromisoformat(capture["core:datetime"]) for capture in begun)
    assert (third - first).total_seconds() == pytest.approx(3.0)
    for path in sorted(kept.written):
        with pytest.raises(OutputExistsError, match=path.name):
            SigMFFiles(tmp_path / "live.sigmf-meta", RATE, 1, None)
        path.unlink()
    (tmp_path / "live-east.sigmf-meta").touch()
    SigMFFiles(tmp_path / "live.sigmf-meta", RATE, 1, None)


def test_streams_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="--sample-rate"):
        stream(Sender(), 0.0, [TurnClassifier()], Lines(io.StringIO()))
    two = RecordingSource(Recording("x", Path("x"), RATE, 9, 2, lambda start, count: np.zeros((2, count), "c8")))
    with pytest.raises(ContractError, match="2 channels"):
        stream(two, RATE, [TurnClassifier()], Lines(io.StringIO()))


class Unplugged(Sender):
    def packets(self) -> Iterator[Packet | None]:
        yield from super().packets()
        raise OSError("the cable")


class Forgetful(TurnClassifier):
    """A classifier that fails on what it hears second."""

    def answer(self, iq: np.ndarray) -> np.ndarray:
        answer = super().answer(iq)
        if (answer.argmax(axis=-1) == self.classes.index("left")).any():
            raise RuntimeError("out of memory")
        return answer


class Gone(Lines):
    """Lines into a pipe whose reader goes after the first annotation."""

    def event(self, name: str, **told: object) -> None:
        raise BrokenPipeError("the reader")


@pytest.mark.parametrize(
    ("source", "classifier", "lines", "error", "labels"),
    [
        (Unplugged(packet(0, 9000)), TurnClassifier(), Lines, "the cable", ["right", "left"]),
        (Sender(packet(0, 3000), packet(3000, 20_000)), Forgetful(), Lines, "out of memory", ["right"]),
        (Sender(packet(0, 20_000)), TurnClassifier(), Gone, "the reader", ["right", "left"]),
    ],
    ids=["source", "model", "sink"],
)
def test_what_was_found_before_a_failure_is_kept(
    source: Sender, classifier: TurnClassifier, lines: type[Lines], error: str, labels: list[str], tmp_path: Path
) -> None:
    out, file = tmp_path / "live.sigmf-meta", io.StringIO()
    with pytest.raises((OSError, RuntimeError), match=error):
        stream(source, RATE, [classifier], Sinks([lines(file), SigMFFiles(out, RATE, 1, None)]))
    found = sigmf.SigMFFile(metadata=out.read_text()).get_annotations()
    assert [one["core:label"] for one in found] == labels
    if lines is Lines:
        assert json.loads(file.getvalue().splitlines()[-1])["failed"] == error
    assert source.closed
