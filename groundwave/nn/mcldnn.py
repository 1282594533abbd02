"""MCLDNN: the channels together and one by one, then an LSTM."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundwave.nn.dropout import Dropout
from groundwave.nn.keras import keras_initial
from groundwave.nn.length import check_length


class MCLDNN(nn.Module):
    """Multi-channel convolutional LSTM deep network (Xu et al., 2020).

    One branch convolves all channels together, one more each channel by itself and looks only back; what they see is
    fused, and two LSTMs and two dense layers follow. Features are those of the second dense layer, dropout included, so
    that a linear head makes the source's classifier: 406,199 parameters with 11 classes. Takes 5 samples or more.

    Args:
        num_channels: input channels, each with its own branch; kernels over all of them are that high. 2 in the source.
        dropout: after each dense layer.
    """

    def __init__(self, num_channels: int = 2, dropout: float = 0.5) -> None:
        super().__init__()
        self.num_features = 128
        # "Same" padding as the source's framework does it: the odd zero comes last.
        rows = ((num_channels - 1) // 2, num_channels // 2)
        self.together = nn.Sequential(nn.ZeroPad2d((3, 4, *rows)), nn.Conv2d(1, 50, (num_channels, 8)), nn.ReLU())
        self.alone = nn.ModuleList(
            nn.Sequential(nn.ConstantPad1d((7, 0), 0.0), nn.Conv1d(1, 50, 8), nn.ReLU()) for _ in range(num_channels)
        )
        self.mix = nn.Sequential(nn.ZeroPad2d((3, 4, 0, 0)), nn.Conv2d(50, 50, (1, 8)), nn.ReLU())
        self.fuse = nn.Sequential(nn.Conv2d(100, 100, (num_channels, 5)), nn.ReLU())
        self.lstm = nn.LSTM(100, 128, num_layers=2, batch_first=True)
        self.dense = nn.Sequential(
            nn.Linear(128, 128), nn.SELU(), Dropout(dropout), nn.Linear(128, 128), nn.SELU(), Dropout(dropout)
        )
        self.apply(keras_initial)

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return the states of the second LSTM, `time - 4` of 128; raises `ContractError` for fewer than 5 samples."""
        check_length(x, 5)
        alone = torch.stack([branch(x[:, row : row + 1]) for row, branch in enumerate(self.alone)], dim=2)
        seen = torch.cat([self.together(x[:, None]), self.mix(alone)], dim=1)
        return self.lstm(self.fuse(seen).squeeze(2).transpose(1, 2))[0]  # type: ignore[no-any-return]

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return the units of the second dense layer on the last state."""
        return self.dense(self.tokens(x)[:, -1])  # type: ignore[no-any-return]
