"""A small residual network over pictures."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class PictureBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut around them (He et al., 2016, fig. 2).

    Args:
        narrow: input channels.
        wide: output channels.
        stride: of the first convolution, and of the shortcut, which is projected where the shape changes.
    """

    def __init__(self, narrow: int, wide: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(narrow, wide, 3, stride, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            nn.Conv2d(wide, wide, 3, padding=1, bias=False),
            nn.BatchNorm2d(wide),
        )
        self.shortcut = nn.Sequential()
        if (narrow, stride) != (wide, 1):
            self.shortcut = nn.Sequential(nn.Conv2d(narrow, wide, 1, stride, bias=False), nn.BatchNorm2d(wide))

    def forward(self, x: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch wide fewer fewest"]:
        """Add the branch to the shortcut and rectify."""
        return F.relu(self.branch(x) + self.shortcut(x))


class ResNet2d(nn.Module):
    """Residual network for small pictures (He et al., 2016, section 4.2), one block a stage by default.

    The stem halves both sides, and so does each stage but the first. Features are the mean over the picture. Takes any
    size.

    Args:
        num_channels: input channels.
        width: channels of the first stage; each stage that follows doubles them.
        depths: blocks of each stage.
    """

    def __init__(self, num_channels: int = 3, width: int = 32, depths: Sequence[int] = (1, 1, 1)) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(len(depths))]
        self.num_features = widths[-1]
        stem = nn.Conv2d(num_channels, width, 3, 2, 1, bias=False)
        layers: list[nn.Module] = [stem, nn.BatchNorm2d(width), nn.ReLU()]
        for (narrow, wide), depth in zip(pairwise((width, *widths)), depths, strict=True):
            layers.append(PictureBlock(narrow, wide, 1 if len(layers) == 3 else 2))
            layers += [PictureBlock(wide, wide, 1) for _ in range(depth - 1)]
        self.layers = nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def tokens(self, x: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch tokens dim"]:
        """Return one token for each cell of the last stage's grid, row by row."""
        grid: Tensor = self.layers(x.contiguous(memory_format=torch.channels_last))
        return grid.flatten(2).transpose(1, 2)

    def forward(self, x: Float[Tensor, "batch channels rows columns"]) -> Float[Tensor, "batch features"]:
        """Return the mean over the picture."""
        return self.tokens(x).mean(dim=1)
