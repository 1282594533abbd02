"""LSM: several encoders of the same signal, each looking at it another way."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundwave.errors import lookup
from groundwave.nn.cyclic import CyclicEncoder, CyclicMoments
from groundwave.nn.fft import FFTEncoder, SpectrumEncoder
from groundwave.nn.residual import ResidualEncoder
from groundwave.nn.welch import Attributes, EnvelopeEncoder, WelchEncoder
from groundwave.nn.xcit import XCiT

TOWERS: dict[str, Callable[..., nn.Module]] = {
    "attributes": Attributes,
    "cyclic": CyclicEncoder,
    "envelope": EnvelopeEncoder,
    "fft": FFTEncoder,
    "moments": CyclicMoments,
    "residual": ResidualEncoder,
    "spectrum": SpectrumEncoder,
    "welch": WelchEncoder,
    "xcit": XCiT,
}

PUBLISHED: Mapping[str, Mapping[str, Any]] = {"time": {"kind": "xcit"}, "frequency": {"kind": "spectrum"}}


class LSM(nn.Module):
    """Encoders ("towers") side by side; frozen features are those of all towers, concatenated (LSM, section III).

    As published there are two, `time` on the samples and `frequency` on their spectrum.

    Args:
        num_channels: input channels.
        towers: for each tower its `kind`, a name in `TOWERS`, and that encoder's arguments.
    """

    def __init__(self, num_channels: int = 2, towers: Mapping[str, Mapping[str, Any]] = PUBLISHED) -> None:
        super().__init__()
        self.towers = nn.ModuleDict()
        for name, settings in towers.items():
            args = {key: value for key, value in settings.items() if key != "kind"}
            self.towers[name] = lookup(TOWERS, settings["kind"], "tower")(num_channels=num_channels, **args)
        self.sizes = {name: int(tower.num_features) for name, tower in self.towers.items()}  # type: ignore[arg-type]
        self.num_features = sum(self.sizes.values())

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return the tokens of the first tower."""
        return next(iter(self.towers.values())).tokens(x)  # type: ignore[no-any-return, operator]

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return the features of all towers side by side."""
        return torch.cat(list(self._features(x)), dim=-1)

    def _features(self, x: Tensor) -> Iterator[Tensor]:
        known: dict[tuple[tuple[int, ...], ...], Tensor] = {}  # moments are counted once for all who look at the same
        for tower in self.towers.values():
            if not isinstance(tower, CyclicEncoder | CyclicMoments):
                yield tower(x)
                continue
            look = tower.moments
            if (look.scales, look.lags) not in known:
                known[look.scales, look.lags] = look(x)
            yield tower.of_moments(known[look.scales, look.lags])
