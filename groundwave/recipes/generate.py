"""Simulated records into a store, and simulated recordings into SigMF."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from groundwave.data.atomic import folder_atomically
from groundwave.data.recording import Annotation
from groundwave.data.sigmf_out import write_sigmf
from groundwave.data.sources import SceneSource
from groundwave.data.store import Store
from groundwave.errors import GroundwaveError, lookup
from groundwave.scenes import LONG_SCENES, SCENES
from groundwave.scenes.bursts import Bursts

BATCH = 1024


def generate(name: str, *, num: int, out: Path, seed: int, settings: Mapping[str, Any]) -> str:
    """Write `num` records of a scene into the store `out`, or recordings of a long scene into the folder `out`.

    Returns:
        What was written: "record" or "recording".

    Raises:
        OutputExistsError: `out` exists.
        UnknownNameError: no such scene.
        DataError: the disk is full.
    """
    if num < 1:
        raise GroundwaveError(f"--num {num}", "at least 1", "raise it")
    with folder_atomically(out) as draft:
        if name in LONG_SCENES:
            _recordings(name, LONG_SCENES[name](**settings, seed=seed), num, draft)
        else:
            scene: Any = lookup(SCENES, name, "scene")
            _records(scene(**settings, seed=seed), num, draft, {"scene": name, "seed": seed, **settings})
    return "recording" if name in LONG_SCENES else "record"


def _records(scene: Any, num: int, out: Path, notes: Mapping[str, Any]) -> None:
    source = SceneSource(scene, num)
    record = source[torch.arange(1)]
    kept = {key: str(value) for key, value in notes.items()}
    store = Store.create(out, classes=source.classes, num_samples=record["iq"].shape[-1], notes=kept)
    with store.appender() as appender:
        for rows in torch.split(torch.arange(num), BATCH):
            appender.add(source[rows])


def _recordings(name: str, scene: Bursts, num: int, out: Path) -> None:
    out.mkdir()
    for b in range(num):
        iq, bursts = scene.recording(b)
        truth = [Annotation(burst.start, burst.count, label=burst.modulation) for burst in bursts]
        write_sigmf(out / f"{name}-{b:03d}", iq.numpy(), scene.sample_rate_hz, annotations=truth)
