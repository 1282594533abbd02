"""How a pretrained backbone is tuned: which of its weights learn. A way is one function and one line in `WAYS`."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import nn

from groundwave.errors import GroundwaveError
from groundwave.model import Model
from groundwave.nn.lora import lora
from groundwave.rng import stable_hash


@dataclass(frozen=True)
class Freedom:
    """What the ways ask for beside a model.

    Args:
        last: how many of the last blocks learn, of `last-blocks`.
        rank: of the matrices that `lora` adds.
        seed: of new weights.
    """

    last: int = 2
    rank: int = 8
    seed: int = 0


def frozen(model: Model, _: Freedom) -> nn.Module:
    """Keep the backbone as it is; only the head learns."""
    return deepcopy(model.backbone).requires_grad_(False)


def last_blocks(model: Model, freedom: Freedom) -> nn.Module:
    """Let the last blocks and the norm after them learn."""
    backbone = deepcopy(model.backbone).requires_grad_(False)
    blocks = getattr(backbone, "blocks", nn.ModuleList())
    if not 1 <= freedom.last <= len(blocks):
        raise GroundwaveError(
            got=f"the last {freedom.last} blocks of a {type(backbone).__name__}, which has {len(blocks)}",
            expected="at least one, and no more than there are",
            do="tune it in another way, or another number of blocks",
        )
    free = [*blocks[len(blocks) - freedom.last :], getattr(backbone, "norm", nn.Identity())]
    for part in free:
        part.requires_grad_(True)
    return backbone


def low_rank(model: Model, freedom: Freedom) -> nn.Module:
    """Let matrices of low rank learn beside frozen ones (LoRA); they are merged in the end."""
    backbone = deepcopy(model.backbone)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stable_hash(freedom.seed, "lora"))
        return lora(backbone, freedom.rank, float(freedom.rank))


def full(model: Model, _: Freedom) -> nn.Module:
    """Let the whole backbone learn from the pretrained weights."""
    return deepcopy(model.backbone).requires_grad_(True)


def scratch(model: Model, freedom: Freedom) -> nn.Module:
    """Let a backbone of the same kind learn from random weights: what pretraining is compared with."""
    described = model.spec["backbone"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stable_hash(freedom.seed, "scratch"))
        return Model.build(described["name"], model.contract, described["args"]).backbone


SOLVED = "ridge"  # the head has a closed form: see `groundwave.adapt.ridge`
WAYS: dict[str, Callable[[Model, Freedom], nn.Module]] = {
    "frozen": frozen,
    "full": full,
    "last-blocks": last_blocks,
    "lora": low_rank,
    SOLVED: frozen,
    "scratch": scratch,
}
