"""Contrastive losses on batches of embeddings."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


def nt_xent(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "batch dim"],
    temperature: float,
    group: Int[Tensor, " batch"] | None = None,
) -> Float[Tensor, ""]:
    """Return the normalised, temperature-scaled cross entropy of SimCLR (Chen et al., 2020, eq. 1; LSM, eq. 5).

    Row i of `a` and row i of `b` are a positive pair; the other `2 * batch - 2` rows are negatives. The loss is
    averaged over all `2 * batch` anchors. When all embeddings are equal it is `log(2 * batch - 1)`.

    Args:
        a: one view of each record.
        b: the other view.
        temperature: of the softmax.
        group: records of one group (a recording) are no negatives of each other; -1 is a group of its own.
    """
    z = F.normalize(torch.cat([a, b]).float(), dim=-1)
    anchor = torch.arange(len(z), device=z.device)
    partner = anchor.roll(len(a))
    left_out = torch.eye(len(z), dtype=torch.bool, device=z.device)
    if group is not None:
        twice = torch.cat([group, group])
        left_out |= (twice[:, None] == twice) & (twice >= 0)
        left_out[anchor, partner] = False
    return F.cross_entropy((z @ z.T / temperature).masked_fill(left_out, -torch.inf), partner)
