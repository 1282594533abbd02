"""A plain convolutional network for angles of arrival: the reference that compression starts from."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from groundwave.nn.length import check_length


class AoANet(nn.Module):
    """Convolutions over the snapshots of all elements, their mean over time, and two dense layers.

    With a `DirectionHead` on the 32 channels of 16 elements it has 548,451 weights. The source that reports 548,482
    and 1.55 degrees of azimuth, 1.16 of elevation, publishes neither its network nor its data; this one is as large,
    and learns from raw IQ likewise. Rectified filters are beams whose mean over time is a level.

    Args:
        num_channels: input channels, I and Q of each element in turns.
        widths: filters of each convolution; from the second on it takes every other sample.
        kernel: samples that a filter spans.
        hidden: units of each dense layer.
    """

    def __init__(
        self,
        num_channels: int = 32,
        widths: Sequence[int] = (64, 96, 128, 160, 192),
        kernel: int = 5,
        hidden: int = 347,
    ) -> None:
        super().__init__()
        self.shortest = 1 << len(widths)
        self.convs = nn.Sequential()
        for number, (inside, outside) in enumerate(zip((num_channels, *widths), widths, strict=False)):
            stride = 1 if number == 0 else 2
            self.convs += nn.Sequential(
                nn.Conv1d(inside, outside, kernel, stride, kernel // 2, bias=False), nn.BatchNorm1d(outside), nn.ReLU()
            )
        self.dense = nn.Sequential(nn.Linear(widths[-1], hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())

    @property
    def num_features(self) -> int:
        """Units of the last dense layer that pruning has left."""
        return int(self.dense[2].out_features)  # type: ignore[arg-type]

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return a token of the last convolution per `2^(depth - 1)` samples; raises `ContractError` for too few."""
        check_length(x, self.shortest)
        tokens: Tensor = self.convs(x)
        return tokens.transpose(1, 2)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return the units of the last dense layer."""
        return self.dense(self.tokens(x).mean(dim=1))  # type: ignore[no-any-return]
