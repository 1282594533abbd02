"""ResNet-18 over one dimension."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut around them (He et al., 2016, fig. 2).

    Args:
        narrow: input channels.
        wide: output channels.
        stride: of the first convolution, and of the shortcut, which is projected where the shape changes.
    """

    def __init__(self, narrow: int, wide: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv1d(narrow, wide, 3, stride, padding=1, bias=False),
            nn.BatchNorm1d(wide),
            nn.ReLU(),
            nn.Conv1d(wide, wide, 3, padding=1, bias=False),
            nn.BatchNorm1d(wide),
        )
        self.shortcut = nn.Sequential()
        if (narrow, stride) != (wide, 1):
            self.shortcut = nn.Sequential(nn.Conv1d(narrow, wide, 1, stride, bias=False), nn.BatchNorm1d(wide))

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch wide shorter"]:
        """Add the branch to the shortcut and rectify."""
        return F.relu(self.branch(x) + self.shortcut(x))


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
            nn.Conv1d(num_channels, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.MaxPool1d(3, stride=2, padding=1),
            BasicBlock(width, width, 1),
            BasicBlock(width, width, 1),
        )
        for narrow, wide in pairwise((width, 2 * width, 4 * width, 8 * width)):
            self.layers += nn.Sequential(BasicBlock(narrow, wide, 2), BasicBlock(wide, wide, 1))
        for module in self.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return one token per 32 samples, rounded up."""
        tokens: Tensor = self.layers(x)
        return tokens.transpose(1, 2)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return the mean over time."""
        return self.tokens(x).mean(dim=1)
