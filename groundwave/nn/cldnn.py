"""CLDNN: convolutions, an LSTM and a dense layer."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundwave.nn.dropout import Dropout
from groundwave.nn.keras import keras_initial
from groundwave.nn.length import check_length


class CLDNN(nn.Module):
    """Three convolutions, the first of which skips to an LSTM over their filters (West and O'Shea, 2017).

    With the settings of AMR-Benchmark (Zhang et al., 2022): 50 filters of length 8, time padded with two zeros on each
    side, outputs of the first and the third side by side in time. The LSTM's 50 steps are the filters, as there: each
    step reads the whole output of one filter, on all channels. Features are the dense layer's, dropout included, so
    that a linear head makes the source's classifier: 164,433 parameters with 11 classes.

    Args:
        num_channels: input channels, which the filters see one by one; 2 in the source.
        num_samples: length of a record, which the width of a step fixes; 128 in the source.
        dropout: after each layer but the LSTM.
    """

    def __init__(self, num_channels: int = 2, num_samples: int = 128, dropout: float = 0.5) -> None:
        super().__init__()
        self.num_features = 256
        self.num_samples = num_samples
        self.first = _convolution(1, dropout)
        self.others = nn.Sequential(_convolution(50, dropout), _convolution(50, dropout))
        width = (num_samples - 3) + (num_samples - 9)  # each convolution takes three samples
        self.lstm = nn.LSTM(num_channels * width, 50, batch_first=True)
        dense = nn.Linear(50, self.num_features)
        self.dense = nn.Sequential(dense, nn.ReLU(), Dropout(dropout))
        self.apply(keras_initial)
        nn.init.kaiming_normal_(dense.weight)

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return the states of the LSTM: 50 tokens of 50; raises `ContractError` for another length."""
        check_length(x, self.num_samples, self.num_samples)
        first = self.first(x[:, None])
        steps = torch.cat([first, self.others(first)], dim=-1).flatten(2)
        return self.lstm(steps)[0]  # type: ignore[no-any-return]

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return the units of the dense layer on the last state."""
        return self.dense(self.tokens(x)[:, -1])  # type: ignore[no-any-return]


def _convolution(num_maps: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(num_maps, 50, (1, 8), padding=(0, 2)), nn.ReLU(), Dropout(dropout))
