"""Attention layers of XCiT (El-Nouby et al., 2021), over a sequence of tokens."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class CrossCovarianceAttention(nn.Module):
    """Attention between channels instead of tokens, so that its cost grows linearly with length (XCiT, eq. 3)."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.temperature = nn.Parameter(torch.ones(num_heads, 1, 1))
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Mix the channels of each head by the cross-covariance of keys and queries over all tokens."""
        # Tokens go last, side by side in memory: norms and products run over them.
        split = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 4, 1).contiguous()
        query, key, value = split.unbind(0)
        query, key = F.normalize(query, dim=-1) * self.temperature, F.normalize(key, dim=-1)
        mixed = (query @ key.transpose(-2, -1)).softmax(-1) @ value
        return self.out(mixed.permute(0, 3, 1, 2).flatten(2))  # type: ignore[no-any-return]


class LocalPatchInteraction(nn.Module):
    """Depthwise convolutions that let neighbouring tokens talk, as cross-covariance attention does not (XCiT, 3.3)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(dim, dim, 3, padding=1, groups=dim),
            nn.GELU(),
            nn.BatchNorm1d(dim),
            nn.Conv1d(dim, dim, 3, padding=1, groups=dim),
        )

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Convolve along the tokens."""
        mixed: Tensor = self.layers(x.transpose(1, 2))
        return mixed.transpose(1, 2)


class FeedForward(nn.Sequential):
    """Two linear layers with GELU between them, each followed by dropout."""

    def __init__(self, dim: int, ratio: int = 4, dropout: float = 0.0) -> None:
        bend = nn.Sequential(nn.GELU(), nn.Dropout(dropout))
        super().__init__(nn.Linear(dim, ratio * dim), bend, nn.Linear(ratio * dim, dim), nn.Dropout(dropout))


class Residual(nn.Module):
    """`x + scale * layer(norm(x))`, the scale learned per channel (LayerScale, Touvron et al., 2021)."""

    def __init__(self, dim: int, layer: nn.Module, scale: float, eps: float = 1e-5) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps)
        self.layer = layer
        self.scale = nn.Parameter(scale * torch.ones(dim))

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Add the scaled branch to the input."""
        return x + self.scale * self.layer(self.norm(x))  # type: ignore[no-any-return]


class ClassAttention(nn.Module):
    """The class token (first of the sequence) attends to all tokens; only the class token changes (CaiT, 2021)."""

    def __init__(self, dim: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch one dim"]:
        """Return the update of the class token."""
        split = (self.num_heads, -1)
        query = self.query(x[:, :1]).unflatten(-1, split).transpose(1, 2)
        key, value = (part.unflatten(-1, split).transpose(1, 2) for part in self.key_value(x).chunk(2, dim=-1))
        read = F.scaled_dot_product_attention(query, key, value)
        return self.dropout(self.out(read.transpose(1, 2).flatten(2)))  # type: ignore[no-any-return]
