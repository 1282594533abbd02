"""The two towers of LSM: a time encoder and a frequency encoder of the same signal."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundwave.nn.fft import SpectrumEncoder
from groundwave.nn.xcit import XCiT


class LSM(nn.Module):
    """Time and frequency encoders side by side; frozen features are both, concatenated (LSM, section III).

    Args:
        num_channels: input channels.
        time: arguments of `XCiT`.
        frequency: arguments of `SpectrumEncoder`.
    """

    def __init__(
        self, num_channels: int = 2, time: dict[str, Any] | None = None, frequency: dict[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.time = XCiT(num_channels, **(time or {}))
        self.frequency = SpectrumEncoder(num_channels, **(frequency or {}))
        self.num_features = self.time.num_features + self.frequency.num_features

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return the tokens of the time encoder, which keep the order of time."""
        return self.time.tokens(x)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return the features of both encoders side by side."""
        return torch.cat([self.time(x), self.frequency(x)], dim=-1)
