"""One transformer for several modalities."""

from collections.abc import Mapping
from copy import copy
from typing import Any

from torch import nn

from groundwave.errors import lookup
from groundwave.nn.attention import FeedForward
from groundwave.nn.patch import PatchStem
from groundwave.nn.vit import Block, PatchTransformer, draw_as_in_mae, transformer_blocks

# Modalities of WavesFM, with its patches of pictures and of raw IQ.
STEMS: Mapping[str, Mapping[str, Any]] = {
    "spec": {"patch": (16, 16)},
    "csi": {"num_channels": 1, "patch": (16, 16)},
    "iq": {"num_channels": 2, "patch": (1, 16)},
}


class Way(nn.Module):
    """What a modality has of a block for itself, where attention alone is shared (BEiT-3, section 2.1)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim)
        draw_as_in_mae(self)

    def through(self, block: Block) -> Block:
        """Return the block that has the attention of `block`, and the layers of this in place of its others."""
        made = copy(block)
        made._modules = {**block._modules, **self._modules}
        return made


class MultiModalViT(PatchTransformer):
    """One trunk for several modalities, each with a stem of its own (WavesFM, arXiv 2511.15162).

    By itself it is the `ViT` of its first modality; `for_modality` gives that of any, with the same weights inside. In
    a multiway trunk (BEiT-3, Wang et al., 2023) modalities share attention and have norms and feed-forward layers of
    their own, the first one those of `blocks`: three of them have 2.3 times the weights, and take no more time.

    Args:
        num_channels: input channels of the first modality.
        stems: for each modality its `patch` and, but for the first, `num_channels`; raw IQ is a grid of one row.
        dim: token width.
        depth: transformer blocks.
        num_heads: attention heads.
        drop_path: share of the records that skip the last block's branches while training; it grows with depth.
        multiway: whether modalities share the attention alone.
    """

    def __init__(
        self,
        num_channels: int = 1,
        stems: Mapping[str, Mapping[str, Any]] = STEMS,
        dim: int = 256,
        depth: int = 8,
        num_heads: int = 8,
        drop_path: float = 0.0,
        multiway: bool = False,
    ) -> None:
        self.first, *others = stems
        first = PatchStem(num_channels, dim, stems[self.first]["patch"])
        super().__init__(first, transformer_blocks(dim, depth, num_heads, drop_path), nn.LayerNorm(dim))
        self.num_heads = num_heads
        self.others = nn.ModuleDict(
            {name: PatchStem(stems[name]["num_channels"], dim, stems[name]["patch"]) for name in others}
        )
        apart = others if multiway else ()
        self.ways = nn.ModuleDict({name: nn.ModuleList(Way(dim) for _ in range(depth)) for name in apart})
        self.norms = nn.ModuleDict({name: nn.LayerNorm(dim) for name in apart})

    def for_modality(self, modality: str) -> tuple[PatchTransformer, dict[str, Any]]:
        """Return the network of one modality, which shares its weights with this one, and the arguments of such a ViT.

        Raises:
            UnknownNameError: a modality without a stem.
        """
        stem = lookup({self.first: self.stem, **self.others}, modality, "modality")
        assert isinstance(stem, PatchStem)
        blocks, norm = self.blocks, self.norm
        if modality in self.ways:
            ways: Any = self.ways[modality]
            blocks = nn.ModuleList(way.through(block) for way, block in zip(ways, self.blocks, strict=True))
            norm = self.norms[modality]  # type: ignore[assignment]
        return PatchTransformer(stem, blocks, norm), {
            "num_channels": stem.num_channels,
            "dim": self.num_features,
            "depth": len(self.blocks),
            "num_heads": self.num_heads,
            "patch": list(stem.patch),
        }
