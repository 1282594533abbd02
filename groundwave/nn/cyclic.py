"""Encoders of cyclic moments."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundwave.nn.complex import num_signals, to_complex
from groundwave.signal.cyclic import LAGS, SCALES, cyclic_moments, num_moments


class CyclicMoments(nn.Module):
    """Cyclic moments as they are: attributes that an expert would look at, beside what is learned (LSM, section V).

    Args:
        num_channels: input channels; an even number is taken as I/Q pairs.
        scales: lengths of smoothing, in samples.
        lags: of the products, in samples.
    """

    def __init__(self, num_channels: int = 2, scales: Sequence[int] = SCALES, lags: Sequence[int] = LAGS) -> None:
        super().__init__()
        self.scales, self.lags = tuple(scales), tuple(lags)
        self.num_features = num_signals(num_channels) * num_moments(scales, lags)

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return the moments of each signal at each scale as one token; no gradient flows through them."""
        with torch.autocast(x.device.type, enabled=False), torch.no_grad():
            moments = cyclic_moments(to_complex(x.float()), self.scales, self.lags)
        tokens: Tensor = moments.unflatten(-1, (len(self.scales), -1)).flatten(1, 2)
        return tokens

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return the moments of all signals side by side."""
        return self.tokens(x).flatten(1)

    @property
    def moments(self) -> "CyclicMoments":
        """What this begins with, as a `CyclicEncoder` does: itself."""
        return self

    def of_moments(self, moments: Float[Tensor, "batch moments"]) -> Float[Tensor, "batch features"]:
        """Return the moments themselves."""
        return moments


class CyclicEncoder(nn.Module):
    """A perceptron on cyclic moments, each standardised over the batches seen.

    Args:
        num_channels: input channels; an even number is taken as I/Q pairs.
        dim: number of features.
        hidden: width of its two hidden layers.
        scales: lengths of smoothing, in samples.
        lags: of the products, in samples.
    """

    def __init__(
        self,
        num_channels: int = 2,
        dim: int = 256,
        hidden: int = 512,
        scales: Sequence[int] = SCALES,
        lags: Sequence[int] = LAGS,
    ) -> None:
        super().__init__()
        self.num_features = dim
        self.moments = CyclicMoments(num_channels, scales, lags)
        self.layers = nn.Sequential(
            nn.BatchNorm1d(self.moments.num_features, affine=False),
            *(nn.Linear(self.moments.num_features, hidden), nn.BatchNorm1d(hidden), nn.ReLU()),
            *(nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.ReLU()),
            nn.Linear(hidden, dim),
        )

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return the moments of each signal at each scale as one token."""
        return self.moments.tokens(x)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return features of the moments."""
        return self.of_moments(self.moments(x))

    def of_moments(self, moments: Float[Tensor, "batch moments"]) -> Float[Tensor, "batch features"]:
        """Return features of moments that are known."""
        return self.layers(moments)  # type: ignore[no-any-return]
