"""Asking a model about files: annotations for recordings, tables for windows, features for everything else."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from groundwave.atomic import write_atomically
from groundwave.data.recording import Recording
from groundwave.data.sigmf_out import write_annotations
from groundwave.deploy.annotate import annotate, matched
from groundwave.deploy.boxes import MIN_CELLS
from groundwave.deploy.cells import annotate_cells
from groundwave.errors import DataError, ModelError, OutputExistsError
from groundwave.model import Model
from groundwave.recipes.inputs import BATCH, open_any

PIECE = 1 << 20  # samples that are looked at together


def predict(
    model: str,
    input: Path,
    *,
    out: Path | None,
    format: str | None,
    threshold_db: float,
    options: Mapping[str, Any],
    min_cells: int = MIN_CELLS,
) -> tuple[Path, str]:
    """Write what a model says about an input beside it (or to `out`); return the path and what it holds.

    Raises:
        OutputExistsError: the output exists.
        ModelError: the model has no head.
    """
    source = open_any(input, format=format, **options)
    recording = isinstance(source, Recording)
    default = source.path.with_name(f"{source.name}.groundwave.sigmf-meta") if recording else _beside(input)
    target = out or default
    if target.exists():
        raise OutputExistsError(target)
    asked = Model.load(model)
    if asked.head is None:
        raise ModelError(
            f"{model}, which has no head", "an adapted model", "run `groundwave adapt` with a few labels first"
        )
    if not recording:
        what = "directions in" if hasattr(asked.head, "answer") else "labels of"
        return _table(asked, source, target), f"{what} {len(source)} windows"
    if asked.contract.modality == "spec":
        found = annotate_cells(asked, source, min_cells=min_cells, progress=True)
        why = "" if found else _no_boxes(source, min_cells)
    else:
        detector = matched(asked, threshold_db)
        found = annotate(asked, source, detector=detector, progress=True)
        why = "" if found else detector.why_nothing(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    path = write_annotations(source, found, target)
    return path, f"{len(found)} annotations" if found else f"no annotations: {why}\nwritten"


def _no_boxes(recording: Recording, min_cells: int) -> str:
    """Return why a model of spectrograms found nothing; reads a recording of zeros to its end."""
    starts = range(0, recording.num_samples, PIECE)
    if not any(recording.read(start, min(PIECE, recording.num_samples - start)).any() for start in starts):
        return "the recording holds only zeros; check the data type, and that the receiver was running"
    return f"nothing but noise, or patches of fewer than {min_cells} cells, which a lower --min-cells would show"


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}.groundwave.csv")


def _directions(model: Model, source: Any, out: Path) -> Path:
    """Write a line for each source that a model tells of: its angles in degrees, and how sure it is if it says so."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["index", "source", *(name if name == "probability" else f"{name}_deg" for name in model.classes)])
    for rows in torch.split(torch.arange(len(source)), BATCH):
        said = model.predict(source[rows]).reshape(len(rows), -1, len(model.classes))
        said[..., :2] = said[..., :2].rad2deg()
        for index, sources in zip(rows.tolist(), said.tolist(), strict=True):
            writer.writerows([index, number, *(f"{x:.4f}" for x in one)] for number, one in enumerate(sources))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, text.getvalue().encode())
    return out


def _table(model: Model, source: Any, out: Path) -> Path:
    if hasattr(model.head, "answer"):
        return _directions(model, source, out)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["index", "label", "confidence"])
    for rows in torch.split(torch.arange(len(source)), BATCH):
        probabilities = model.predict(source[rows])
        if probabilities.dim() != 2:
            raise DataError(
                got=f"{len(source)} windows, of which the model tells the class of each cell",
                expected="a recording, which it annotates in time and frequency",
                do="give the recording that they were cut from, or ask for their cells in Python: `Model.predict`",
            )
        confidence, label = probabilities.max(dim=-1)
        names = [model.classes[c] for c in label.tolist()]
        writer.writerows(zip(rows.tolist(), names, (f"{c:.4f}" for c in confidence.tolist()), strict=True))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, text.getvalue().encode())
    return out


def embed(model: str, data: Path, *, out: Path, options: Mapping[str, Any]) -> tuple[int, int]:
    """Write features, labels and groups of windows to a .npz; return the shape of the features.

    Raises:
        OutputExistsError: `out` exists.
        DataError: `data` is a long recording.
    """
    if out.exists():
        raise OutputExistsError(out)
    source = open_any(data, **options)
    if isinstance(source, Recording):
        raise DataError(f"{data}, a long recording", "windows", "cut it with `groundwave ingest` first")
    encoder = Model.load(model)
    features = torch.cat([encoder.embed(source[rows]) for rows in torch.split(torch.arange(len(source)), BATCH)])
    buffer = io.BytesIO()
    np.savez(
        buffer,
        features=features.numpy(),
        label=source.labels.numpy(),
        group=source.groups.numpy(),
        classes=np.array(list(source.classes), dtype=str),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, buffer.getvalue())
    return features.shape[0], features.shape[1]
