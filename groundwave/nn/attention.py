"""Attention layers of XCiT (El-Nouby et al., 2021), over a sequence of tokens."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from groundwave.nn.covariance import cross_covariance
from groundwave.nn.patch import convolve, normalise_batch


def scaled(layer: nn.Module, x: Tensor, scale: Tensor | None) -> Tensor:
    """Return `scale * layer(x)` of an `nn.Linear`: to scale its matrix costs less than to scale the tokens."""
    if scale is None:
        return layer(x)  # type: ignore[no-any-return]
    assert isinstance(layer, nn.Linear)
    return F.linear(x, scale[:, None] * layer.weight, scale * layer.bias)


class CrossCovarianceAttention(nn.Module):
    """Attention between channels instead of tokens, so that its cost grows linearly with length (XCiT, eq. 3)."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.temperature = nn.Parameter(torch.ones(num_heads, 1, 1))
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], scale: Float[Tensor, " dim"] | None = None
    ) -> Float[Tensor, "batch tokens dim"]:
        """Mix the channels of each head by the cross-covariance of keys and queries over all tokens."""
        return scaled(self.out, cross_covariance(self.qkv(x), self.temperature), scale)


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

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], scale: Float[Tensor, " dim"] | None = None
    ) -> Float[Tensor, "batch tokens dim"]:
        """Convolve along the tokens."""
        first, bend, norm, last = self.layers
        assert isinstance(first, nn.Conv1d)
        with torch.autocast(x.device.type, enabled=False):  # narrow types gain nothing here, and cost precision
            mixed = convolve(first, x.to(first.weight.dtype))
            return convolve(last, normalise_batch(norm, bend(mixed)), scale)


class FeedForward(nn.Sequential):
    """Two linear layers with GELU between them, each followed by dropout."""

    def __init__(self, dim: int, ratio: int = 4, dropout: float = 0.0) -> None:
        bend = nn.Sequential(nn.GELU(), nn.Dropout(dropout))
        super().__init__(nn.Linear(dim, ratio * dim), bend, nn.Linear(ratio * dim, dim), nn.Dropout(dropout))

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], scale: Float[Tensor, " dim"] | None = None
    ) -> Float[Tensor, "batch tokens dim"]:
        """Transform each token by itself."""
        first, bend, last, drop = self
        return drop(scaled(last, bend(first(x)), scale))  # type: ignore[no-any-return]


class Residual(nn.Module):
    """`x + scale * layer(norm(x))`, the scale learned per channel (LayerScale, Touvron et al., 2021).

    Args:
        dim: token width.
        layer: is called with the tokens and the scale, by which it multiplies the last of its linear maps.
        scale: at the start.
        eps: of the layer norm.
    """

    def __init__(self, dim: int, layer: nn.Module, scale: float, eps: float = 1e-5) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps)
        self.layer = layer
        self.scale = nn.Parameter(scale * torch.ones(dim))

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Add the scaled branch to the input."""
        return x + self.layer(self.norm(x), self.scale)  # type: ignore[no-any-return]


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
