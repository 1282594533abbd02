"""SemiAMC's encoder: what SCLBSS pretrains."""

from jaxtyping import Float
from torch import Tensor, nn

from groundwave.nn.dropout import Dropout
from groundwave.nn.keras import keras_initial
from groundwave.nn.length import check_length


class SemiAMC(nn.Module):
    """Convolution, two LSTMs, convolution, and the maximum over time (Liu et al., 2021, SemiAMC).

    Takes 31 samples or more, which need not be 128. The source decays its kernels and input matrices with an L2 penalty
    of 1e-4, which is the optimizer's business and not done here. 346,784 parameters there; 1,024 more here, because
    PyTorch's LSTM writes each bias as a sum of two.

    Args:
        num_channels: input channels; 2 in the source.
        dropout: after each LSTM.
    """

    def __init__(self, num_channels: int = 2, dropout: float = 0.3) -> None:
        super().__init__()
        self.num_features = 128
        self.first = nn.Sequential(nn.Conv1d(num_channels, 32, 24), nn.ReLU())
        self.lstm = nn.LSTM(32, 128, num_layers=2, dropout=dropout, batch_first=True)  # between the two
        self.last = nn.Sequential(Dropout(dropout), nn.Conv1d(128, 128, 8), nn.ReLU())
        self.apply(keras_initial)

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return `time - 30` tokens of 128; raises `ContractError` for fewer than 31 samples."""
        check_length(x, 31)
        states = self.lstm(self.first(x).transpose(1, 2))[0]
        tokens: Tensor = self.last(states.transpose(1, 2))
        return tokens.transpose(1, 2)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return the maximum over time."""
        return self.tokens(x).amax(dim=1)
