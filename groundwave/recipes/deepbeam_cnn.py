"""DeepBeam's network (Polese et al., 2021): beams on its own antenna, on another, and with a few labels of that."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from groundwave.adapt.finetune import FineTune
from groundwave.bench.antennas import as_recorded
from groundwave.bench.contest import Contender, Way
from groundwave.bench.encoders import Pretraining
from groundwave.bench.methods import Method, settings
from groundwave.contract import InputContract
from groundwave.errors import lookup
from groundwave.model import Model
from groundwave.recipes.beam_sets import NUM_SAMPLES, PAIRS, PUBLISHED_SAMPLES, Field, Size, frozen
from groundwave.train import Schedule

TITLE, FULL = "DeepBeam CNN", "DeepBeam CNN at full size"
SHOTS = (2, 8)
OURS = Schedule(epochs=13, lr=1e-3, warmup=0.1, weight_decay=0.0)
PUBLISHED = Schedule(epochs=10, lr=1e-4, warmup=0.0, weight_decay=0.0, decay="none")
SIZES = {
    "ours": Size(TITLE, {"width": 32}, OURS, 32, NUM_SAMPLES),
    "published": Size(FULL, {"width": 64}, PUBLISHED, 100, PUBLISHED_SAMPLES),
}
TUNING = {"steps": 40, "lr": 5e-4}
FEW_EPISODES = 1  # each trains the whole network


def methods(title: str) -> dict[str, Sequence[int]]:
    """Return what is asked, with the numbers of labels: the network as it is, probed, tuned, and trained on all."""
    probe, tuned, mixed = (f"{title}, {how}" for how in ("linear probe", "fine-tuned", "all front-ends mixed"))
    return {title: (0,), probe: SHOTS, tuned: SHOTS, mixed: (0,)}


_, PROBE, _, MIXED = methods(TITLE)


def deepbeam_cnn(
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
    """Train DeepBeam's network on one antenna and ask it on that one and on another: as it is, or with a few labels.

    With labels it gets a linear probe, or is tuned in whole. A second one is trained on as many records of all
    front-ends. The network sees records at the recorded level.

    Args:
        results: folder of the file of rows.
        runs: folder of pretraining runs.
        data: `beams`, the simulator, or a store of several front-ends (`groundwave ingest --format deepbeam`).
        setting: ours, half of the published filters on a block's first half; or published, all of them on whole blocks,
            slower and for few epochs, as in the source, which has sixty times as many records. Tables name it apart.
        pairs: which pairs of antennas; each is a seed.
        shots: labels per beam.
        epochs: of each training, instead of the setting's.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    size = lookup(SIZES, setting, "setting")
    asked: dict[str, Any] = {"data": data, "pairs": pairs, "shots": shots, "num_samples": size.num_samples}
    field = Field(name="deepbeam-cnn", results=results, runs=runs, smoke=smoke, **asked)
    beams = field.opened()
    plain, probed, went_on, mixed = methods(size.title)
    network = cnn(size, field.contract(beams), epochs, smoke)
    ways = (frozen(probed, "logistic", raw=True), tuned(went_on, 3 if smoke else TUNING["steps"]))
    field.contest([Contender(network, ways)], beams, unadapted=plain)
    field.contest([Contender(network, ())], beams, learned="all", unadapted=mixed)
    return field.path


def cnn(size: Size, contract: InputContract, epochs: int | None = None, smoke: bool = False) -> Pretraining:
    """Return how the network is trained: supervised, at the level of the recording."""
    return Pretraining(
        backbone="deepbeam_cnn",
        objective="supervised",
        views=(),
        schedule=size.schedule.lasting(1 if smoke else epochs),
        batch_size=size.batch_size,
        contract=contract,
        backbone_args={"num_samples": contract.num_samples, **({"width": 4} if smoke else size.network)},
        labelled=True,
    )


def tuned(name: str, steps: float) -> Way:
    """Return the way that goes on training the whole network on the labels of the other antenna."""
    given: dict[str, Any] = {**TUNING, "steps": int(steps)}

    def method(model: Model | None) -> Method:
        assert model is not None
        raw = as_recorded(replace(model, backbone=deepcopy(model.backbone).cpu()))
        contract: Any = raw.contract
        return Method(name, lambda seed: FineTune(lambda: deepcopy(raw.backbone), contract, seed=seed, **given))

    return Way(name, settings(FineTune, **given, views="()"), method, most_episodes=FEW_EPISODES)
