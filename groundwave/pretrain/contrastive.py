"""Contrastive losses on batches of embeddings."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def nt_xent(a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch dim"], temperature: float) -> Float[Tensor, ""]:
    """Return the normalised, temperature-scaled cross entropy of SimCLR (Chen et al., 2020, eq. 1; LSM, eq. 5).

    Row i of `a` and row i of `b` are a positive pair; the other `2 * batch - 2` rows are negatives. The loss is
    averaged over all `2 * batch` anchors. When all embeddings are equal it is `log(2 * batch - 1)`.
    """
    z = F.normalize(torch.cat([a, b]).float(), dim=-1)
    scores = z @ z.T / temperature
    scores.fill_diagonal_(-torch.inf)
    partner = torch.arange(len(z), device=z.device).roll(len(a))
    return F.cross_entropy(scores, partner)
