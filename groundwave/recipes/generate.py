"""Simulated records into a store, and simulated recordings into SigMF."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from groundwave.atomic import folder_atomically
from groundwave.contracts import Record, Scene
from groundwave.data.batch import loader
from groundwave.data.draft import draft
from groundwave.data.manifest import Array
from groundwave.data.part import COLUMNS
from groundwave.data.recording import Annotation
from groundwave.data.sigmf_out import write_sigmf
from groundwave.data.sources import SceneSource
from groundwave.errors import GroundwaveError, lookup
from groundwave.recipes.modality import scene_told
from groundwave.scenes import LONG_SCENES, SCENES
from groundwave.scenes.bursts import Bursts

BATCH_BYTES = 8 << 20  # of records made at once, but at least a block

Progress = Callable[[int, int], None]


def generate(
    name: str,
    *,
    num: int,
    out: Path,
    seed: int,
    settings: Mapping[str, Any],
    workers: int = 0,
    progress: Progress = lambda done, total: None,
) -> str:
    """Write `num` records of a scene into the store `out`, or recordings of a long scene into the folder `out`.

    Records go to `OUT.partial` part by part, and the same call goes on after the last whole part: however often it was
    stopped, and with any number of workers, the store is the same down to its bytes. Recordings appear all at once.

    Args:
        name: A scene.
        num: How many.
        out: What to make.
        seed: Of the scene.
        settings: Of the scene.
        workers: Processes that make records, each with one thread; 0 makes them in this one.
        progress: Called with (done, in all).

    Returns:
        What was written: "record" or "recording".

    Raises:
        OutputExistsError: `out` exists.
        UnknownNameError: No such scene.
        DataError: Another command left `OUT.partial`, or the disk is full.
    """
    if num < 1:
        raise GroundwaveError(f"--num {num}", "at least 1", "raise it")
    if workers < 0:
        raise GroundwaveError(f"--workers {workers}", "at least 0", "raise it")
    if name in LONG_SCENES:
        _recordings(name, LONG_SCENES[name](**settings, seed=seed), num, out, progress)
        return "recording"
    scene: Any = lookup(SCENES, name, "scene")
    chosen = {key: str(value) for key, value in settings.items()}
    plan = {"scene": name, "seed": seed, "num": num, "settings": chosen, "torch": torch.__version__}
    with one_thread():
        _records(scene(**settings, seed=seed), num, out, plan, workers, progress)
    return "record"


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread, as in a worker: how sums are divided among threads shows in the last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _records(scene: Scene, num: int, out: Path, plan: Mapping[str, Any], workers: int, progress: Progress) -> None:
    source = SceneSource(scene, num, num_cached=1)
    device = next(iter(source[torch.arange(1)].values())).device.type
    if workers and device != "cpu":
        raise GroundwaveError(
            got=f"--workers {workers} for a scene on {device}",
            expected="workers that compute on processors",
            do="leave out --workers, or let the scene work on the CPU",
        )
    with draft(out, "generate", plan, **_layout(source)) as store:
        # Workers start before the store is locked: they would inherit the lock, and might outlive us by seconds.
        records = _batches(source, len(store), workers)
        with store.appender(commit_each_part=True) as appender:
            for record in records:
                appender.add(record)
                progress(int(record["index"][-1]) + 1, num)


def _layout(source: SceneSource) -> dict[str, Any]:
    """Return the arguments of `Store.create` for records like the source's first."""
    record = source[torch.arange(1)]
    iq = record.pop("iq", None)
    more = {key: values for key, values in record.items() if key not in (*COLUMNS, "index") and values.numel()}
    columns = [key for key, values in more.items() if values.ndim == 1 and not values.is_complex()]
    return {
        "classes": source.classes,
        "num_samples": None if iq is None else iq.shape[-1],
        "num_antennas": iq.shape[1] if iq is not None and iq.ndim == 3 else None,
        "extra": columns,
        "arrays": {
            key: Array(str(values.dtype).removeprefix("torch."), tuple(values.shape[1:]))
            for key, values in more.items()
            if key not in columns
        },
        "numbered_groups": True,
        "notes": scene_told(source.scene),
    }


def _batches(source: SceneSource, done: int, workers: int) -> Iterator[Record]:
    """Return all records but the first `done`, in order, as batches of whole blocks; workers start at once."""
    if done >= len(source):
        return iter(())
    block_bytes = source.num_per_chunk * sum(values.nbytes for values in source[torch.arange(1)].values())
    size = source.num_per_chunk * max(1, BATCH_BYTES // block_bytes)
    batches = loader(source, batch_size=size, seed=0, shuffle=False, num_workers=workers, step=done // size)
    return map(partial(_from, done), iter(batches))


def _from(start: int, record: Record) -> Record:
    new = record["index"] >= start
    return record if bool(new.all()) else {key: values[new] for key, values in record.items()}


def _recordings(name: str, scene: Bursts, num: int, out: Path, progress: Progress) -> None:
    with folder_atomically(out) as folder:
        folder.mkdir()
        for b in range(num):
            iq, bursts = scene.recording(b)
            truth = [Annotation(burst.start, burst.count, label=burst.modulation) for burst in bursts]
            write_sigmf(folder / f"{name}-{b:03d}", iq.numpy(), scene.sample_rate_hz, annotations=truth)
            progress(b + 1, num)
