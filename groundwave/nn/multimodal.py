"""One transformer for several modalities."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from groundwave.errors import lookup
from groundwave.nn.patch import PatchStem
from groundwave.nn.vit import PatchTransformer, transformer_blocks

# Modalities of WavesFM, with its patches of pictures and of raw IQ.
STEMS: Mapping[str, Mapping[str, Any]] = {
    "spec": {"patch": (16, 16)},
    "csi": {"num_channels": 1, "patch": (16, 16)},
    "iq": {"num_channels": 2, "patch": (1, 16)},
}


class MultiModalViT(PatchTransformer):
    """One trunk for several modalities, each with a stem of its own (WavesFM, arXiv 2511.15162).

    By itself it is the `ViT` of its first modality; `for_modality` gives that of any, with the same weights inside.

    Args:
        num_channels: input channels of the first modality.
        stems: for each modality its `patch` and, but for the first, `num_channels`; raw IQ is a grid of one row.
        dim: token width.
        depth: transformer blocks.
        num_heads: attention heads.
        drop_path: share of the records that skip the last block's branches while training; it grows with depth.
    """

    def __init__(
        self,
        num_channels: int = 1,
        stems: Mapping[str, Mapping[str, Any]] = STEMS,
        dim: int = 256,
        depth: int = 8,
        num_heads: int = 8,
        drop_path: float = 0.0,
    ) -> None:
        self.first, *others = stems
        first = PatchStem(num_channels, dim, stems[self.first]["patch"])
        super().__init__(first, transformer_blocks(dim, depth, num_heads, drop_path), nn.LayerNorm(dim))
        self.num_heads = num_heads
        self.others = nn.ModuleDict(
            {name: PatchStem(stems[name]["num_channels"], dim, stems[name]["patch"]) for name in others}
        )

    def for_modality(self, modality: str) -> tuple[PatchTransformer, dict[str, Any]]:
        """Return the network of one modality, which shares its weights with this one, and the arguments of such a ViT.

        Raises:
            UnknownNameError: a modality without a stem.
        """
        stem = lookup({self.first: self.stem, **self.others}, modality, "modality")
        assert isinstance(stem, PatchStem)
        args = {"num_channels": stem.num_channels, "dim": self.num_features, "depth": len(self.blocks)}
        return PatchTransformer(stem, self.blocks, self.norm), {
            **args,
            "num_heads": self.num_heads,
            "patch": list(stem.patch),
        }
