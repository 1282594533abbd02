"""ProtoBeam as published (Mashaal et al., 2024), and the ladder of its Table I, on the antenna learned and another."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundwave.bench.contest import Contender
from groundwave.bench.encoders import Pretraining
from groundwave.contract import InputContract
from groundwave.contracts import View
from groundwave.recipes.beam_sets import PAIRS, SHOTS, Field, frozen
from groundwave.train import Schedule
from groundwave.views import Amplitude, Rotate

TITLE = "ProtoBeam"
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
STEPS = tuple(f"{TITLE}, {rung.name}" for rung in LADDER)


def protobeam_published(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/beams"),
    data: str = "beams",
    pairs: Sequence[int] = PAIRS,
    shots: Sequence[int] = SHOTS,
    epochs: int = 7,
    smoke: bool = False,
) -> Path:
    """Tell beams by prototypes with 2 labels per beam or more, on the antenna learned and on another: Table I.

    The DenseNet is narrower than the published one and sees a block's first half, so that processors can train it;
    episodes are as published: 8 beams, 4 support and 4 query records.

    Args:
        results: folder of the file of rows.
        runs: folder of pretraining runs.
        data: `beams`, the simulator, or a store of several front-ends (`groundwave ingest --format deepbeam`).
        pairs: which pairs of antennas; each is a seed.
        shots: labels per beam.
        epochs: of each training, 19 episodes each.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    field = Field(
        name="protobeam-published", data=data, results=results, runs=runs, pairs=pairs, shots=shots, smoke=smoke
    )
    beams = field.opened()
    contract = field.contract(beams)
    field.contest([published(rung, contract, epochs, smoke) for rung in LADDER], beams)
    return field.path


def published(rung: Rung, contract: InputContract, epochs: int, smoke: bool) -> Contender:
    """Return the published method up to a rung; without data normalisation it sees samples as they were recorded."""
    network: dict[str, Any] = {"growth": 8, "width": 16, "blocks": (3, 3, 3), "scaled": rung.scaled}
    episode = {"num_ways": 8, "num_shots": 4, "num_queries": 4}
    if smoke:
        network |= {"growth": 4, "width": 8, "blocks": (1, 1, 1)}
        episode = {"num_ways": 3, "num_shots": 2, "num_queries": 2}
    how = Pretraining(
        backbone="densenet",
        objective="protobeam",
        views=rung.views,
        schedule=Schedule(epochs=1 if smoke else epochs, lr=2e-3, warmup=0.1),
        batch_size=64 if smoke else 360,
        contract=contract,
        backbone_args=network,
        objective_args={**episode, "normalise_prototypes": rung.normalise_prototypes},
        labelled=True,
    )
    learner = "protobeam" if rung.normalise_prototypes else "euclidean"
    return Contender(how, (frozen(f"{TITLE}, {rung.name}", learner, raw=not rung.scaled),))
