"""ResNet-18 over one dimension."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut around them (He et al., 2016, fig. 2), over `[batch, channels, 1, time]`.

    Convolutions are two-dimensional ones, because those, channels last, are the fast ones on processors.

    Args:
        narrow: input channels.
        wide: output channels.
        stride: of the first convolution, and of the shortcut, which is projected where the shape changes.
        kernel: samples that a convolution sees, an odd number.
    """

    def __init__(self, narrow: int, wide: int, stride: int = 1, kernel: int = 3) -> None:
        super().__init__()
        size, around = (1, kernel), (0, kernel // 2)
        self.branch = nn.Sequential(
            nn.Conv2d(narrow, wide, size, (1, stride), around, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            nn.Conv2d(wide, wide, size, padding=around, bias=False),
            nn.BatchNorm2d(wide),
        )
        self.shortcut = nn.Sequential()
        if (narrow, stride) != (wide, 1):
            self.shortcut = nn.Sequential(nn.Conv2d(narrow, wide, 1, (1, stride), bias=False), nn.BatchNorm2d(wide))

    def forward(self, x: Float[Tensor, "batch channels 1 time"]) -> Float[Tensor, "batch wide 1 shorter"]:
        """Add the branch to the shortcut and rectify."""
        return F.relu(self.branch(x) + self.shortcut(x))


def image_tokens(layers: nn.Module, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
    """Return what layers over `[batch, channels, 1, time]` make of a signal, as tokens."""
    tokens: Tensor = layers(x.unsqueeze(2).contiguous(memory_format=torch.channels_last))
    return tokens.squeeze(2).transpose(1, 2)


class ResNet18(nn.Module):
    """Residual network of 18 layers, its kernels one-dimensional (He et al., 2016, table 1).

    Features are the mean over time. Takes any length; a token stands for 32 samples.

    Args:
        num_channels: input channels.
        width: channels of the first stage; each of the three others doubles them. 64 in the source.
    """

    def __init__(self, num_channels: int = 2, width: int = 64) -> None:
        super().__init__()
        self.num_features = 8 * width
        self.layers = nn.Sequential(
            nn.Conv2d(num_channels, width, (1, 7), (1, 2), (0, 3), bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d((1, 3), (1, 2), (0, 1)),
            BasicBlock(width, width),
            BasicBlock(width, width),
        )
        for narrow, wide in pairwise((width, 2 * width, 4 * width, 8 * width)):
            self.layers += nn.Sequential(BasicBlock(narrow, wide, stride=2), BasicBlock(wide, wide))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return one token per 32 samples, rounded up."""
        return image_tokens(self.layers, x)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return the mean over time."""
        return self.tokens(x).mean(dim=1)
