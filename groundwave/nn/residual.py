"""A small residual network over samples, pooled to the mean and the spread of what it finds."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundwave.nn.resnet import BasicBlock, image_tokens


class ResidualEncoder(nn.Module):
    """Three residual blocks behind a strided stem; features are mean and standard deviation over time.

    The standard deviation (statistics pooling, Snyder et al., 2018) tells how much a filter's answer varies, which for
    modulated signals says more than its mean. Takes any length; a token stands for four samples.

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
            BasicBlock(narrow, dim, kernel=5),
            BasicBlock(dim, dim, stride=2, kernel=5),
            BasicBlock(dim, dim, kernel=5),
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return one token per four samples."""
        return image_tokens(self.layers, x)

    def pool(self, tokens: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch features"]:
        """Return mean and standard deviation of the tokens side by side."""
        variance, mean = torch.var_mean(tokens.float(), dim=1, correction=0)
        return torch.cat([mean, (variance + 1e-4).sqrt()], dim=-1)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return mean and standard deviation over time side by side."""
        return self.pool(self.tokens(x))
