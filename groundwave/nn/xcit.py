"""XCiT-1D: the time encoder of LSM."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundwave.errors import GroundwaveError
from groundwave.nn.attention import (
    ClassAttention,
    CrossCovarianceAttention,
    FeedForward,
    LocalPatchInteraction,
    Residual,
)
from groundwave.nn.length import check_length
from groundwave.nn.patch import ConvStem, FourierPositions, sinusoidal_positions

# LSM's time encoder as released: timm's `xcit_tiny_12_p16_224` behind a convolutional stem, on crops of 12 samples.
XCIT_TINY_12: Mapping[str, Any] = {
    "dim": 192,
    "depth": 12,
    "num_heads": 4,
    "patch": 2,
    "pool": "flatten",
    "num_samples": 12,
    "positions": "fourier",
    "tokens_norm": True,
    "class_dropout": 0.3,
    "eps": 1e-6,
    "initial": "xcit",
}


class ClassBlock(nn.Module):
    """A class-attention layer and a feed-forward layer that update the class token.

    With `tokens_norm` they run as in XCiT's released code: a norm stands on the stream itself, not only on the branch,
    and the other tokens change too, because what is added to them is their own norm.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        scale: float,
        tokens_norm: bool = False,
        dropout: float = 0.0,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.tokens_norm = tokens_norm
        self.norm = nn.LayerNorm(dim, eps)
        self.attention = ClassAttention(dim, num_heads, dropout)
        self.scale = nn.Parameter(scale * torch.ones(dim))
        self.feed_forward = Residual(dim, FeedForward(dim, dropout=dropout), scale, eps)

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Update the first token, and with `tokens_norm` the others."""
        normed = self.norm(x)
        chosen = x[:, :1] + self.scale * self.attention(normed)
        if not self.tokens_norm:
            return torch.cat([self.feed_forward(chosen), x[:, 1:]], dim=1)
        others = x[:, 1:] + self.scale * normed[:, 1:]
        last = self.feed_forward
        chosen, others = last.norm(chosen), last.norm(others)
        return torch.cat([chosen + last.scale * last.layer(chosen), 2 * others], dim=1)


class XCiT(nn.Module):
    """Cross-covariance transformer over a one-dimensional signal (El-Nouby et al., 2021; LSM's Encoder_s).

    Features are the class token and the mean of the other tokens side by side, so that any length fits. LSM's own
    setting, with all tokens side by side, is `XCIT_TINY_12`.

    Args:
        num_channels: input channels (2 for IQ).
        dim: token width; LSM uses 192.
        depth: cross-covariance blocks; LSM uses 12.
        num_heads: attention heads.
        patch: samples per token; LSM uses 2.
        class_depth: class-attention blocks.
        layer_scale: initial scale of the residual branches.
        pool: features are `class+mean`, or all tokens, `flatten`, for records of `num_samples` only.
        num_samples: length of a record; only flattening needs it.
        positions: position code of a token's `index`, or XCiT's learned mixture of `fourier` terms.
        tokens_norm: whether the class-attention blocks run as in XCiT's code; see `ClassBlock`.
        class_dropout: in the class-attention blocks; the released code of LSM uses 0.3.
        eps: of layer norms; XCiT uses 1e-6.
        initial: weights as drawn by PyTorch (`torch`) or as in XCiT's code (`xcit`).
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
        pool: str = "class+mean",
        num_samples: int | None = None,
        positions: str = "index",
        tokens_norm: bool = False,
        class_dropout: float = 0.0,
        eps: float = 1e-5,
        initial: str = "torch",
    ) -> None:
        super().__init__()
        _check_choice("pool", pool, ("class+mean", "flatten"))
        _check_choice("positions", positions, ("index", "fourier"))
        _check_choice("initial", initial, ("torch", "xcit"))
        self.num_features, self.num_samples = 2 * dim, None
        if pool == "flatten":
            if num_samples is None:
                raise GroundwaveError("pool 'flatten' without num_samples", "a length", "give num_samples")
            num_tokens = 1 + math.ceil(num_samples / patch)
            self.num_features, self.num_samples = num_tokens * dim, num_samples
        self.stem = ConvStem(num_channels, dim, patch)
        self.positions = FourierPositions(dim) if positions == "fourier" else None
        self.blocks = nn.Sequential()
        for _ in range(depth):
            self.blocks.append(Residual(dim, CrossCovarianceAttention(dim, num_heads), layer_scale, eps))
            self.blocks.append(Residual(dim, LocalPatchInteraction(dim), layer_scale, eps))
            self.blocks.append(Residual(dim, FeedForward(dim), layer_scale, eps))
        self.class_token = nn.Parameter(torch.zeros(dim))
        nn.init.trunc_normal_(self.class_token, std=0.02)
        self.class_blocks = nn.Sequential(
            *(ClassBlock(dim, num_heads, layer_scale, tokens_norm, class_dropout, eps) for _ in range(class_depth))
        )
        self.norm = nn.LayerNorm(dim, eps)
        if initial == "xcit":
            self.apply(_xcit_initial)

    def begin(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return the tokens that the first block is given: one per `patch` samples, with its position."""
        tokens: Tensor = self.stem(x)
        if self.positions is None:
            return tokens + sinusoidal_positions(tokens.shape[1], tokens.shape[2], tokens.device)
        return tokens + self.positions(tokens.shape[1])  # type: ignore[no-any-return]

    def finish(self, tokens: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch more dim"]:
        """Return a class token and the tokens of the last block, as the class blocks leave them."""
        class_token = self.class_token.to(tokens.dtype).expand(tokens.shape[0], 1, -1)
        return self.norm(self.class_blocks(torch.cat([class_token, tokens], dim=1)))  # type: ignore[no-any-return]

    def pool(self, tokens: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch features"]:
        """Return the features that finished tokens make."""
        if self.num_samples is not None:
            return tokens.flatten(1)
        return torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=-1)

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return the class token followed by one token per `patch` samples."""
        return self.finish(self.blocks(self.begin(x)))

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return the pooled tokens; raises `ContractError` for another length when they are flattened."""
        if self.num_samples is not None:
            check_length(x, self.num_samples, self.num_samples)
        return self.pool(self.tokens(x))


def _check_choice(name: str, got: str, known: tuple[str, ...]) -> None:
    if got not in known:
        raise GroundwaveError(f"{name} {got!r}", f"one of {', '.join(known)}", f"choose another {name}")


def _xcit_initial(module: nn.Module) -> None:
    """Draw the matrices of one layer from a narrow normal, and depthwise kernels like the middle of 3x3 ones."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv1d) and module.groups > 1:
        for parameter in module.parameters():
            nn.init.uniform_(parameter, -1 / 3, 1 / 3)  # PyTorch's bound for nine inputs, of which six only see padding
