"""ProtoBeam as published (Mashaal et al., 2024), and the ladder of its Table I, on the antenna learned and another."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundwave.bench.contest import Contender
from groundwave.bench.encoders import Pretraining
from groundwave.contract import InputContract
from groundwave.contracts import View
from groundwave.errors import lookup
from groundwave.recipes.beam_sets import NUM_SAMPLES, PAIRS, PUBLISHED_SAMPLES, SHOTS, Field, Size, frozen
from groundwave.train import Schedule
from groundwave.views import Amplitude, Rotate

AUGMENTATION: tuple[View, ...] = (Amplitude(), Rotate())


@dataclass(frozen=True)
class Rung:
    """A step of the ladder: what a method adds to those before it."""

    name: str
    scaled: bool
    views: tuple[View, ...]
    normalise_prototypes: bool


LADDER = (
    Rung("none", False, (), False),
    Rung("data normalisation", True, (), False),
    Rung("+ augmentation", True, AUGMENTATION, False),
    Rung("+ prototype normalisation", True, AUGMENTATION, True),
)
TITLE, FULL = "ProtoBeam", "ProtoBeam at full size"
STEPS, FULL_STEPS = (tuple(f"{title}, {rung.name}" for rung in LADDER) for title in (TITLE, FULL))
OURS = Schedule(epochs=7, lr=2e-3, warmup=0.1)
# 110 epochs are the most that the source has, of 1350 episodes each; its rate falls in two steps, here along a cosine.
PUBLISHED = Schedule(epochs=110, lr=1e-3, warmup=0.0)
SIZES = {
    "ours": Size(TITLE, {"growth": 8, "width": 16, "blocks": (3, 3, 3)}, OURS, 360, NUM_SAMPLES),
    "published": Size(FULL, {"growth": 32, "width": 64, "blocks": (5, 5, 5)}, PUBLISHED, 360, PUBLISHED_SAMPLES),
}


def protobeam_published(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/beams"),
    data: str = "beams",
    setting: str = "ours",
    pairs: Sequence[int] = PAIRS,
    shots: Sequence[int] = SHOTS,
    epochs: int | None = None,
    smoke: bool = False,
) -> Path:
    """Tell beams by prototypes with 2 labels per beam or more, on the antenna learned and on another: Table I.

    Episodes are as published: 8 beams, 4 support and 4 query records. There are fewer of them, since an antenna has
    fewer records here: 19 in an epoch.

    Args:
        results: folder of the file of rows.
        runs: folder of pretraining runs.
        data: `beams`, the simulator, or a store of several front-ends (`groundwave ingest --format deepbeam`).
        setting: ours, a narrower DenseNet on a block's first half, which processors can train; or published, the whole
            one on whole blocks, which takes an accelerator. Tables name the second apart.
        pairs: which pairs of antennas; each is a seed.
        shots: labels per beam.
        epochs: of each training, instead of the setting's.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    size = lookup(SIZES, setting, "setting")
    asked: dict[str, Any] = {"data": data, "pairs": pairs, "shots": shots, "num_samples": size.num_samples}
    field = Field(name="protobeam-published", results=results, runs=runs, smoke=smoke, **asked)
    beams = field.opened()
    contract = field.contract(beams)
    field.contest([published(rung, size, contract, epochs, smoke) for rung in LADDER], beams)
    return field.path


def published(
    rung: Rung, size: Size, contract: InputContract, epochs: int | None = None, smoke: bool = False
) -> Contender:
    """Return the published method up to a rung; without data normalisation it sees samples as they were recorded."""
    network: dict[str, Any] = {**size.network, "scaled": rung.scaled}
    episode = {"num_ways": 8, "num_shots": 4, "num_queries": 4}
    if smoke:
        network |= {"growth": 4, "width": 8, "blocks": (1, 1, 1)}
        episode = {"num_ways": 3, "num_shots": 2, "num_queries": 2}
    how = Pretraining(
        backbone="densenet",
        objective="protobeam",
        views=rung.views,
        schedule=size.schedule.lasting(1 if smoke else epochs),
        batch_size=64 if smoke else size.batch_size,
        contract=contract,
        backbone_args=network,
        objective_args={**episode, "normalise_prototypes": rung.normalise_prototypes},
        labelled=True,
    )
    learner = "protobeam" if rung.normalise_prototypes else "euclidean"
    return Contender(how, (frozen(f"{size.title}, {rung.name}", learner, raw=not rung.scaled),))
