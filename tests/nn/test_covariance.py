"""Cross-covariance attention in parts: its values and gradients are those of the equation in one piece."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from groundwave.nn import covariance
from groundwave.nn.covariance import cross_covariance

HEADS, DIM = 2, 8


def whole(qkv: Tensor, temperature: Tensor) -> Tensor:
    """Equation 3 of XCiT in float64, differentiated by PyTorch."""
    query, key, value = qkv.double().unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 4, 1)
    scores = F.normalize(query, dim=-1) @ F.normalize(key, dim=-1).mT * temperature.double()
    return (scores.softmax(-1) @ value).permute(0, 3, 1, 2).flatten(2)


def drawn(records: int, tokens: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(records + tokens)
    qkv = torch.randn(records, tokens, 3 * HEADS * DIM).to(dtype)
    return qkv.requires_grad_(), (8 * torch.rand(HEADS, 1, 1)).requires_grad_(), torch.randn(records, tokens, 16)


def gradients(compute: object, qkv: Tensor, temperature: Tensor, upstream: Tensor) -> tuple[Tensor, ...]:
    mixed = compute(qkv, temperature)  # type: ignore[operator]
    return torch.autograd.grad((mixed * upstream).sum(), (qkv, temperature))


@pytest.mark.parametrize("tokens", [1, 6, 40])
@pytest.mark.parametrize("records", [1, 7, 12])
def test_parts_are_the_whole_and_so_is_their_gradient(
    records: int, tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(covariance, "_CACHED", 3 * 16 * max(DIM, tokens))  # three records a part, the last one short
    qkv, temperature, upstream = drawn(records, tokens)
    expected = whole(qkv, temperature).float()
    torch.testing.assert_close(cross_covariance(qkv, temperature), expected)
    with torch.no_grad():
        torch.testing.assert_close(cross_covariance(qkv, temperature), expected)
    found = gradients(cross_covariance, qkv, temperature, upstream)
    torch.testing.assert_close(found, gradients(whole, qkv, temperature, upstream), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("factor", [-1.0, 3.0])
def test_a_gradient_of_another_temperature_is_caught(factor: float) -> None:
    qkv, temperature, upstream = drawn(5, 6)
    found = gradients(cross_covariance, qkv, temperature, upstream)
    wrong = gradients(lambda q, t: whole(q, factor * t), qkv, temperature, upstream)
    for one, other in zip(found, wrong, strict=True):
        assert not torch.allclose(one, other, atol=1e-2)


def test_narrow_input_is_rounded_only_at_the_ends_under_autocast() -> None:
    qkv, temperature, upstream = drawn(5, 6, torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = cross_covariance(qkv, temperature)
        found = gradients(cross_covariance, qkv, temperature, upstream)
    torch.testing.assert_close(mixed, whole(qkv, temperature).bfloat16(), atol=1e-3, rtol=8e-3)
    expected = gradients(whole, qkv, temperature, upstream.bfloat16())
    torch.testing.assert_close(found, expected, atol=4e-3, rtol=2e-2)


@pytest.mark.parametrize("heat", [59.0, 61.0, 500.0, -500.0])
def test_no_temperature_is_too_hot(heat: float) -> None:
    qkv, _, upstream = drawn(3, 6)
    temperature = torch.full((HEADS, 1, 1), heat, requires_grad=True)
    torch.testing.assert_close(
        cross_covariance(qkv, temperature), whole(qkv, temperature).float(), atol=1e-3, rtol=0.01
    )
    found = gradients(cross_covariance, qkv, temperature, upstream)
    torch.testing.assert_close(found, gradients(whole, qkv, temperature, upstream), atol=5e-3, rtol=0.02)


def test_silent_tokens_have_finite_gradients() -> None:
    qkv = torch.zeros(2, 6, 3 * HEADS * DIM, requires_grad=True)
    temperature = torch.ones(HEADS, 1, 1, requires_grad=True)
    found = gradients(cross_covariance, qkv, temperature, torch.ones(2, 6, 16))
    assert all(grad.isfinite().all() for grad in found)
