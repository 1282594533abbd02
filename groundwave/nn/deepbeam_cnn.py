"""DeepBeam's network: which beam a transmitter uses, from raw IQ."""

from jaxtyping import Float
from torch import Tensor, nn

from groundwave.nn.keras import keras_initial
from groundwave.nn.length import check_length


class DeepBeamCNN(nn.Module):
    """Convolutions that are pooled by two, and two dense layers, none with an activation (Polese et al., 2021).

    What is not linear are the pools. Features are the units of the second dense layer, so that a linear head makes the
    source's classifier. Weights start as Keras draws them. The source's kernel of 1 x 7 runs along each block.

    Args:
        num_channels: input channels; 2 in the source.
        num_samples: length of a record, which the dense layer fixes; 2048 in the source.
        width: filters of each convolution.
        depth: convolutions; records of less than 2^depth samples are too short.
        kernel: samples that a filter spans.
        hidden: units of each dense layer.
    """

    def __init__(
        self,
        num_channels: int = 2,
        num_samples: int = 2048,
        width: int = 64,
        depth: int = 7,
        kernel: int = 7,
        hidden: int = 128,
    ) -> None:
        super().__init__()
        self.num_samples, self.num_features, self.shortest = num_samples, hidden, 1 << depth
        self.convs = nn.Sequential()
        for channels in (num_channels, *[width] * (depth - 1)):
            self.convs += nn.Sequential(nn.Conv1d(channels, width, kernel, padding="same"), nn.MaxPool1d(2))
        self.dense = nn.Sequential(nn.Linear(width * (num_samples >> depth), hidden), nn.Linear(hidden, hidden))
        self.apply(keras_initial)

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return one token per 2^depth samples; raises `ContractError` for fewer."""
        check_length(x, self.shortest)
        tokens: Tensor = self.convs(x)
        return tokens.transpose(1, 2)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return the units of the last dense layer; raises `ContractError` for another length."""
        check_length(x, self.num_samples, self.num_samples)
        return self.dense(self.tokens(x).flatten(1))  # type: ignore[no-any-return]
