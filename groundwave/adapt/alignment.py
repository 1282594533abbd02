"""Alignment: each domain's features counted from its own mean, in its own spread."""

from jaxtyping import Float, Int
from torch import Tensor

SMALLEST = 1e-6


def aligned(features: Float[Tensor, "records features"], domain: Int[Tensor, " records"]) -> Tensor:
    """Return features at zero mean and unit variance within each domain (a room, a person, a session).

    It needs records of a domain, but none of their labels: the first two moments of CORAL (Sun et al., 2016), feature
    by feature, as batch norm adapts (AdaBN, Li et al., 2016).

    Args:
        features: of all records, those of the domain that is asked about among them.
        domain: number of each record's domain.
    """
    out = features.clone()
    for number in domain.unique():
        here = domain == number
        own = features[here]
        out[here] = (own - own.mean(dim=0)) / own.std(dim=0, correction=0).clamp_min(SMALLEST)
    return out
