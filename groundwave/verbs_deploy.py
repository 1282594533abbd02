"""What the command line can do with a finished model; as `verbs.py`, one typed function a verb."""

from pathlib import Path
from typing import Literal

from groundwave.data.atomic import check_output


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
    sample_rate: float | None = None,
    iq: str | None = None,
    label: str | None = None,
    group: str | None = None,
    classes: str | None = None,
) -> None:
    """Make an adapted model smaller and faster (prune, distil, INT8, early exits) and keep what a budget allows.

    Args:
        model: packaged model or model folder, with a head.
        data: store or .npz of labelled records with groups, which are dealt to training, validation and test.
        budget: accuracy=-POINTS (the fastest that loses no more), latency=MS for one record, or size=KB (the most
            accurate within); all on validation records.
        out: the folder to make: the model, the ONNX file where that is chosen, table.csv and report.html.
        shrink: by how much parameters are divided, one step after the other.
        epochs: of learning from the original after each step.
        num_records: at most so many are read.
        seed: of the split, the order and new weights.
        sample_rate: of the windows in Hz, where a .npz does not say.
        iq: name of the array of windows in a .npz.
        label: name of the array of labels in a .npz.
        group: name of the array of groups (recording, device, ...) in a .npz.
        classes: name of the array of class names in a .npz, if labels are numbers.
    """
    check_output(out)
    from groundwave.recipes.bar import bar
    from groundwave.recipes.compress import compress as run

    options = {"sample_rate_hz": sample_rate, "iq": iq, "label": label, "group": group, "classes": classes}
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
            options=options,
            progress=progress,
        )
    print(chosen.beside(base))
    print(f"model: {out / 'model'}")
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
) -> None:
    """Write a model as one ONNX file that describes itself, after checking it against PyTorch.

    docs/onnx.md tells what is in the file.

    Args:
        model: packaged model or model folder.
        out: the .onnx to make, or .ort for ONNX Runtime's own format.
        num_samples: length of the input of a model of IQ; the model's own by default.
        size: subcarriers and packets of the input of a model of CSI.
        layout: of IQ, rows I and Q or one row of I and Q in turns (as GNU Radio's complex streams are).
        shapes: one record at a time, any number of them, or also any length of IQ.
        data: real records to check on, beside noise and a made signal: a recording, a store or a .npz.
        sample_rate: of the recording in Hz, where it does not say.
        tolerance: largest difference from PyTorch.
    """
    check_output(out)
    from groundwave.recipes.export import export as run

    path = run(
        model,
        out,
        num_samples=num_samples,
        size=size,
        layout=layout,
        shapes=shapes,
        data=data,
        sample_rate_hz=sample_rate,
        tolerance=tolerance,
    )
    print(f"ONNX model: {path}")
