"""VT-CNN2: the network that came with RadioML 2016."""

from jaxtyping import Float
from torch import Tensor, nn

from groundwave.nn.dropout import Dropout
from groundwave.nn.keras import keras_initial
from groundwave.nn.length import check_length


class VTCNN2(nn.Module):
    """Two convolutions and a dense layer (O'Shea et al., 2016, "CNN2"; its notebook for RML2016.10a).

    The first kernel runs along each channel, the second spans all channels, whatever their number. Time is padded with
    two zeros on each side before both. Features are the 256 units of the dense layer, dropout included, so that a
    linear head makes the source's classifier: 2,830,427 parameters with 11 classes.

    Args:
        num_channels: input channels; 2 in the source.
        num_samples: length of a record, which the dense layer fixes; 128 in the source.
        dropout: after each layer.
    """

    def __init__(self, num_channels: int = 2, num_samples: int = 128, dropout: float = 0.5) -> None:
        super().__init__()
        self.num_features = 256
        self.num_samples = num_samples
        self.convs = nn.Sequential(
            nn.Conv2d(1, 256, (1, 3), padding=(0, 2)),
            nn.ReLU(),
            Dropout(dropout),
            nn.Conv2d(256, 80, (num_channels, 3), padding=(0, 2)),
            nn.ReLU(),
            Dropout(dropout),
        )
        dense = nn.Linear(80 * (num_samples + 4), self.num_features)
        self.dense = nn.Sequential(dense, nn.ReLU(), Dropout(dropout))
        self.apply(keras_initial)
        nn.init.kaiming_normal_(dense.weight)

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return what the convolutions see around each sample: `time + 4` tokens of 80."""
        tokens: Tensor = self.convs(x[:, None]).squeeze(2)
        return tokens.transpose(1, 2)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return the units of the dense layer; raises `ContractError` for another length."""
        check_length(x, self.num_samples, self.num_samples)
        return self.dense(self.convs(x[:, None]).flatten(1))  # type: ignore[no-any-return]
