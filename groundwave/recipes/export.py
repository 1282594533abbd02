"""A model as ONNX, checked on a user's own records where there are some; one with exits as parts, where asked for."""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from groundwave.data.recording import Recording
from groundwave.deploy.export import Shapes, check_file
from groundwave.deploy.export import export as write
from groundwave.deploy.graphs import GRAPHS, Layout, Size
from groundwave.deploy.split import export_split
from groundwave.errors import DataError, GroundwaveError, lookup
from groundwave.model import Model
from groundwave.recipes.inputs import open_any

NUM_CHECKED = 64  # records, evenly from what is given


def export(
    model: str,
    out: Path,
    *,
    num_samples: int | None,
    size: Size | None,
    layout: Layout,
    shapes: Shapes,
    data: Path | None,
    sample_rate_hz: float | None,
    tolerance: float,
    exits: Literal["drop", "split"] = "drop",
) -> tuple[Path, Model]:
    """Write a model as ONNX, compared with PyTorch on records of `data`, too; see `deploy/export.py`.

    With `exits` `split` what is written is a folder of parts (`deploy/split.py`), compared on noise and tones.

    Returns:
        What was written, and the model that it is of.

    Raises:
        DataError: `data` has no records that long.
        GroundwaveError: a choice that parts do not have, or a file that is neither `.onnx` nor `.ort`.
    """
    if exits == "split":
        given = {"--num-samples": num_samples, "--size": size, "--data": data, "--sample-rate": sample_rate_hz}
        chosen = [name for name, value in given.items() if value is not None]
        chosen += [f"--layout {layout}"] * (layout != "rows") + [f"--shapes {shapes}"] * (shapes != "batch")
        chosen += [f"--out {out}"] * bool(out.suffix)
        if chosen:
            raise GroundwaveError(
                got=f"--exits split with {', '.join(chosen)}",
                expected="a folder, whose parts take rows, any number of records, and the model's own length",
                do="leave that out, and the suffix of --out",
            )
        loaded = Model.load(model)
        return export_split(loaded, out, tolerance=tolerance), loaded
    check_file(out)
    loaded, records = Model.load(model), None
    if data is not None:
        graph = lookup(GRAPHS, loaded.contract.modality, "modality to export")(loaded, num_samples, size, layout)
        records = _records(open_any(data, sample_rate_hz=sample_rate_hz), data, graph.name, graph.shape)
    path = write(
        loaded,
        out,
        num_samples=num_samples,
        size=size,
        layout=layout,
        shapes=shapes,
        records=records,
        tolerance=tolerance,
    )
    return path, loaded


def _records(source: Any, path: Path, name: str, shape: tuple[int, ...]) -> Tensor:
    """Return complex records `[B, *shape]` with some power, evenly from a recording or a source of windows."""
    length = shape[-1]
    if isinstance(source, Recording):
        last = source.num_samples - length
        starts = torch.linspace(0, max(0, last), NUM_CHECKED).long().unique().tolist() if last >= 0 else []
        found = [torch.from_numpy(source.read(start, length)) for start in starts]
    else:
        rows = torch.linspace(0, len(source) - 1, NUM_CHECKED).long().unique()
        found = [one.reshape(-1, *one.shape[-len(shape) + 1 :]) for one in source[rows][name][..., :length]]
    heard = [one for one in found if one.shape == shape and bool((one != 0).any())]
    if not heard:
        raise DataError(
            got=f"{path} without records of {' by '.join(map(str, shape))} to check on",
            expected="what the model takes",
            do="give a longer recording, or leave --data out",
        )
    return torch.stack(heard)
