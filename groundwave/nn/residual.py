"""A small residual network over samples, pooled to the mean and the spread of what it finds."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut around them, over `[batch, channels, 1, time]` (He et al., 2016, fig. 2)."""

    def __init__(self, narrow: int, wide: int, stride: int = 1) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(narrow, wide, (1, 5), (1, stride), (0, 2), bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            nn.Conv2d(wide, wide, (1, 5), padding=(0, 2), bias=False),
            nn.BatchNorm2d(wide),
        )
        self.shortcut = nn.Sequential()
        if (narrow, stride) != (wide, 1):
            self.shortcut = nn.Sequential(nn.Conv2d(narrow, wide, 1, (1, stride), bias=False), nn.BatchNorm2d(wide))

    def forward(self, x: Float[Tensor, "batch channels 1 time"]) -> Float[Tensor, "batch wide 1 shorter"]:
        """Add the branch to the shortcut and rectify."""
        return F.relu(self.branch(x) + self.shortcut(x))


class ResidualEncoder(nn.Module):
    """Three residual blocks behind a strided stem; features are mean and standard deviation over time.

    The standard deviation (statistics pooling, Snyder et al., 2018) tells how much a filter's answer varies, which for
    modulated signals says more than its mean. Takes any length; a token stands for four samples. Convolutions are
    two-dimensional ones, channels last, because those are the fast ones on processors.

    Args:
        num_channels: input channels.
        dim: width of the blocks.
    """

    def __init__(self, num_channels: int = 2, dim: int = 128) -> None:
        super().__init__()
        self.num_features = 2 * dim
        narrow = dim // 2
        self.layers = nn.Sequential(
            nn.Conv2d(num_channels, narrow, (1, 9), (1, 2), (0, 4), bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(),
            ResidualBlock(narrow, dim),
            ResidualBlock(dim, dim, stride=2),
            ResidualBlock(dim, dim),
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return one token per four samples."""
        tokens: Tensor = self.layers(x.unsqueeze(2).contiguous(memory_format=torch.channels_last))
        return tokens.squeeze(2).transpose(1, 2)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return mean and standard deviation over time side by side."""
        variance, mean = torch.var_mean(self.tokens(x).float(), dim=1, correction=0)
        return torch.cat([mean, (variance + 1e-4).sqrt()], dim=-1)
