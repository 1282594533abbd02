"""What we choose for telling families of devices apart: recordings, each with many windows of one device.

Chosen by scores within training sides alone. A carrier's place in the band and the rates at which its envelope beats
say most about a device; what differs between two windows of one recording, and what a receiver changes, says nothing.
"""

from typing import Any

from groundwave.contracts import View
from groundwave.model import InputContract
from groundwave.train import Schedule
from groundwave.views import AddNoise, Crop, Filter, FrequencyShift, Normalise, Resample, Rotate

CONTRACT = InputContract(num_samples=2048, min_samples=1024, max_samples=2048)
CROP = 1536

VIEWS: tuple[View, ...] = (
    Resample(1.03),
    Crop(CROP),
    FrequencyShift(0.032),  # +-8 kHz at 250 kS/s: remote controls drift by several
    Rotate(),
    AddNoise((10.0, 40.0)),
    Filter(num_echoes=1, echo_power=0.2),
    Normalise(),
)

BACKBONE: dict[str, Any] = {
    "towers": {
        "carrier": {"kind": "welch", "dim": 96},
        "envelope": {"kind": "envelope", "dim": 96},
        "attributes": {"kind": "attributes"},
    }
}

OBJECTIVE: dict[str, Any] = {
    "terms": (("carrier", "envelope"), ("carrier", "carrier"), ("envelope", "envelope")),
    "temperature": 0.15,
    "projection": 64,
    "answer": "family",  # not which device of a kind it is: that the views below destroy
}

# Two windows of one recording are a pair: what differs between them says nothing about the device.
PAIRS_WITHIN_RECORDING = True

BATCH_SIZE = 64
SCHEDULE = Schedule(epochs=10, lr=2e-3, weight_decay=0.05, warmup=0.1, precision="32-true")
