"""The records of the recipes of masked modelling: simulated once, kept on disk, parted by record."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from groundwave.atomic import write_atomically
from groundwave.bench.contest import Setting
from groundwave.bench.plans import Plan
from groundwave.bench.rows import hash_config
from groundwave.bench.tuning import Answer
from groundwave.contracts import Record
from groundwave.data.sources import Records, SceneSource
from groundwave.data.split import Grouped, split
from groundwave.errors import GroundwaveError, lookup
from groundwave.page import png
from groundwave.recipes.place import Place
from groundwave.recipes.radioml_sets import DataSet
from groundwave.scenes import SCENES
from groundwave.tasks.baselines import LevelTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DATA_SEED = 2411  # a data set is one; seeds of the recipes part it and draw from it
KEPT = ("spec", "csi", "iq", "mask", "label", "group", "snr_db")
AT_ONCE = 48
LEVELS = "level and frequency of a cell"


@dataclass(frozen=True)
class Sizes:
    """How many records there are of each kind.

    Args:
        pool: without labels, to pretrain on.
        train: that may lend labels; they are pretrained on, too.
        validation: that choose an epoch.
        test: that are asked in the end.
    """

    pool: int
    train: int
    validation: int
    test: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.pool + self.train + self.validation + self.test


def counts_of(shares: Sequence[float], num: int) -> tuple[int, ...]:
    """Return how many of `num` labels each share is, at least one; raises `GroundwaveError` for what is no share."""
    for share in shares:
        if not 0 < share <= 1:
            raise GroundwaveError(f"a share of {share:g} of the labels", "above 0, and at most 1", "correct shares")
    return tuple(max(1, round(share * num)) for share in shares)


def open_scene(scene: str, settings: Mapping[str, Any], num: int, folder: Path) -> DataSet:
    """Return `num` records of a scene, simulated once and read from `folder` ever after.

    Args:
        scene: name in `SCENES`.
        settings: of the scene, without a seed.
        num: how many.
        folder: where they are kept; spectrograms in half precision, a step of 0.03 dB at 40 dB.
    """
    made = lookup(SCENES, scene, "scene")(**settings, seed=DATA_SEED)
    path = folder / f"{scene}-{hash_config({'scene': scene, **settings, 'num': num})}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save(_simulated(SceneSource(made, num), num)))
    record = load_file(path)
    source = Records(record, classes=made.classes, group_names=[str(number) for number in range(num)])
    return DataSet(scene, source, record["snr_db"], {"scene": dict(settings)})


def open_scenes(scenes: Mapping[str, Mapping[str, Any]], num: int, folder: Path) -> DataSet:
    """Return `num` spectrograms of each scene in turn; where there are several, masks number all their classes.

    Args:
        scenes: settings by name in `SCENES`, without a seed; grids of one size.
        num: how many in all, a multiple of the number of scenes.
        folder: as in `open_scene`.
    """
    share, rest = divmod(num, len(scenes))
    assert rest == 0, f"{num} records of {len(scenes)} scenes"
    opened = [open_scene(scene, settings, share, folder) for scene, settings in scenes.items()]
    if len(opened) == 1:
        return opened[0]
    pieces, classes = [], list[str]()
    for one in opened:
        record = one.source[torch.arange(share)]
        mask = record["mask"]
        pieces.append({"spec": record["spec"], "mask": torch.where(mask > 0, mask + len(classes), mask)})
        classes += one.source.classes
    joined = {name: _in_turn([piece[name] for piece in pieces]) for name in ("spec", "mask")}
    snr_db = _in_turn([one.snr_db for one in opened])
    source = Records(
        {**joined, "snr_db": snr_db, "group": torch.arange(num)},
        classes=classes,
        group_names=[str(number) for number in range(num)],
    )
    return DataSet(" + ".join(scenes), source, snr_db, {"scenes": {name: dict(s) for name, s in scenes.items()}})


def _in_turn(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts), dim=1).flatten(0, 1)


def _simulated(source: SceneSource, num: int) -> Record:
    pieces = []
    for rows in torch.arange(num).split(AT_ONCE):
        record = source[rows]
        piece = {name: record[name] for name in KEPT if name in record}
        pieces.append({name: x.half() if name == "spec" else x for name, x in piece.items()})
    return {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}


def plan_of(source: Grouped, sizes: Sizes, seed: int) -> Plan:
    """Return who may see what: groups dealt whole to the four kinds at random, so many records or nearly."""
    counts = {name: getattr(sizes, name) for name in ("pool", "train", "validation", "test")}
    nobody = {name: torch.arange(0) for name in counts}
    parts = nobody | split(source, {name: n / sizes.total for name, n in counts.items() if n}, seed=seed)
    return Plan(
        split=f"{sizes.pool}:{sizes.train}:{sizes.validation}:{sizes.test} by group, seed {seed}",
        pretraining=torch.cat([parts["pool"], parts["train"]]).sort().values,
        support=parts["train"],
        query=parts["test"],
        validation=parts["validation"],
        classes=(),
        known=(),
        support_seen=True,
    )


def level_table(setting: Setting, num_classes: int, count: int | None) -> Answer:
    """Return what a cell's level and frequency tell, counted on `count` records that lend labels, or on all of them."""
    rows = setting.labelled(count)
    found = LevelTable(num_classes, setting.source[rows[:1]]["spec"].shape[-2])
    for some in rows.split(AT_ONCE):
        record = setting.source[some]
        found.add(record["spec"], record["mask"])
    return lambda record: found(record["spec"])


@dataclass(frozen=True, kw_only=True)
class Field(Place):
    """Where a recipe takes place, and on which records.

    Args:
        scenes: settings of each scene whose records take part, by name in `SCENES`.
        sizes: how many records of each kind.
        seeds: of splits, weights and labels; a rehearsal has the first alone.
    """

    scenes: Mapping[str, Mapping[str, Any]]
    sizes: Sizes
    seeds: Sequence[int]

    def opened(self) -> DataSet:
        """Return the records."""
        return open_scenes(self.scenes, self.sizes.total, self.home / "records")

    def settings_of(self, opened: DataSet | None = None) -> Iterator[Setting]:
        """Yield the plan of each seed on the same records: those of the scenes, or those that are given."""
        opened = opened or self.opened()
        sheet = self.sheet()
        for seed in self.seeds[:1] if self.smoke else self.seeds:
            yield Setting(
                data=opened.name,
                source=opened.source,
                snr_db=opened.snr_db,
                plan=plan_of(opened.source, self.sizes, seed),
                seed=seed,
                sheet=sheet,
                runs=self.home,
                config={**opened.config, "sizes": repr(self.sizes)},
                progress=not self.smoke,
            )

    def hang(self, title: str, figure: "Figure") -> None:
        """Write a picture into the folder `pictures` of runs, from where `masked_results` takes it."""
        path = self.home / "pictures" / f"{self.name}-{title}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, png(figure))
