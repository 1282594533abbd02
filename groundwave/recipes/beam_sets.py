"""What the recipes of beams share: records of several front-ends, and the pairs of them that learn and are asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundwave.adapt import LEARNERS
from groundwave.bench.antennas import as_recorded, cross, crossing
from groundwave.bench.contest import Contender, Questions, Setting, Way
from groundwave.bench.methods import Method, settings
from groundwave.contract import InputContract
from groundwave.data.sources import Records, SceneSource
from groundwave.data.store import Store
from groundwave.errors import DataError
from groundwave.model import Model
from groundwave.recipes.inputs import read
from groundwave.recipes.place import Place
from groundwave.scenes.beams import Beams
from groundwave.train import Schedule

SCENE_SEED = 7  # settings were tried out on seed 0, which has other hardware and another room
NUM_SAMPLES, PUBLISHED_SAMPLES = 1024, 2048
NUM_FRAMES = 120  # of each beam at each gain on each front-end
HOME, AWAY = "same antenna", "other antenna"
SHOTS = (2, 8, 32)
PAIRS = (0, 1, 2)
NUM_EPISODES = 100


@dataclass(frozen=True)
class Size:
    """How large a network is, and how it is trained.

    Args:
        title: as tables name it.
        network: arguments of the backbone.
        schedule: how long and how fast.
        batch_size: records per step.
        num_samples: length of a simulated record.
    """

    title: str
    network: Mapping[str, Any]
    schedule: Schedule
    batch_size: int
    num_samples: int


@dataclass(frozen=True)
class BeamSet:
    """Records of beams, and which front-end sent each."""

    name: str
    source: Records
    front_end: Tensor
    config: Mapping[str, Any]

    @property
    def num_samples(self) -> int:
        """Length of a record."""
        return int(self.source[torch.tensor([0])]["iq"].shape[-1])


@dataclass(frozen=True, kw_only=True)
class Field(Place):
    """A recipe of beams at work: its place, its records, and how large it is.

    Args:
        data: `beams`, the simulator, or a store with the column `front_end`.
        pairs: front-ends by their place among those that there are: one that is learned on, another that is asked.
        shots: labels per beam.
        num_samples: length of a simulated record.
    """

    data: str
    pairs: Sequence[int]
    shots: Sequence[int]
    num_samples: int = NUM_SAMPLES

    def opened(self) -> BeamSet:
        """Return the records, a few of them in a rehearsal."""
        return open_beams(self.data, self.num_samples, small=self.smoke)

    def contract(self, beams: BeamSet) -> InputContract:
        """Return what a model takes: a whole record."""
        size = beams.num_samples
        return InputContract(size, size, size)

    def questions(self) -> Questions:
        """Return what is asked of each contender."""
        return Questions((), (2,) if self.smoke else tuple(self.shots), 2 if self.smoke else NUM_EPISODES)

    def contest(self, contenders: Sequence[Contender], beams: BeamSet, learned: str = "", unadapted: str = "") -> None:
        """Let contenders learn on one front-end (or on `learned`: "others", "all"), then answer on it and on another.

        Those that learn on the others never saw the two that are asked; those that learn on all have the same number of
        records as those that learn on one.
        """
        for number in self.pairs[:1] if self.smoke else self.pairs:
            for contender in contenders:
                cross(contender, self.questions(), self.settings(beams, number, learned), unadapted)

    def settings(self, beams: BeamSet, pair: int, learned: str = "") -> list[Setting]:
        """Return the settings of a pair of front-ends: asked at home, and away."""
        numbers = beams.front_end.unique().tolist()
        first, second = numbers[pair % len(numbers)], numbers[(pair + 1) % len(numbers)]
        rest = [number for number in numbers if number not in (first, second)] or [first]
        lent = {"": [first], "others": rest, "all": numbers}[learned]
        plans = [crossing(beams.source, beams.front_end, lent, asked, seed=pair) for asked in (first, second)]
        if learned == "all":
            plans = [replace(plan, pretraining=plan.pretraining[:: len(numbers)]) for plan in plans]
        sheet, none = self.sheet(), torch.full((len(beams.source),), torch.nan)
        config = {**beams.config, "learned": lent}
        return [
            Setting(f"{beams.name}, {where}", beams.source, none, plan, pair, sheet, self.home, config, not self.smoke)
            for where, plan in zip((HOME, AWAY), plans, strict=True)
        ]


def open_beams(data: str, num_samples: int = NUM_SAMPLES, small: bool = False) -> BeamSet:
    """Return records of several front-ends, all in memory; raises `DataError` for a store of one or of none."""
    if data == "beams":
        return _simulated(num_samples, small)
    store = Store.open(data)
    record = read(store, torch.arange(len(store)))
    if "front_end" not in record or len(record["front_end"].unique()) < 2:
        raise DataError(
            got=f"{data} with {', '.join(record)}",
            expected="a column `front_end` with several values",
            do="ingest files of several front-ends with --format deepbeam",
        )
    source = Records(record, classes=store.classes, group_names=store.group_names)
    return BeamSet(Path(data).name, source, record["front_end"], {"records": len(store)})


def _simulated(num_samples: int, small: bool) -> BeamSet:
    """Return the simulated set: blocks of ten frames of each beam at each gain on each of four front-ends."""
    scene, config = scene_of(num_samples, small)
    source = SceneSource(scene, config["records"])
    record = read(source, torch.arange(len(source)))
    names = [f"front-end {number}/frame {k}" for k, number in enumerate(record["front_end"].tolist())]
    record = {**record, "group": torch.arange(len(names))}  # a frame is one record
    return BeamSet("beams", Records(record, classes=scene.classes, group_names=names), record["front_end"], config)


def scene_of(num_samples: int, small: bool = False) -> tuple[Beams, dict[str, Any]]:
    """Return the scene of the simulated set, and what rows tell of the set."""
    shape: dict[str, Any] = {"num_samples": num_samples, "frames_per_cell": 10, "seed": SCENE_SEED}
    if small:
        shape |= {"codebook": "pi-radio-5", "num_samples": 256, "front_ends": (0, 1, 2), "gains_db": (50.0, 60.0)}
    scene = Beams(**shape)
    num_blocks = 3 if small else NUM_FRAMES // 10
    knobs = {name: one.default for name, one in signature(Beams).parameters.items()}
    return scene, {"knobs": {**knobs, **shape}, "records": num_blocks * scene.num_per_block}


def frozen(
    name: str,
    learner: str,
    *,
    raw: bool = False,
    look: Callable[[Model], Callable[[Tensor], Tensor]] | None = None,
    config: Mapping[str, Any] | None = None,
    most_episodes: int | None = None,
) -> Way:
    """Return the way that gives features of the trained network, which stays as it is, to a learner.

    Args:
        name: as it appears in tables.
        learner: name in `LEARNERS`.
        raw: whether the network sees samples at the level of their recording.
        look: from the model to its features; by default its own.
        config: further settings to store with each row.
        most_episodes: no more episodes than this.
    """
    make = LEARNERS[learner]

    def method(model: Model | None) -> Method:
        assert model is not None
        seen = as_recorded(model) if raw else model
        return Method(name, lambda _: make(), look(seen) if look else seen.embed)

    return Way(name, {**settings(make), "raw": raw, **(config or {})}, method, most_episodes)
