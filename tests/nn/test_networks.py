"""The baselines' networks have the layers of their sources: parameters counted by hand, lengths, initial weights."""

import pytest
import torch
from torch import nn

from groundwave.errors import ContractError
from groundwave.nn import BACKBONES
from groundwave.nn.conv4 import RELATION_NET, Conv4
from groundwave.nn.keras import keras_initial


def conv(narrow: int, wide: int, kernel: int, bias: bool = True) -> int:
    return narrow * wide * kernel + (wide if bias else 0)


def lstm(narrow: int, wide: int, biases: int = 2) -> int:
    """Count four gates; cuDNN and PyTorch write each bias as a sum of two, plain Keras does not."""
    return 4 * (narrow * wide + wide * wide + biases * wide)


def norm(width: int) -> int:
    return 2 * width


RESNET_18 = (
    conv(2, 64, 7, False) + norm(64)
    + 4 * (conv(64, 64, 3, False) + norm(64))
    + sum(
        conv(n, 2 * n, 3, False) + 3 * conv(2 * n, 2 * n, 3, False) + conv(n, 2 * n, 1, False) + 5 * norm(2 * n)
        for n in (64, 128, 256)
    )
)  # fmt: skip

# Each source's layers but its classifier, whose layer is added to compare with the count that the source prints.
COUNTS = {
    "vtcnn2": conv(1, 256, 1 * 3) + conv(256, 80, 2 * 3) + conv(80 * 132, 256, 1),
    "cldnn": conv(1, 50, 8) + 2 * conv(50, 50, 8) + lstm(2 * (125 + 119), 50) + conv(50, 256, 1),
    "resnet18": RESNET_18,
    "mcldnn": (
        conv(1, 50, 2 * 8) + 2 * conv(1, 50, 8) + conv(50, 50, 8) + conv(100, 100, 2 * 5)
        + lstm(100, 128) + lstm(128, 128) + 2 * conv(128, 128, 1)
    ),
    "semiamc": conv(2, 32, 24) + lstm(32, 128) + lstm(128, 128) + conv(128, 128, 8),
    "conv4": conv(2, 64, 3) + 3 * conv(64, 64, 3) + 4 * norm(64),
    "fft": conv(2, 64, 1) + conv(64, 1, 1) + conv(12, 128, 1) + conv(128, 1344, 1) + sum(map(norm, (64, 1, 128, 1344))),
}  # fmt: skip
WITH_CLASSIFIER = {"vtcnn2": 2_830_427, "cldnn": 164_433, "mcldnn": 406_199}


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_are_those_of_the_source(name: str) -> None:
    assert count(BACKBONES[name]()) == COUNTS[name]


@pytest.mark.parametrize("name", WITH_CLASSIFIER)
def test_with_eleven_classes_they_are_the_published_number(name: str) -> None:
    network = BACKBONES[name]()
    assert count(network) + count(nn.Linear(network.num_features, 11)) == WITH_CLASSIFIER[name]


def test_semiamc_has_one_bias_more_per_gate_than_its_source() -> None:
    source = conv(2, 32, 24) + lstm(32, 128, 1) + lstm(128, 128, 1) + conv(128, 128, 8)
    assert count(BACKBONES["semiamc"]()) - source == 2 * 4 * 128


@pytest.mark.parametrize(("name", "num_features"), [
    ("vtcnn2", 256), ("cldnn", 256), ("resnet18", 512), ("mcldnn", 128), ("semiamc", 128), ("conv4", 512),
])  # fmt: skip
def test_the_classifier_begins_where_the_source_s_does(name: str, num_features: int) -> None:
    assert BACKBONES[name]().num_features == num_features


DROPOUTS = {"vtcnn2": [0.5] * 3, "cldnn": [0.5] * 4, "mcldnn": [0.5] * 2, "semiamc": [0.3]}


@pytest.mark.parametrize("name", DROPOUTS)
def test_dropout_stands_where_the_source_has_it(name: str) -> None:
    network = BACKBONES[name]()
    assert [layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)] == DROPOUTS[name]
    if name == "semiamc":
        assert network.lstm.dropout == 0.3


@pytest.mark.parametrize("name", ["vtcnn2", "cldnn", "conv4", "fft"])
@pytest.mark.parametrize("num_samples", [63, 65])
def test_a_network_of_one_length_refuses_others(name: str, num_samples: int) -> None:
    network = BACKBONES[name](num_samples=64)
    with pytest.raises(ContractError, match=r"expected 64; .*build the network for this length"):
        network(torch.randn(2, 2, num_samples))


@pytest.mark.parametrize(("name", "shortest"), [("mcldnn", 5), ("semiamc", 31)])
def test_convolutions_without_padding_need_enough_samples(name: str, shortest: int) -> None:
    network = BACKBONES[name]().eval()
    assert network.tokens(torch.randn(2, 2, shortest)).shape[1] == 1
    with pytest.raises(ContractError, match=f"at least {shortest}"):
        network(torch.randn(2, 2, shortest - 1))


def test_relation_net_s_trunk_pools_twice_and_pads_late() -> None:
    trunk = Conv4(**RELATION_NET)
    assert trunk.tokens(torch.randn(3, 2, 128)).shape == (3, ((128 - 2) // 2 - 2) // 2, 64)
    assert trunk(torch.randn(3, 2, 128)).shape == (3, trunk.num_features)
    assert trunk.layers[1].momentum == 1.0


def test_conv4_takes_a_length_that_pools_do_not_divide() -> None:
    network = Conv4(num_samples=101)
    assert network(torch.randn(2, 2, 101)).shape == (2, network.num_features)


def test_mcldnn_s_single_branches_look_only_back() -> None:
    branch = BACKBONES["mcldnn"]().alone[0]
    x = torch.randn(1, 1, 20)
    changed = x.clone()
    changed[..., 12:] = 0
    torch.testing.assert_close(branch(x)[..., :12], branch(changed)[..., :12])
    assert not torch.equal(branch(x)[..., 12:], branch(changed)[..., 12:])


def test_weights_begin_as_keras_draws_them() -> None:
    torch.manual_seed(0)
    layer, recurrent = nn.Conv1d(30, 50, 8), nn.LSTM(10, 16)
    nn.Sequential(layer, recurrent).apply(keras_initial)
    bound = (6 / (8 * 30 + 8 * 50)) ** 0.5
    torch.testing.assert_close(layer.weight.abs().max(), torch.tensor(bound), atol=0.01 * bound, rtol=0)
    torch.testing.assert_close(layer.weight.std(), torch.tensor(bound / 3**0.5), atol=0.02 * bound, rtol=0)
    assert not layer.bias.any()
    torch.testing.assert_close(recurrent.weight_hh_l0.T @ recurrent.weight_hh_l0, torch.eye(16), atol=1e-5, rtol=0)
    both = (recurrent.bias_ih_l0 + recurrent.bias_hh_l0).unflatten(0, (4, 16))
    torch.testing.assert_close(both, torch.tensor([0.0, 1, 0, 0])[:, None].expand(4, 16))
