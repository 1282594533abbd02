"""What the demo works on: simulated radio, or the user's own labelled windows."""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from groundwave.contracts import Record, Source
from groundwave.data import format_of
from groundwave.data.split import parted_classes, split
from groundwave.data.store import Store
from groundwave.errors import DataError
from groundwave.model import InputContract
from groundwave.recipes.inputs import open_input
from groundwave.recipes.modulation import CONTRACT, CROP, NUM_SAMPLES, pool, trial
from groundwave.scenes.radioml import RadioML

WINDOWS = ("npz", "radioml-2016", "radioml-2018", "store")  # formats whose files hold windows, each with its label
RECORDS_PER_CELL = 30  # labelled records per class and SNR


@dataclass
class Job:
    """What the demo works on, and what it has found so far.

    Args:
        data: name of the data, as it appears in rows.
        source: where records come from.
        unlabelled: records to pretrain on.
        trials: labelled records held in memory, by SNR (None: not known).
        classes: names of the labels.
        contract: what the pretrained model will accept.
        crop: samples per view.
        pools: records of a trial that may be labelled, and that may be asked; None lets episodes deal groups.
        times: seconds by step.
    """

    data: str
    source: Source
    unlabelled: Tensor
    trials: Mapping[float | None, Record]
    classes: Sequence[str]
    contract: InputContract
    crop: int
    pools: tuple[Tensor, Tensor] | None = None
    times: dict[str, float] = field(default_factory=dict)

    @property
    def clearest(self) -> Record:
        """The trial of the highest SNR."""
        return self.trials[max(self.trials, key=lambda snr: snr or 0)]

    @contextmanager
    def step(self, console: Console, title: str) -> Iterator[None]:
        """Announce a step and take its time."""
        console.print(f"[bold cyan]•[/] {title}")
        start = time.perf_counter()
        yield
        self.times[title] = time.perf_counter() - start
        console.print(f"  [dim]{self.times[title]:.0f} s[/]")


def simulated(out: Path, *, blocks: int, snrs_db: tuple[float, ...], seed: int) -> Job:
    """Write an unlabelled store, and draw labelled records from other seeds and channels."""
    scene = pool()
    folder = out / "pool"
    if not folder.exists():
        _write_pool(folder, scene, blocks)
    store = Store.open(folder)
    block = trial(snrs_db, RECORDS_PER_CELL).block(seed)
    trials: dict[float | None, Record] = {
        snr: {key: values[block["snr_db"] == snr] for key, values in block.items()} for snr in snrs_db
    }
    data = f"radioml fixed, {NUM_SAMPLES} samples"
    return Job(data, store, torch.arange(len(store)), trials, scene.classes, CONTRACT, CROP)


def _write_pool(folder: Path, scene: RadioML, num_blocks: int) -> None:
    """Write blocks of a scene without their labels; the store appears when it is whole."""
    draft = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    rate = scene.air.sample_rate_hz
    store = Store.create(draft, classes=scene.classes, num_samples=NUM_SAMPLES, sample_rate_hz=rate)
    with store.appender(sources=[{"scene": "radioml fixed", "seed": scene.seed, "blocks": num_blocks}]) as appender:
        for b in range(num_blocks):
            block = scene.block(b)
            names = [f"simulated-{int(g)}" for g in block["group"]]
            appender.add({**block, "label": torch.full_like(block["label"], -1)}, groups=names)
    draft.rename(folder)


def own(path: Path, sample_rate: float | None, seed: int, **arrays: str | None) -> Job:
    """Read the user's windows and keep half of each class's groups for the test."""
    if (path.is_dir() and not (path / "manifest.json").is_file()) or format_of(path) not in WINDOWS:
        raise DataError(
            got=f"{path}, which is not a set of windows",
            expected="labelled windows: a store or a .npz",
            do="make a store first: groundwave ingest FOLDER --label folder --out STORE",
        )
    named: dict[str, Any] = {**arrays, "sample_rate_hz": sample_rate}
    source = open_input(path, **(named if format_of(path) == "npz" else {}))
    labels, groups = source.labels, source.groups
    in_play, _ = parted_classes(labels, groups)
    if len(in_play) < 2:
        raise DataError(
            got=f"{path} with {len(in_play)} classes that have at least two groups",
            expected="two such classes, so that support and query can come from different recordings",
            do="name the arrays with --label and --group, or gather more recordings",
        )
    chosen = torch.isin(labels, torch.tensor(in_play)).nonzero()[:, 0]
    sides = split(source, {"support": 0.5, "query": 0.5}, seed=seed, stratify=True, indices=chosen)
    record = source[torch.arange(len(source))]
    samples = record["iq"].shape[-1]
    contract = InputContract(
        num_samples=samples, min_samples=min(samples, max(64, samples // 4)), max_samples=2 * samples
    )
    unlabelled = torch.arange(len(source))[~torch.isin(torch.arange(len(source)), sides["query"])]
    return Job(
        path.name,
        source,
        unlabelled,
        {None: record},
        source.classes,
        contract,
        samples // 2,
        (sides["support"], sides["query"]),
    )
