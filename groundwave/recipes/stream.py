"""From what a user names to a running stream: its source, its models, its outputs, and how it goes on the terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from groundwave.data.live import Header, LiveSource, PipeSource, RecordingSource, UDPSource, ZeroMQSource
from groundwave.data.recording import Recording
from groundwave.deploy.classifiers import open_classifier
from groundwave.deploy.sinks import Lines, SigMFFiles, Sinks
from groundwave.deploy.stream import Progress, Sink
from groundwave.deploy.stream import stream as run
from groundwave.deploy.watch import Decisions
from groundwave.errors import DataError, GroundwaveError, OutputExistsError
from groundwave.recipes.inputs import open_input

REFRESH_S = 0.25


def stream(
    input: str,
    models: list[str],
    *,
    sample_rate_hz: float | None,
    datatype: str | None,
    num_channels: int | None,
    header: Header,
    out: Path | None,
    sigmf: Path | None,
    decisions: Decisions,
    timeout_s: float | None,
    duration_s: float | None,
) -> tuple[Progress, list[Path]]:
    """Let models name what is in a stream; return how it went and the SigMF files that were written.

    Args:
        input: a recording, `-` for standard input, `udp://HOST:PORT`, `sub:ADDRESS` or `pull:ADDRESS` of ZeroMQ.
        models: packaged models, model folders, exported files.
        sample_rate_hz: of the samples, where a recording does not say.
        datatype: of the samples; complex float32 by default, or what a recording says.
        num_channels: interleaved sample by sample.
        header: what stands before the samples of a UDP packet.
        out: file for the lines of JSON; standard output by default.
        sigmf: SigMF metadata to make.
        decisions: when something is on the air, and when its label changes.
        timeout_s: a stream silent for so long has ended.
        duration_s: of the stream, after which we stop.

    Raises:
        OutputExistsError: an output exists.
        DataError: no sample rate, or an input that cannot be opened.
    """
    for path in (out, sigmf):
        if path is not None and path.exists():
            raise OutputExistsError(path)
    classifiers = [open_classifier(name) for name in models]
    with ExitStack() as stack:
        source, recording = _source(input, sample_rate_hz, datatype, num_channels, header)
        stack.callback(source.close)
        rate = recording.sample_rate_hz if recording else sample_rate_hz
        if rate is None:
            raise DataError(f"{input} without a sample rate", "one, as a stream does not say", "give --sample-rate HZ")
        file = stack.enter_context(out.open("x")) if out else sys.stdout
        sinks: list[Sink] = [Lines(file)]
        kept = SigMFFiles(sigmf, rate, source.num_channels, recording) if sigmf else None
        show = stack.enter_context(_display(input, source))
        progress = run(
            source,
            rate,
            classifiers,
            Sinks([*sinks, kept] if kept else sinks),
            decisions=decisions,
            timeout_s=timeout_s,
            duration_s=duration_s,
            show=show,
        )
    return progress, kept.written if kept else []


def _source(
    input: str, sample_rate_hz: float | None, datatype: str | None, num_channels: int | None, header: Header
) -> tuple[LiveSource, Recording | None]:
    """Return what an input stands for, and the recording where it is one."""
    kind, channels = datatype or "cf32_le", num_channels or 1
    scheme, _, rest = input.partition(":")
    if header != "none" and scheme != "udp":
        raise GroundwaveError(f"--header {header} for {input}", "a UDP stream", "leave it out")
    if input == "-":
        return PipeSource(kind, channels, _standard_input()), None
    if scheme == "udp":
        host, _, port = rest.removeprefix("//").rpartition(":")
        if not (host and port.isdigit() and int(port) < 1 << 16):
            raise DataError(f"the address {input!r}", "udp://HOST:PORT", "write, for instance, udp://127.0.0.1:5555")
        return UDPSource(host.strip("[]"), int(port), kind, channels, header), None
    if scheme == "sub" or scheme == "pull":
        return ZeroMQSource("sub" if scheme == "sub" else "pull", rest, kind, channels), None
    options: dict[str, Any] = {"sample_rate_hz": sample_rate_hz, "datatype": datatype, "num_channels": num_channels}
    opened = open_input(input, **options)
    if not isinstance(opened, Recording):
        raise DataError(f"{input}, which holds windows", "a long recording or a live stream", "use groundwave predict")
    return RecordingSource(opened), opened


def _standard_input() -> int:
    """Return the descriptor of standard input; raises `DataError` where there is none."""
    try:
        return sys.stdin.fileno()  # sys.stdin is None where the shell has closed it
    except (AttributeError, OSError, ValueError) as error:
        raise DataError(
            got="- for a standard input that is closed",
            expected="samples on it",
            do="pipe them in: rtl_sdr ... - | groundwave stream - ..., or name a file",
        ) from error


@contextmanager
def _display(input: str, source: LiveSource) -> Iterator[Callable[[Progress], None]]:
    """Show how a stream goes on the terminal of the error output; without one, nothing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda progress: None
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        last = 0.0

        def show(progress: Progress) -> None:
            nonlocal last
            if time.monotonic() - last >= REFRESH_S:
                last = time.monotonic()
                live.update(table(input, progress, source.waits), refresh=True)

        yield show


def table(input: str, progress: Progress, waits: bool) -> Table:
    """Return how a stream goes as a table for the terminal."""
    rate = progress.sample_rate_hz
    factor = progress.real_time_factor
    arriving = f", arriving at {progress.arriving_hz / 1e6:.3f} MS/s" if progress.arriving_hz else ""
    thrown = ", ".join(f"{count} {reason}" for reason, count in progress.thrown.items() if count)
    found = Table(title=f"{input} at {rate / 1e6:g} MS/s{arriving}", show_header=False, title_justify="left")
    found.add_row("looked at", f"{progress.seconds:,.1f} s, {progress.samples:,} samples")
    found.add_row("real-time factor", f"{factor:.2f}" + ("" if factor >= 1 or waits else "  TOO SLOW"))
    found.add_row("buffer", f"{100 * progress.filled:.0f} % full")
    found.add_row("dropped here", f"{progress.dropped:,} samples")
    found.add_row("lost on the way", f"{progress.lost:,} samples{'; ' if thrown else ''}{thrown}")
    found.add_row("windows not finite", f"{progress.broken:,}")
    found.add_row("annotations", f"{progress.annotations:,}")
    for model, label in progress.now.items():
        found.add_row(model, label or "-")
    return found
