"""From what a user names to records: a scene, a store, a file of windows, or a long recording."""

from inspect import signature
from pathlib import Path
from typing import Any

import torch

from groundwave.contracts import Record
from groundwave.data import format_of, open_source, reader
from groundwave.data.csi import PacketStream
from groundwave.data.cut import RecordingWindows
from groundwave.data.recording import Recording
from groundwave.data.sources import SceneSource
from groundwave.data.store import Store
from groundwave.errors import GroundwaveError, UnknownNameError
from groundwave.scenes import SCENES

BATCH = 1024


def open_input(path: str | Path, *, format: str | None = None, **options: Any) -> Any:
    """Open a recording or a source of windows, passing on the options that were given (that are not None).

    Raises:
        GroundwaveError: an option that the format does not have, or whatever its reader refuses.
    """
    format = format or format_of(path)
    given = {name: value for name, value in options.items() if value is not None}
    takes = signature(reader(format)).parameters
    for name in given:
        if name not in takes:
            raise GroundwaveError(
                got=f"--{name.removesuffix('_hz').replace('_', '-')} for {path}",
                expected=f"an option of the format {format}",
                do="leave it out, or name another --format",
            )
    source = open_source(path, format=format, **given)
    if isinstance(source, PacketStream):
        raise GroundwaveError(
            got=f"{path}, a stream of packets",
            expected="windows",
            do=f"make a store of it: groundwave ingest {path} --format {format} --num-samples NUM",
        )
    return source


def open_any(path: str | Path, *, format: str | None = None, **options: Any) -> Any:
    """Open as `open_input` does, but a store whatever its records hold: IQ, spectrograms, CSI."""
    if (format or format_of(path)) == "store" and all(value is None for value in options.values()):
        return Store.open(path)
    return open_input(path, format=format, **options)


def records(data: str, *, num_records: int, num_samples: int, seed: int) -> Any:
    """Return a source of records: the store or file at the path `data`, or the scene of that name.

    Args:
        data: a path, or a name in `SCENES`.
        num_records: how many to draw from a scene.
        num_samples: length of windows cut from a recording, and of the records of a scene that lets it be chosen.
        seed: of a scene.
    """
    if not Path(data).exists():
        if data not in SCENES:
            raise UnknownNameError("data (neither a path nor a scene)", data, SCENES)
        scene: Any = SCENES[data]
        sized = {"num_samples": num_samples} if "num_samples" in signature(scene).parameters else {}
        return SceneSource(scene(**sized, seed=seed), num_records)
    if format_of(data) == "store":
        return Store.open(data)
    source = open_input(data)
    return RecordingWindows(source, num_samples) if isinstance(source, Recording) else source


def read(source: Any, indices: torch.Tensor) -> Record:
    """Return records of a source in batches small enough to decode one at a time."""
    pieces = [source[rows] for rows in torch.split(indices, BATCH)]
    return {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}
