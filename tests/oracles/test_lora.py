"""LoRA: begins as what it was, is the sum of two matrices, and merged does the same."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from groundwave.errors import GroundwaveError
from groundwave.nn import BACKBONES
from groundwave.nn.lora import LoRALinear, lora, merge_lora


def vit() -> nn.Module:
    torch.manual_seed(0)
    network = BACKBONES["vit"](dim=16, depth=2, num_heads=2, patch=(4, 4)).double()
    return network.eval()


def learned() -> nn.Module:
    """Return an adapted network whose added matrices are no longer zero."""
    network = lora(vit(), rank=3, alpha=6.0)
    for name, parameter in network.named_parameters():
        if name.endswith("up"):
            nn.init.normal_(parameter, std=0.3)
    return network


X = torch.randn(3, 1, 8, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_it_begins_as_what_it_was() -> None:
    torch.testing.assert_close(lora(vit())(X), vit()(X))
    assert (learned()(X) - vit()(X)).abs().max() > 1e-2


def test_merged_it_does_the_same_with_the_names_it_had() -> None:
    network = learned()
    merged = merge_lora(deepcopy(network))
    torch.testing.assert_close(merged(X), network(X))
    assert merged.state_dict().keys() == vit().state_dict().keys()
    assert {name: x.shape for name, x in merged.state_dict().items()} == {
        name: x.shape for name, x in vit().state_dict().items()
    }
    assert not any(isinstance(layer, LoRALinear) for layer in merged.modules())


def slow(layer: LoRALinear, x: Tensor, parts: tuple[int, ...], scale: float) -> Tensor:
    """Equation 3, one output at a time."""
    size = layer.linear.out_features // layer.num_parts
    outputs = []
    for output in range(layer.linear.out_features):
        value = x @ layer.linear.weight[output] + layer.linear.bias[output]
        if output // size in parts:
            number = parts.index(output // size)
            value = value + scale * ((x @ layer.down[number].T) * layer.up[number, output % size]).sum(-1)
        outputs.append(value)
    return torch.stack(outputs, dim=-1)


def test_queries_and_values_are_the_frozen_ones_and_a_product_of_narrow_matrices() -> None:
    layer = learned().blocks[0].attention.qkv  # type: ignore[index, union-attr]
    x = torch.randn(5, 16, dtype=torch.float64)
    torch.testing.assert_close(layer(x), slow(layer, x, (0, 2), 6.0 / 3))
    for wrong in (slow(layer, x, (0, 1), 2.0), slow(layer, x, (0, 2), 6.0), slow(layer, x, (), 2.0)):
        assert (layer(x) - wrong).abs().max() > 1e-2


def test_only_what_is_added_learns() -> None:
    network = learned()
    before = {name: parameter.clone() for name, parameter in network.named_parameters()}
    free = [parameter for parameter in network.parameters() if parameter.requires_grad]
    assert sum(parameter.numel() for parameter in free) == 2 * 2 * 3 * (16 + 16)
    network(X).square().sum().backward()
    torch.optim.SGD(free, lr=0.1).step()
    moved = {name for name, parameter in network.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == {name for name in before if name.endswith(("up", "down"))}


def test_a_network_without_transformer_blocks_is_refused() -> None:
    for network, rank in ((BACKBONES["xcit"](), 4), (nn.Linear(2, 2), 4), (vit(), 0)):
        with pytest.raises(GroundwaveError, match="adapt a vit"):
            lora(network, rank)
