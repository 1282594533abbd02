"""ViT: a transformer over the patches of a grid."""

from collections.abc import Sequence

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from groundwave.errors import GroundwaveError
from groundwave.nn.attention import FeedForward
from groundwave.nn.patch import PatchStem
from groundwave.nn.softmax import attend


class SelfAttention(nn.Module):
    """Multi-head attention of every token to all tokens (Vaswani et al., 2017, eq. 1)."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv: nn.Module = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Mix the tokens of each head by the softmax of queries times keys."""
        return self.out(attend(self.qkv(x), self.num_heads))  # type: ignore[no-any-return]


class DropPath(nn.Module):
    """Leave a residual branch out for some records while training (Huang et al., 2016, stochastic depth).

    Args:
        drop: share of the records; their generator is torch's global one, as that of any layer.
    """

    def __init__(self, drop: float) -> None:
        super().__init__()
        self.drop = drop

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Silence the branch of some records and scale up that of the others; return it as it is otherwise."""
        return x * F.dropout(x.new_ones(x.shape[0], 1, 1), self.drop) if self.training and self.drop else x


class Block(nn.Module):
    """A transformer block with its norms first: attention, then two linear layers (Dosovitskiy et al., 2021, eq. 2-3).

    Args:
        dim: token width.
        num_heads: attention heads, a divisor of `dim`.
        drop_path: share of the records that skip a branch while training.
    """

    def __init__(self, dim: int, num_heads: int, drop_path: float = 0.0) -> None:
        super().__init__()
        if dim % num_heads:
            raise GroundwaveError(f"{num_heads} heads for {dim} channels", "a divisor", "change num_heads or dim")
        self.attention_norm, self.attention = nn.LayerNorm(dim), SelfAttention(dim, num_heads)
        self.feed_forward_norm, self.feed_forward = nn.LayerNorm(dim), FeedForward(dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Add both branches to the tokens."""
        x = x + self.drop_path(self.attention(self.attention_norm(x)))
        return x + self.drop_path(self.feed_forward(self.feed_forward_norm(x)))  # type: ignore[no-any-return]


class PatchTransformer(nn.Module):
    """A stem and transformer blocks over its tokens; features are the mean of the last ones, after a norm.

    Args:
        stem: cuts a grid into patches and makes a token of each.
        blocks: what the tokens go through.
        norm: what they end in.
    """

    def __init__(self, stem: PatchStem, blocks: nn.ModuleList, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.stem, self.blocks, self.norm = stem, blocks, norm
        self.num_features, self.patch = int(norm.normalized_shape[0]), stem.patch

    def grid(self, x: Float[Tensor, "batch channels *size"]) -> tuple[int, int]:
        """Return how many rows and columns of patches, and so of tokens, `x` has."""
        return self.stem.grid(x)

    def encode(
        self, x: Float[Tensor, "batch channels *size"], kept: Int[Tensor, "batch kept"] | None = None
    ) -> Float[Tensor, "batch tokens dim"]:
        """Return one token per patch, row by row, or those of the patches `kept` alone, as if there were no others."""
        tokens: Tensor = self.stem(x, kept)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)  # type: ignore[no-any-return]

    def tokens(self, x: Float[Tensor, "batch channels *size"]) -> Float[Tensor, "batch tokens dim"]:
        """Return one token per patch, row by row (lowest frequencies first)."""
        return self.encode(x)

    def forward(self, x: Float[Tensor, "batch channels *size"]) -> Float[Tensor, "batch features"]:
        """Return the mean token."""
        return self.encode(x).mean(dim=1)


class ViT(PatchTransformer):
    """Vision transformer over a grid of any size (Dosovitskiy et al., 2021), with MAE's fixed position codes.

    A grid that is no whole number of patches has its last row and column repeated.

    Args:
        num_channels: input channels.
        dim: token width.
        depth: transformer blocks.
        num_heads: attention heads.
        patch: rows (frequency) and columns (time) of a patch, in cells.
        drop_path: share of the records that skip the last block's branches while training; it grows with depth.
    """

    def __init__(
        self,
        num_channels: int = 1,
        dim: int = 256,
        depth: int = 8,
        num_heads: int = 8,
        patch: Sequence[int] = (16, 16),
        drop_path: float = 0.0,
    ) -> None:
        super().__init__(
            PatchStem(num_channels, dim, patch), transformer_blocks(dim, depth, num_heads, drop_path), nn.LayerNorm(dim)
        )


def transformer_blocks(dim: int, depth: int, num_heads: int, drop_path: float = 0.0) -> nn.ModuleList:
    """Return blocks whose matrices are drawn as in MAE, the share of dropped branches growing from zero."""
    blocks = nn.ModuleList(Block(dim, num_heads, drop_path * i / max(1, depth - 1)) for i in range(depth))
    draw_as_in_mae(blocks)
    return blocks


def draw_as_in_mae(network: nn.Module) -> None:
    """Draw the matrices of a network's linear layers as MAE does (Xavier), its biases zero."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
