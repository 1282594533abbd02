"""NT-Xent against the paper's sums written out, and against closed forms."""

import math

import pytest
import torch
from torch import Tensor

from groundwave.pretrain.contrastive import nt_xent


def slow_nt_xent(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Chen et al. (2020), equation 1 and Algorithm 1, one anchor at a time."""
    z = [*a, *b]
    n = len(a)

    def similarity(i: int, k: int) -> Tensor:
        return torch.exp(z[i] @ z[k] / (z[i].norm() * z[k].norm()) / temperature)

    losses = []
    for i in range(2 * n):
        positive = i + n if i < n else i - n
        others = torch.stack([similarity(i, k) for k in range(2 * n) if k != i]).sum()
        losses.append(-torch.log(similarity(i, positive) / others))
    return torch.stack(losses).mean()


def wrong_nt_xent(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Forgets the negatives within each view: a mistake that the oracle must catch."""
    a, b = (torch.nn.functional.normalize(x, dim=-1) for x in (a, b))
    return torch.nn.functional.cross_entropy(a @ b.T / temperature, torch.arange(len(a)))


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_matches_the_slow_twin(temperature: float) -> None:
    a, b = torch.randn(2, 7, 5)
    torch.testing.assert_close(nt_xent(a, b, temperature), slow_nt_xent(a, b, temperature))


def test_the_oracle_catches_a_wrong_implementation() -> None:
    a, b = torch.randn(2, 7, 5)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(wrong_nt_xent(a, b, 0.5), slow_nt_xent(a, b, 0.5))


def test_equal_embeddings_give_the_closed_form() -> None:
    a = torch.ones(6, 4)
    torch.testing.assert_close(nt_xent(a, a, 0.2), torch.tensor(math.log(2 * 6 - 1)))


def test_is_symmetric_and_ignores_scale() -> None:
    a, b = torch.randn(2, 8, 3)
    torch.testing.assert_close(nt_xent(a, b, 0.3), nt_xent(b, a, 0.3))
    torch.testing.assert_close(nt_xent(3 * a, 0.1 * b, 0.3), nt_xent(a, b, 0.3))


def test_records_of_one_group_are_no_negatives_of_each_other() -> None:
    a, b = torch.randn(2, 5, 4)
    group = torch.tensor([0, 0, 1, -1, -1])
    z, twice, losses = [*a, *b], [*group.tolist()] * 2, []
    for i in range(10):
        positive = (i + 5) % 10
        keep = [k for k in range(10) if k != i and (k == positive or twice[k] != twice[i] or twice[i] < 0)]
        scores = torch.stack([torch.cosine_similarity(z[i], z[k], dim=0) / 0.3 for k in keep])
        losses.append(scores.logsumexp(0) - torch.cosine_similarity(z[i], z[positive], dim=0) / 0.3)
    torch.testing.assert_close(nt_xent(a, b, 0.3, group), torch.stack(losses).mean())


@pytest.mark.parametrize("narrow", [False, True])
def test_the_gradient_is_the_slow_twin_s(narrow: bool) -> None:
    a, b = torch.randn(2, 7, 5).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
        found = torch.autograd.grad(nt_xent(a, b, 0.2), (a, b))
    expected = torch.autograd.grad(slow_nt_xent(a, b, 0.2), (a, b))
    torch.testing.assert_close(found, expected, **({"atol": 0.01, "rtol": 0.05} if narrow else {}))


def test_autocast_does_not_round_the_similarities() -> None:
    a = 1 + 0.3 * torch.randn(16, 32)
    b = a + 0.2 * torch.randn(16, 32)
    with torch.autocast("cpu", torch.bfloat16):
        found = nt_xent(a, b, 0.05)
    torch.testing.assert_close(found, slow_nt_xent(a, b, 0.05))
    z = torch.nn.functional.normalize(torch.cat([a, b]), dim=-1)
    rounded = (z @ z.T).bfloat16().float().fill_diagonal_(-torch.inf) / 0.05
    wrong = torch.nn.functional.cross_entropy(rounded, torch.arange(32).roll(16))
    with pytest.raises(AssertionError):
        torch.testing.assert_close(wrong, found)
