"""What we choose for modulation recognition: the pool, the views, the network, the schedule."""

from typing import Any

from groundwave.contracts import View
from groundwave.model import InputContract
from groundwave.scenes.radioml import RadioML
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

BACKBONE: dict[str, Any] = {
    "towers": {
        "time": {"kind": "xcit", "dim": 128, "depth": 4, "num_heads": 4, "patch": 16},
        "frequency": {"kind": "spectrum", "dim": 128, "depth": 5, "powers": (1, 2, 4)},
    }
}

OBJECTIVE: dict[str, Any] = {"temperature": 0.2, "projection": 128, "answer": "modulation"}

PAIRS_WITHIN_RECORDING = False  # two views of one record are a pair

# Seeds of scenes that must never meet: what is pretrained on, and what is tested on.
POOL_SEED, TEST_SEED = 1, 1_000_001


def pool(records_per_cell: int = 10) -> RadioML:
    """Return the scene that unlabelled records are drawn from: all classes, from barely audible to clear."""
    return RadioML(
        "fixed", num_samples=NUM_SAMPLES, snrs_db=range(-6, 21, 2), records_per_cell=records_per_cell, seed=POOL_SEED
    )


def trial(snrs_db: tuple[float, ...], records_per_cell: int) -> RadioML:
    """Return the scene that labelled records are drawn from: other seeds, and so other messages, channels and noise."""
    return RadioML("fixed", num_samples=NUM_SAMPLES, snrs_db=snrs_db, records_per_cell=records_per_cell, seed=TEST_SEED)
