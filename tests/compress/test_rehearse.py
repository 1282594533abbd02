"""Rounded numbers are those of the integers, gradients pass, and nothing is left of it afterwards."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from groundwave.compress.rehearse import INPUT_LEVELS, WEIGHT_LEVELS, rehearsed, round_input, round_weight


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), size=st.floats(1e-3, 1e3), dims=st.sampled_from([(4, 3), (4, 3, 5), (2, 3, 3, 3)]))
def test_every_weight_is_within_half_a_step_of_one_of_255_levels(seed: int, size: float, dims: tuple[int, ...]) -> None:
    torch.manual_seed(seed)
    weight = size * torch.randn(dims)
    rounded = round_weight(weight)
    for before, after in zip(weight, rounded, strict=True):
        step = before.abs().max() / WEIGHT_LEVELS
        assert (after - before).abs().max() <= step / 2 * (1 + 1e-3)
        levels = after / step
        torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
    assert not torch.equal(rounded, weight)


@settings(max_examples=25, deadline=None)
@given(low=st.floats(-5, 0), span=st.floats(0.1, 10))
def test_inputs_keep_zero_and_are_within_half_a_step(low: float, span: float) -> None:
    high = max(low + span, 0.0)
    low = min(low, high - 0.05)
    step = (high - low) / INPUT_LEVELS
    x = torch.linspace(low, high, 1001)
    assert (round_input(x, low, high) - x).abs().max() <= step * (1 + 1e-3)  # half a step, and half where zero moved
    assert float(round_input(torch.zeros(1), low, high)) == 0
    assert len(round_input(torch.linspace(low - 9, high + 9, 5001), low, high).unique()) <= INPUT_LEVELS + 1


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(2, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 14, 3))


def test_inside_it_computes_with_rounded_numbers_and_outside_as_before() -> None:
    whole, x = network(), torch.randn(6, 2, 16)
    before = {name: value.clone() for name, value in whole.state_dict().items()}
    wanted = whole(x)
    with rehearsed(whole, x):
        found = whole(x)
        by_hand = torch.conv1d(
            round_input(x, float(x.min()), float(x.max())), round_weight(before["0.weight"]), before["0.bias"]
        )
        torch.testing.assert_close(whole[0](x), by_hand)
        found.sum().backward()
        assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in whole.parameters())
    assert 0 < (found - wanted).abs().max() < 0.1
    torch.testing.assert_close(whole(x), wanted)
    assert whole.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in whole.state_dict().items())


def test_learning_inside_takes_back_what_rounding_costs() -> None:
    """One huge weight makes steps coarse; inputs that are alike let the others make up for each other."""
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Linear(8, 4))
    layer[0].weight.data[:, 0] = 60.0
    x = torch.randn(512, 1).repeat(1, 8)
    x[:, 0] = 0
    wanted = layer(x).detach()
    with rehearsed(layer, x):
        costs = (layer(x) - wanted).square().mean().item()
        optimiser = torch.optim.Adam(layer.parameters(), 0.02)
        best = costs
        for _ in range(100):
            optimiser.zero_grad()
            loss = (layer(x) - wanted).square().mean()
            loss.backward()
            optimiser.step()
            best = min(best, loss.item())
    assert best < 0.5 * costs


def test_what_fails_inside_leaves_nothing_behind() -> None:
    whole = network()
    names = set(whole.state_dict())
    with pytest.raises(RuntimeError, match="stop"), rehearsed(whole, torch.randn(2, 2, 16)):
        raise RuntimeError("stop")
    assert set(whole.state_dict()) == names
    assert not whole[0]._forward_pre_hooks
