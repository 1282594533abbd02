"""White features: what differs between two looks at one record counts alike in every direction."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundwave.errors import lookup

RIDGE = 0.2  # share of the covariance that is a multiple of the identity: directions that never differed stay finite


class White(nn.Module):
    """A backbone and an affine map behind it, after which nuisances have about unit covariance.

    Within-class covariance normalisation (Hatch et al., 2006) with two views of a record in the place of two records of
    a class: no label is needed. The inverse square root of the nuisances' covariance, shrunk to the identity, is kept
    as its strongest directions and one factor for all others.

    Args:
        num_channels: input channels.
        backbone: `name` in `BACKBONES` and `args` of what is whitened; or the network itself.
        rank: directions that are kept.
    """

    mean: Tensor
    scale: Tensor
    directions: Tensor
    gains: Tensor
    rest: Tensor

    def __init__(
        self, num_channels: int = 2, backbone: Mapping[str, Any] | nn.Module | None = None, rank: int = 256
    ) -> None:
        super().__init__()
        self.backbone = backbone if isinstance(backbone, nn.Module) else _built(num_channels, backbone)
        self.num_features = int(self.backbone.num_features)  # type: ignore[arg-type]
        rank = min(rank, self.num_features)
        self.register_buffer("mean", torch.zeros(self.num_features))
        self.register_buffer("scale", torch.ones(self.num_features))
        self.register_buffer("directions", torch.zeros(self.num_features, rank))
        self.register_buffer("gains", torch.zeros(rank))
        self.register_buffer("rest", torch.ones(()))

    @torch.no_grad()
    def learn(self, one: Float[Tensor, "records features"], other: Float[Tensor, "records features"]) -> "White":
        """Learn the map from features of two views of each record, and return self."""
        both = torch.cat([one, other]).double()
        mean, scale = both.mean(dim=0), both.std(dim=0).clamp_min(1e-6)
        nuisance = (one.double() - other.double()) / scale / (2 * len(one)) ** 0.5
        share = nuisance.square().sum(dim=0).mean().clamp_min(torch.finfo(torch.float64).tiny)
        directions, spread, _ = torch.linalg.svd(nuisance.T, full_matrices=False)
        kept = min(len(self.gains), len(spread))
        variance = (1 - RIDGE) * spread[:kept].square() / share + RIDGE
        self.mean.copy_(mean)
        self.scale.copy_(scale)
        self.directions[:, :kept] = directions[:, :kept].to(self.directions)
        self.rest.fill_(RIDGE**-0.5)
        self.gains[:kept] = (variance.rsqrt() - RIDGE**-0.5).to(self.gains)
        return self

    def whiten(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """Return features after the map."""
        x = (features.float() - self.mean) / self.scale
        return self.rest * x + (x @ self.directions * self.gains) @ self.directions.T

    def tokens(self, x: Tensor) -> Tensor:
        """Return the tokens of the backbone as they are."""
        return self.backbone.tokens(x)  # type: ignore[no-any-return, operator]

    def forward(self, x: Tensor) -> Float[Tensor, "batch features"]:
        """Return white features."""
        return self.whiten(self.backbone(x))


def _built(num_channels: int, backbone: Mapping[str, Any] | None) -> nn.Module:
    from groundwave.nn import BACKBONES  # the table that this class stands in, too

    told = backbone or {"name": "lsm", "args": {}}
    return lookup(BACKBONES, told["name"], "backbone")(**{"num_channels": num_channels, **told["args"]})
