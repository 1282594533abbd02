"""Objectives: what is minimised while pretraining. An objective is one file and one line in `OBJECTIVES`."""

from collections.abc import Callable

from torch import nn

from groundwave.pretrain.lsm import LSMObjective

OBJECTIVES: dict[str, Callable[..., nn.Module]] = {
    "lsm": LSMObjective,
}
