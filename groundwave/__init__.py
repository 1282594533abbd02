"""Groundwave: radio foundation models from unlabelled recordings and a handful of labels.

The public door. Names are imported when first used, so that `import groundwave` (and `groundwave --help`) costs
nothing: `Model`, `Store`, `fit`, `tune`, and the tables `SCENES`, `READERS`, `VIEWS`, `BACKBONES`, `OBJECTIVES`,
`TASKS`, `LEARNERS`.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Model": "groundwave.model",
    "fit": "groundwave.train",
    "tune": "groundwave.adapt.tuning",
    "Store": "groundwave.data.store",
    "SCENES": "groundwave.scenes",
    "READERS": "groundwave.data",
    "VIEWS": "groundwave.views",
    "BACKBONES": "groundwave.nn",
    "OBJECTIVES": "groundwave.pretrain",
    "TASKS": "groundwave.tasks",
    "LEARNERS": "groundwave.adapt",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'groundwave' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
