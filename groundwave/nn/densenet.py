"""DenseNet: every layer sees what all layers before it in its block have made."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


def min_max(x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch channels time"]:
    """Scale each channel of each record to the range from -1 to 1; one that is constant becomes -1."""
    low, high = x.amin(-1, keepdim=True), x.amax(-1, keepdim=True)
    return 2 * (x - low) / (high - low).clamp(min=torch.finfo(x.dtype).tiny) - 1


class DenseLayer(nn.Module):
    """Batch norm, ReLU and a 1 x 1 convolution, the same with 3 x 3, beside what came in."""

    def __init__(self, width: int, growth: int, bottleneck: int) -> None:
        super().__init__()
        inside = bottleneck * growth
        self.layers = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, inside, 1, bias=False),
            nn.BatchNorm2d(inside),
            nn.ReLU(),
            nn.Conv2d(inside, growth, 3, padding=1, bias=False),
        )

    def forward(self, x: Float[Tensor, "batch width time channels"]) -> Float[Tensor, "batch wider time channels"]:
        """Return the input and what the layer makes of it, one after the other."""
        return torch.cat((x, self.layers(x)), 1)


class DenseNet(nn.Module):
    """Blocks of dense layers over time and channels as a picture (Huang et al., 2017), as small as ProtoBeam has it.

    I and Q are the two columns of the picture (Mashaal et al., ProtoBeam, 2024): 326 k parameters. Kernels run over
    both; between blocks, a 1 x 1 convolution halves the width and a pool both sides.

    Args:
        num_channels: columns; 2 in ProtoBeam.
        growth: filters that each layer adds.
        blocks: layers of each block.
        bottleneck: width of a layer's 1 x 1 convolution over `growth`.
        width: filters of the first convolution.
        dim: features.
        scaled: scale each channel to -1 ... 1 first, as ProtoBeam's data normalisation does after all augmentation.
    """

    def __init__(
        self,
        num_channels: int = 2,
        growth: int = 32,
        blocks: Sequence[int] = (5, 5, 5),
        bottleneck: int = 1,
        width: int = 64,
        dim: int = 128,
        scaled: bool = True,
    ) -> None:
        super().__init__()
        self.num_channels, self.num_features, self.scaled = num_channels, dim, scaled
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        for number, depth in enumerate(blocks):
            if number:
                self.layers += nn.Sequential(
                    nn.BatchNorm2d(width),
                    nn.ReLU(),
                    nn.Conv2d(width, width // 2, 1, bias=False),
                    nn.AvgPool2d(2, ceil_mode=True),  # no column is lost, however few there are
                )
                width //= 2
            self.layers += nn.Sequential(*(DenseLayer(width + k * growth, growth, bottleneck) for k in range(depth)))
            width += depth * growth
        self.layers += nn.Sequential(nn.BatchNorm2d(width), nn.ReLU())
        self.out = nn.Linear(width, dim)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(self.out.bias)

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return one token per 8 samples, each the mean of its row."""
        rows = self.layers((min_max(x) if self.scaled else x).mT[:, None]).mean(-1)
        tokens: Tensor = self.out(rows.mT)
        return tokens

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return the mean token."""
        return self.tokens(x).mean(dim=1)
