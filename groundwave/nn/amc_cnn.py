"""The network on which early exits were tried for modulation classification."""

from jaxtyping import Float
from torch import Tensor, nn

from groundwave.nn.length import check_length


class AMCCNN(nn.Module):
    """Six convolutions and three dense layers (Mohammed, Mashaal, Abou-Zeid, GLOBECOM 2023: the backbone).

    With a linear head on its 64 features it has the source's 119,418 parameters for 10 classes. There is nothing
    between its dense layers but dropout, as released. A pool stands at the end of the block from which version V0
    exits, and otherwise at the beginning of the next, because V1 looks at what is not pooled yet.

    Args:
        num_channels: input channels; 2 in the source.
        num_samples: length of a record, which the dense layers fix; 128 in the source.
        width: of the first three convolutions; the last three have a half, a half and a quarter.
        dropout: after each dense layer.
    """

    def __init__(self, num_channels: int = 2, num_samples: int = 128, width: int = 64, dropout: float = 0.5) -> None:
        super().__init__()
        self.num_features, self.num_samples = 64, num_samples
        half, quarter = width // 2, width // 4
        self.layers = nn.Sequential(
            nn.Sequential(*_conv(num_channels, width), nn.MaxPool1d(2)),
            nn.Sequential(*_conv(width, width)),
            nn.Sequential(nn.MaxPool1d(2), *_conv(width, width)),
            nn.Sequential(*_conv(width, half)),
            nn.Sequential(*_conv(half, half)),
            nn.Sequential(*_conv(half, quarter), nn.MaxPool1d(2)),
            nn.Sequential(
                nn.Flatten(),
                *(nn.Linear(quarter * (num_samples // 8), 256), nn.Dropout(dropout)),
                *(nn.Linear(256, self.num_features), nn.Dropout(dropout)),
            ),
        )

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return one token per 8 samples, rounded down."""
        tokens: Tensor = self.layers[:-1](x)
        return tokens.transpose(1, 2)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return what the last hidden layer makes of a record; raises `ContractError` for another length."""
        check_length(x, self.num_samples, self.num_samples)
        return self.layers(x)  # type: ignore[no-any-return]


def _conv(narrow: int, wide: int) -> tuple[nn.Module, ...]:
    return nn.Conv1d(narrow, wide, 3, padding=1), nn.BatchNorm1d(wide), nn.ReLU()
