"""XCiT-1D: the time encoder of LSM."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundwave.nn.attention import (
    ClassAttention,
    CrossCovarianceAttention,
    FeedForward,
    LocalPatchInteraction,
    Residual,
)
from groundwave.nn.patch import ConvStem, sinusoidal_positions


class ClassBlock(nn.Module):
    """A class-attention layer and a feed-forward layer that update the class token only."""

    def __init__(self, dim: int, num_heads: int, scale: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attention = ClassAttention(dim, num_heads)
        self.scale = nn.Parameter(scale * torch.ones(dim))
        self.feed_forward = Residual(dim, FeedForward(dim), scale)

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Update the first token."""
        chosen = x[:, :1] + self.scale * self.attention(self.norm(x))
        return torch.cat([self.feed_forward(chosen), x[:, 1:]], dim=1)


class XCiT(nn.Module):
    """Cross-covariance transformer over a one-dimensional signal (El-Nouby et al., 2021; LSM's Encoder_s).

    Features are the class token and the mean of the other tokens side by side, so that any length fits.

    Args:
        num_channels: input channels (2 for IQ).
        dim: token width; LSM uses 192.
        depth: cross-covariance blocks; LSM uses 12.
        num_heads: attention heads.
        patch: samples per token; LSM uses 2.
        class_depth: class-attention blocks.
        layer_scale: initial scale of the residual branches.
    """

    def __init__(
        self,
        num_channels: int = 2,
        dim: int = 96,
        depth: int = 4,
        num_heads: int = 4,
        patch: int = 8,
        class_depth: int = 2,
        layer_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.num_features = 2 * dim
        self.stem = ConvStem(num_channels, dim, patch)
        self.blocks = nn.Sequential()
        for _ in range(depth):
            self.blocks.append(Residual(dim, CrossCovarianceAttention(dim, num_heads), layer_scale))
            self.blocks.append(Residual(dim, LocalPatchInteraction(dim), layer_scale))
            self.blocks.append(Residual(dim, FeedForward(dim), layer_scale))
        self.class_token = nn.Parameter(torch.zeros(dim))
        nn.init.trunc_normal_(self.class_token, std=0.02)
        self.class_blocks = nn.Sequential(*(ClassBlock(dim, num_heads, layer_scale) for _ in range(class_depth)))
        self.norm = nn.LayerNorm(dim)

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return the class token followed by one token per `patch` samples."""
        tokens = self.stem(x)
        tokens = self.blocks(tokens + sinusoidal_positions(tokens.shape[1], tokens.shape[2], tokens.device))
        class_token = self.class_token.to(tokens.dtype).expand(tokens.shape[0], 1, -1)
        return self.norm(self.class_blocks(torch.cat([class_token, tokens], dim=1)))  # type: ignore[no-any-return]

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return the class token and the mean token side by side."""
        tokens = self.tokens(x)
        return torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=-1)
