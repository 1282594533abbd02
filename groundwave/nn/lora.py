"""LoRA: matrices of low rank that learn beside frozen ones (Hu et al., 2022)."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from groundwave.errors import GroundwaveError
from groundwave.nn.vit import SelfAttention

QUERY_VALUE = (0, 2)  # of the rows that make queries, keys and values: those adapted by Hu et al., section 4.2


class LoRALinear(nn.Module):
    """A frozen linear layer `W x + b` that learns `W + alpha / rank * up down` (Hu et al., 2022, eq. 3).

    `up` starts at zero, so that at first nothing is changed.

    Args:
        linear: the layer; its own weights learn no more.
        rank: of what is added.
        alpha: scale of what is added, over `rank`.
        num_parts: parts of equal size that the outputs consist of.
        parts: those to which something is added, each with matrices of its own.
    """

    def __init__(
        self, linear: nn.Linear, rank: int, alpha: float, num_parts: int = 1, parts: Sequence[int] = (0,)
    ) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.scale, self.num_parts, self.parts = alpha / rank, num_parts, tuple(parts)
        like = linear.weight
        self.down = nn.Parameter(like.new_empty(len(self.parts), rank, linear.in_features))
        self.up = nn.Parameter(like.new_zeros(len(self.parts), linear.out_features // num_parts, rank))
        nn.init.uniform_(self.down, -1 / math.sqrt(linear.in_features), 1 / math.sqrt(linear.in_features))

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Return the frozen layer's outputs and what is added to some of them."""
        known: Tensor = self.linear(x)
        low = F.linear(x, self.down.flatten(0, 1)).chunk(len(self.parts), dim=-1)
        outputs = list(known.chunk(self.num_parts, dim=-1))
        for part, few, up in zip(self.parts, low, self.up, strict=True):
            outputs[part] = outputs[part] + self.scale * F.linear(few, up)
        return torch.cat(outputs, dim=-1)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """Return one linear layer that does the same; it is the frozen one, changed."""
        rows = self.linear.weight.unflatten(0, (self.num_parts, -1))
        for part, down, up in zip(self.parts, self.down, self.up, strict=True):
            rows[part] += self.scale * up @ down
        return self.linear.requires_grad_(True)


def lora(network: nn.Module, rank: int = 8, alpha: float = 8.0) -> nn.Module:
    """Freeze a network with transformer `blocks` and let low ranks learn in queries and values; changes it in place.

    Args:
        network: what was pretrained.
        rank: of what is added; WavesFM uses 32, with `alpha` 64.
        alpha: scale of what is added, over `rank`.

    Raises:
        GroundwaveError: a network without transformer blocks, or a rank below 1.
    """
    blocks = getattr(network, "blocks", None)
    found = [] if blocks is None else [layer for layer in blocks.modules() if isinstance(layer, SelfAttention)]
    if rank < 1 or not found:
        raise GroundwaveError(
            got=f"LoRA of rank {rank} on a {type(network).__name__}",
            expected="a rank of at least 1, and a network with transformer blocks",
            do="adapt a vit, or tune another network whole",
        )
    network.requires_grad_(False)
    for attention in found:
        assert isinstance(attention.qkv, nn.Linear)
        attention.qkv = LoRALinear(attention.qkv, rank, alpha, 3, QUERY_VALUE)
    return network


def merge_lora(network: nn.Module) -> nn.Module:
    """Put a plain linear layer in place of each adapted one, which does the same; changes the network in place."""
    for name, layer in list(network.named_children()):
        setattr(network, name, layer.merged() if isinstance(layer, LoRALinear) else merge_lora(layer))
    return network
