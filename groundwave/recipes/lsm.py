"""LSM as published, in small: crop and rotation, time against frequency, NT-Xent straight on the features.

The paper's time encoder has 12 blocks of width 192 and sees crops of a tenth of the record; training takes 300 epochs
on one SNR. Here it is a quarter as wide and deep, so that a laptop trains it. Both towers are equally wide, because
without a projector their features are compared as they are.
"""

from typing import Any

from groundwave.contracts import View
from groundwave.model import InputContract
from groundwave.views import Crop, Normalise, Rotate

CONTRACT = InputContract(num_samples=1024, min_samples=256, max_samples=2048)
CROP = 102

VIEWS: tuple[View, ...] = (Crop(CROP), Rotate(), Normalise())

BACKBONE: dict[str, Any] = {
    "towers": {
        "time": {"kind": "xcit", "dim": 48, "depth": 3, "num_heads": 4, "patch": 2},
        "frequency": {"kind": "spectrum", "dim": 48, "depth": 2, "powers": (1,)},
    }
}

OBJECTIVE: dict[str, Any] = {
    "terms": (("time", "frequency"),),
    "temperature": 0.5,
    "projection": 0,
    "answer": "modulation",
}

PAIRS_WITHIN_RECORDING = False
