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
from groundwave.model import Model
from groundwave.recipes.beam_sets import PAIRS, Field, frozen
from groundwave.train import Schedule

TITLE, MIXED = "DeepBeam CNN", "DeepBeam CNN, all front-ends mixed"
PROBE, TUNED = f"{TITLE}, linear probe", f"{TITLE}, fine-tuned"
SHOTS = (2, 8)
TUNING = {"steps": 40, "lr": 5e-4}
FEW_EPISODES = 1  # each trains the whole network


def deepbeam_cnn(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/beams"),
    data: str = "beams",
    pairs: Sequence[int] = PAIRS,
    shots: Sequence[int] = SHOTS,
    epochs: int = 13,
    smoke: bool = False,
) -> Path:
    """Train DeepBeam's network on one antenna and ask it on that one and on another: as it is, or with a few labels.

    With labels it gets a linear probe, or is tuned in whole. A second one is trained on as many records of all
    front-ends. The network has half of the published filters and sees a block's first half, at the recorded level.

    Args:
        results: folder of the file of rows.
        runs: folder of pretraining runs.
        data: `beams`, the simulator, or a store of several front-ends (`groundwave ingest --format deepbeam`).
        pairs: which pairs of antennas; each is a seed.
        shots: labels per beam.
        epochs: of each training; 10 in the source, of sixty times as many records.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    field = Field(name="deepbeam-cnn", data=data, results=results, runs=runs, pairs=pairs, shots=shots, smoke=smoke)
    beams = field.opened()
    network = cnn(field.contract(beams), epochs, smoke)
    probe = frozen(PROBE, "logistic", raw=True)
    field.contest([Contender(network, (probe, tuned(3 if smoke else TUNING["steps"])))], beams, unadapted=TITLE)
    field.contest([Contender(network, ())], beams, learned="all", unadapted=MIXED)
    return field.path


def cnn(contract: InputContract, epochs: int, smoke: bool) -> Pretraining:
    """Return how the network is trained: supervised, at the level of the recording."""
    size = {"num_samples": contract.num_samples, "width": 4 if smoke else 32}
    return Pretraining(
        backbone="deepbeam_cnn",
        objective="supervised",
        views=(),
        schedule=Schedule(epochs=1 if smoke else epochs, lr=1e-3, warmup=0.1, weight_decay=0.0),
        batch_size=32,
        contract=contract,
        backbone_args=size,
        labelled=True,
    )


def tuned(steps: float) -> Way:
    """Return the way that goes on training the whole network on the labels of the other antenna."""
    given: dict[str, Any] = {**TUNING, "steps": int(steps)}

    def method(model: Model | None) -> Method:
        assert model is not None
        raw = as_recorded(replace(model, backbone=deepcopy(model.backbone).cpu()))
        contract: Any = raw.contract
        return Method(TUNED, lambda seed: FineTune(lambda: deepcopy(raw.backbone), contract, seed=seed, **given))

    return Way(TUNED, settings(FineTune, **given, views="()"), method, most_episodes=FEW_EPISODES)
