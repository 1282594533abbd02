"""Losses on the correlation matrix of two batches of embeddings: dimensions that agree, dimensions that differ."""

import torch
from jaxtyping import Float
from torch import Tensor

EPSILON = 1e-5  # as in batch norm: a dimension that never varies stays at zero


def correlation(a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch other"]) -> Float[Tensor, "dim other"]:
    """Return the correlation of each dimension of `a` with each of `b` over the batch, in float32.

    Each dimension is brought to zero mean and unit variance first, so that neither its level nor its scale matters.
    """
    with torch.autocast(a.device.type, enabled=False):
        return standardised(a.float()).T @ standardised(b.float()) / a.shape[0]


def standardised(z: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
    """Return each dimension at zero mean and unit variance over the batch."""
    variance, mean = torch.var_mean(z, dim=0, correction=0)
    return (z - mean) * (variance + EPSILON).rsqrt()


def barlow_twins(a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch dim"], lamda: float) -> Float[Tensor, ""]:
    """Return the loss of Barlow Twins (Zbontar et al., 2021, eq. 1): sum (1 - C_ii)^2 + lamda sum_{i != j} C_ij^2.

    Args:
        a: embeddings of one view of each record.
        b: embeddings of the other.
        lamda: weight of what is off the diagonal; 0.0051 as published.
    """
    return _towards(correlation(a, b), 1.0, lamda)


def cross_modal(
    a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch dim"], common: float, lamda: float
) -> Float[Tensor, ""]:
    """Return DeCUR's loss between two modalities (Wang et al., 2024): the mean of that of two blocks of dimensions.

    The first `common` of the dimensions are common: the diagonal of their correlations goes to one. The rest are unique
    to their modality: theirs goes to zero. Off the diagonal both go to zero; what lies between the blocks is left
    alone, as in the source. Where all dimensions are of one kind, the loss is that block's.

    Args:
        a: embeddings of one modality of each record.
        b: embeddings of the other modality of the same record.
        common: share of the dimensions, 0 to 1.
        lamda: weight of what is off the diagonal.
    """
    matrix = correlation(a, b)
    num = num_common(matrix.shape[0], common)
    blocks = [(matrix[:num, :num], 1.0), (matrix[num:, num:], 0.0)]
    return torch.stack([_towards(block, wanted, lamda) for block, wanted in blocks if block.numel()]).mean()


def num_common(num_dims: int, common: float) -> int:
    """Return how many dimensions, the first ones, are common to the modalities."""
    return round(common * num_dims)


def _towards(matrix: Tensor, diagonal: float, lamda: float) -> Tensor:
    on = matrix.diagonal()
    return (on - diagonal).square().sum() + lamda * (matrix.square().sum() - on.square().sum())
