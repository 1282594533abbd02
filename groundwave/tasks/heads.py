"""Which head of the table `HEADS` a task puts on a backbone, and with which arguments."""

from inspect import signature
from typing import Any

from torch import nn

from groundwave.errors import GroundwaveError, lookup
from groundwave.nn.dense import DECODERS


def dense_head(backbone: nn.Module, decoder: str, num_outputs: int) -> tuple[str, dict[str, Any]]:
    """Return a decoder to every cell; raises `GroundwaveError` for an unknown one and a backbone without patches."""
    asked = signature(lookup(DECODERS, decoder, "decoder")).parameters
    slices = {"slice": backbone.slice} if "slice" in asked and hasattr(backbone, "slice") else {}
    return f"{decoder}_decoder", {"num_outputs": num_outputs, **_of_grids(backbone), **slices}


def future_head(backbone: nn.Module, num_outputs: int, num_frames: int, num_recent: int) -> tuple[str, dict[str, Any]]:
    """Return a decoder to the cells of the next frames, which looks at the last `num_recent` frames."""
    seen = _of_grids(backbone)
    num_columns = max(1, num_recent // seen["patch"][1])
    return "future_decoder", {"num_outputs": num_outputs, "num_frames": num_frames, "num_columns": num_columns, **seen}


def _of_grids(backbone: nn.Module) -> dict[str, Any]:
    patch: Any = getattr(backbone, "patch", None)
    if not isinstance(patch, tuple):
        raise GroundwaveError(
            got=f"a {type(backbone).__name__}",
            expected="a backbone of grids, such as vit or convlstm",
            do="pretrain one on spectrograms",
        )
    return {"num_features": backbone.num_features, "patch": list(patch)}
