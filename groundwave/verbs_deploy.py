"""What the command line can do with a finished model; as `verbs.py`, one typed function a verb."""

import sys
from pathlib import Path
from typing import Literal, Unpack

from groundwave.atomic import check_output
from groundwave.windows import Windows, reader_options


def compress(
    model: str,
    *,
    data: Path,
    budget: str,
    out: Path,
    shrink: tuple[float, ...] = (2, 4, 8, 16),
    epochs: int = 10,
    num_records: int = 20_000,
    seed: int = 0,
    **windows: Unpack[Windows],
) -> None:
    """Make an adapted model smaller and faster (prune, distil, INT8, early exits) and keep what a budget allows.

    Args:
        model: packaged model or model folder, with a head.
        data: store or .npz of labelled records with groups, which are dealt to training, validation and test.
        budget: accuracy=-POINTS (the fastest that loses no more), latency=MS for one record, or size=KB (the most
            accurate within); all on validation records, times those of the median record.
        out: the folder to make: the model, the ONNX file where that is chosen, table.csv and report.html.
        shrink: by how much parameters are divided, one step after the other, in ascending order.
        epochs: of learning from the original after each step.
        num_records: at most so many are read.
        seed: of the split, the order and new weights.
        windows: see `Windows`.
    """
    check_output(out)
    from groundwave.recipes.bar import bar
    from groundwave.recipes.compress import compress as run

    with bar("compressing", "step") as progress:
        base, chosen = run(
            model,
            data=data,
            budget=budget,
            out=out,
            shrink=shrink,
            epochs=epochs,
            num_records=num_records,
            seed=seed,
            options=reader_options(windows),
            progress=progress,
        )
    print(chosen.beside(base))
    print(f"model: {out / 'model'}")
    if (out / "model.onnx").exists():
        print(f"what was chosen: {out / 'model.onnx'}")
    print(f"all forms that were tried: {out / 'report.html'}")


def export(
    *,
    model: str,
    out: Path,
    num_samples: int | None = None,
    size: tuple[int, int] | None = None,
    layout: Literal["rows", "interleaved"] = "rows",
    shapes: Literal["static", "batch", "free"] = "batch",
    data: Path | None = None,
    sample_rate: float | None = None,
    tolerance: float = 1e-4,
    exits: Literal["drop", "split"] = "drop",
) -> None:
    """Write a model as one ONNX file that describes itself, after checking it against PyTorch.

    docs/onnx.md tells what is in the file.

    Args:
        model: packaged model or model folder.
        out: the .onnx to make, or .ort for ONNX Runtime's own format; of parts a folder.
        num_samples: length of the input of a model of IQ; the model's own by default.
        size: subcarriers and packets of the input of a model of CSI.
        layout: of IQ, rows I and Q or one row of I and Q in turns (as GNU Radio's complex streams are).
        shapes: one record at a time, any number of them, or also any length of IQ.
        data: real records to check on, beside noise and a made signal: a recording, a store or a .npz.
        sample_rate: of the recording in Hz, where it does not say.
        tolerance: largest difference from PyTorch.
        exits: of a model that has early exits: drop writes the whole network without them, split a folder of parts, a
            file for what lies between one exit and the next.
    """
    check_output(out)
    from groundwave.recipes.export import export as run

    path, written = run(
        model,
        out,
        num_samples=num_samples,
        size=size,
        layout=layout,
        shapes=shapes,
        data=data,
        sample_rate_hz=sample_rate,
        tolerance=tolerance,
        exits=exits,
    )
    print(f"ONNX {'parts' if exits == 'split' else 'model'}: {path}")
    if written.exits and exits == "drop":
        left = f"without its early exits ({written.exits.num_exits})"
        print(f"{left}: every record goes all the way; --exits split writes them as parts")
    if written.head is None:
        what = f"features (an embedding of {written.num_features} numbers), as the model has no head"
        print(f"it returns {what}; `groundwave adapt` gives it classes")


def stream(
    input: str,
    *,
    model: list[str],
    sample_rate: float | None = None,
    datatype: str | None = None,
    num_channels: int | None = None,
    header: Literal["none", "sequence", "sequence+size"] = "none",
    out: Path | None = None,
    sigmf: Path | None = None,
    threshold_db: float = 3.0,
    overlap: float = 0.0,
    max_gap: int = 4,
    min_windows: int = 1,
    timeout: float | None = None,
    duration: float | None = None,
) -> None:
    """Let models name what is on the air in a recording or a live stream, as it comes; prints lines of JSON.

    How it goes (real-time factor, drops, what is heard) is shown on the terminal. docs/stream.md tells more.

    Args:
        input: a recording, - for standard input, udp://HOST:PORT, or sub:ADDRESS and pull:ADDRESS for what GNU Radio's
            ZeroMQ PUB and PUSH sinks send (tcp://HOST:PORT).
        model: packaged models, model folders, or files that `export` wrote; several at once.
        sample_rate: in Hz, where a recording does not say.
        datatype: of the samples (cu8, cs16, cf32, ...); cf32 for live streams by default.
        num_channels: interleaved sample by sample.
        header: what stands before the samples of a UDP packet: GNU Radio's sequence numbers.
        out: file for the lines instead of the standard output.
        sigmf: SigMF metadata to make with the annotations.
        threshold_db: power of a window over the noise floor that counts as a signal; 0 names everything.
        overlap: share of a window that the next one sees again.
        max_gap: windows of silence after which the same label goes on as one annotation.
        min_windows: annotations of less windows are dropped.
        timeout: seconds of silence after which a live stream has ended; by default never.
        duration: seconds of the stream after which to stop.
    """
    check_output(out)
    check_output(sigmf)
    from groundwave.deploy.watch import Decisions
    from groundwave.recipes.stream import stream as run

    progress, written = run(
        input,
        model,
        sample_rate_hz=sample_rate,
        datatype=datatype,
        num_channels=num_channels,
        header=header,
        out=out,
        sigmf=sigmf,
        decisions=Decisions(threshold_db=threshold_db, overlap=overlap, max_gap=max_gap, min_windows=min_windows),
        timeout_s=timeout,
        duration_s=duration,
    )
    lost = f"{progress.dropped} samples dropped, {progress.lost} lost"
    print(f"{progress.annotations} annotations, {progress.real_time_factor:.2f} x real time, {lost}", file=sys.stderr)
    for path in written:
        print(f"SigMF: {path}", file=sys.stderr)


def serve(
    model: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token_file: Path | None = None,
    body_mb: float = 4.0,
    seconds: float = 10.0,
) -> None:
    """Answer HTTP requests with a model: embed, predict, adapt with few labels, model card, health.

    Only this machine can ask, unless --host says otherwise; then a token is needed. docs/serve.md tells more.

    Args:
        model: packaged model or model folder.
        host: address to listen on.
        port: to listen on; 0 takes any that is free.
        token_file: holds the token that requests must bring; without it, the variable GROUNDWAVE_TOKEN, if it is set.
        body_mb: most of a request, in megabytes.
        seconds: in which a request must have come, and in which it must be answered.
    """
    from groundwave.recipes.serve import serve as run

    run(model, host=host, port=port, token_file=token_file, body_mb=body_mb, seconds=seconds)
