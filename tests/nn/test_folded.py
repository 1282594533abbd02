"""Networks rewritten for inference: the same answers, fewer layers, the original as it was."""

import pytest
import torch
from torch import nn

from groundwave.compress.exits import published
from groundwave.nn.conv4 import Conv4
from groundwave.nn.folded import folded
from groundwave.rng import generator


def lively(network: nn.Module) -> nn.Module:
    """Return a network in evaluation mode whose batch norms do something."""
    torch.manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (layer.weight, layer.bias, layer.running_mean):
                nn.init.normal_(tensor)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    return network.eval()


def kinds(network: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in network.modules()]


@pytest.mark.parametrize("make", [lambda: published("V1"), lambda: Conv4(num_samples=64, width=4)])
def test_it_answers_as_before_without_batch_norms(make) -> None:  # type: ignore[no-untyped-def]
    network = lively(make())
    x = torch.randn(5, 2, getattr(network, "num_samples", 128), generator=generator(0))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        found, wanted = folded(network)(x), network(x)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    assert not any("BatchNorm" in kind or kind == "Dropout" for kind in kinds(folded(network)))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_three_linear_layers_become_one() -> None:
    row = nn.Sequential(nn.Linear(9, 7), nn.Dropout(), nn.Linear(7, 5, bias=False), nn.Dropout(), nn.Linear(5, 4))
    short, x = folded(row), torch.randn(3, 9)
    assert kinds(short).count("Linear") == 1
    torch.testing.assert_close(short(x), row.eval()(x))
    wrong = row[4].weight @ row[2].weight @ row[0].weight  # without the biases
    assert (short(x) - x @ wrong.T).abs().max() > 1e-3


def test_what_would_change_or_cost_more_stays() -> None:
    bent = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    narrow = nn.Sequential(nn.Linear(50, 2), nn.Linear(2, 50))
    early = nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU(), nn.BatchNorm1d(3))
    for row in (bent, narrow, early):
        assert kinds(folded(row)) == kinds(row)
