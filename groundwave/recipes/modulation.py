"""What we choose for modulation recognition: the pool, the views, the network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundwave.contracts import View
from groundwave.data.sources import SceneSource
from groundwave.model import InputContract, Model
from groundwave.pretrain.run import pretrain
from groundwave.scenes.radioml import RadioML
from groundwave.train import Schedule
from groundwave.views import AddNoise, Crop, Filter, FrequencyShift, Normalise, Resample, Rotate

NUM_SAMPLES = 1024
CROP = 512

CONTRACT = InputContract(num_samples=NUM_SAMPLES, min_samples=256, max_samples=2048)

# A modulation survives all of these; what is left to agree on between two views is therefore mostly the modulation.
VIEWS: tuple[View, ...] = (
    Crop(CROP),
    Resample(1.2),
    Filter(num_echoes=2, echo_power=0.2),
    FrequencyShift(0.01),
    Rotate(),
    AddNoise((0.0, 25.0)),
    Normalise(),
)

# Samples; what lies at the symbol rate; and the moments of that as they are, which an expert would look at.
BACKBONE: dict[str, Any] = {
    "towers": {
        "time": {"kind": "residual", "dim": 96},
        "cyclic": {"kind": "cyclic", "dim": 256, "hidden": 512},
        "moments": {"kind": "moments"},
    }
}

TERMS = (("time", "cyclic"), ("time", "time"), ("cyclic", "cyclic"), ("fused", "fused"))
OBJECTIVE: dict[str, Any] = {"terms": TERMS, "temperature": 0.5, "projection": 128, "answer": "modulation"}

PAIRS_WITHIN_RECORDING = False  # two views of one record are a pair

# Seeds of scenes that must never meet: what is pretrained on, and what is tested on.
POOL_SEED, TEST_SEED = 1, 1_000_001


def pool(records_per_cell: int = 10) -> RadioML:
    """Return the scene that unlabelled records are drawn from: all classes, from barely audible to clear."""
    return RadioML(
        "fixed", num_samples=NUM_SAMPLES, snrs_db=range(-6, 21, 2), records_per_cell=records_per_cell, seed=POOL_SEED
    )


def pretrain_on_pool(
    out: Path,
    *,
    num_records: int,
    batch_size: int,
    schedule: Schedule,
    backbone: Mapping[str, Any] = BACKBONE,
    objective: Mapping[str, Any] = OBJECTIVE,
    seed: int = 0,
    progress: bool = True,
) -> Model:
    """Pretrain an LSM on records of the pool; an interrupted run in `out` is continued. See `pretrain`."""
    return pretrain(
        SceneSource(pool(), num_records),
        out=out,
        contract=CONTRACT,
        views=VIEWS,
        schedule=schedule,
        backbone_args=backbone,
        objective_args=objective,
        batch_size=batch_size,
        seed=seed,
        progress=progress,
    )


def trial(snrs_db: tuple[float, ...], records_per_cell: int) -> RadioML:
    """Return the scene that labelled records are drawn from: other seeds, and so other messages, channels and noise."""
    return RadioML("fixed", num_samples=NUM_SAMPLES, snrs_db=snrs_db, records_per_cell=records_per_cell, seed=TEST_SEED)
