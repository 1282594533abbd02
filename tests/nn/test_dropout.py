"""Dropout by bytes: its share, its scale, its gradient, its independence, and that it can be repeated."""

import pytest
import torch

from groundwave.nn.dropout import Dropout


@pytest.mark.parametrize("p", [0.3, 0.5])
def test_share_and_scale(p: float) -> None:
    torch.manual_seed(0)
    out = Dropout(p)(torch.ones(500, 401))
    dropped = round(256 * p) / 256
    torch.testing.assert_close((out == 0).float().mean(), torch.tensor(dropped), atol=0.005, rtol=0)
    torch.testing.assert_close(out[out > 0], torch.full((int((out > 0).sum()),), 1 / (1 - dropped)))


def test_neighbours_fall_independently() -> None:
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(100_001)) > 0).double() - 0.5
    for lag in range(1, 17):  # eight elements share a draw
        assert abs(float((kept[lag:] * kept[:-lag]).mean())) < 0.005


def test_gradient_passes_where_the_signal_does() -> None:
    x = torch.ones(1000, requires_grad=True)
    out = Dropout(0.5)(x)
    out.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, out.detach())


def test_nothing_happens_outside_of_training_or_without_a_share() -> None:
    x = torch.randn(10)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_a_seed_repeats_it_and_the_type_stays() -> None:
    x = torch.ones(100, dtype=torch.bfloat16)
    first, second = (torch.manual_seed(3) and Dropout(0.5)(x) for _ in range(2))
    assert first.dtype == torch.bfloat16
    assert torch.equal(first, second)
    assert not torch.equal(first, Dropout(0.5)(x))
