"""Objectives: what is minimised while pretraining. An objective is one file and one line in `OBJECTIVES`."""

from collections.abc import Callable

from torch import nn

from groundwave.pretrain.decur import decur
from groundwave.pretrain.direction import Direction
from groundwave.pretrain.directions import Directions
from groundwave.pretrain.lsm import LSMObjective
from groundwave.pretrain.moco import MoCo
from groundwave.pretrain.msm import MaskedSpectrogramModeling
from groundwave.pretrain.multimodal import MultiModalMSM
from groundwave.pretrain.protobeam import ProtoBeam
from groundwave.pretrain.protonet import ProtoNet
from groundwave.pretrain.relationnet import RelationNet
from groundwave.pretrain.sclbss import SCLBSS
from groundwave.pretrain.simclr import SimCLR
from groundwave.pretrain.simsiam import SimSiam
from groundwave.pretrain.supervised import Supervised

OBJECTIVES: dict[str, Callable[..., nn.Module]] = {
    "decur": decur,
    "direction": Direction,
    "directions": Directions,
    "lsm": LSMObjective,
    "moco": MoCo,
    "msm": MaskedSpectrogramModeling,
    "multimodal_msm": MultiModalMSM,
    "protobeam": ProtoBeam,
    "protonet": ProtoNet,
    "relationnet": RelationNet,
    "sclbss": SCLBSS,
    "simclr": SimCLR,
    "simsiam": SimSiam,
    "supervised": Supervised,
}
