"""XCiT's arguments: the default has not moved, LSM's setting is counted by hand, impossible ones are refused."""

import pytest
import torch

from groundwave.errors import ContractError, GroundwaveError
from groundwave.nn import BACKBONES, LSM, XCiT
from groundwave.nn.fft import FFTEncoder
from groundwave.nn.xcit import XCIT_TINY_12


def counted(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_default_computes_what_it_did_before_it_had_options() -> None:
    network = XCiT(dim=16, depth=1, patch=4).eval()
    with torch.no_grad():
        for row, (name, tensor) in enumerate(sorted(network.state_dict().items())):
            if tensor.is_floating_point():
                wave = 0.1 * torch.sin(torch.arange(tensor.numel(), dtype=torch.float64) * 0.7 + row)
                tensor.copy_(wave.reshape(tensor.shape) + name.endswith(("running_var", "scale", "temperature")))
    features = network(torch.sin(torch.arange(80.0) * 0.31).reshape(1, 2, 40))
    known = [0.07609, 0.1122, 0.02636, -0.01832, 0.01321, -0.0035, 0.0932, -0.08658]
    torch.testing.assert_close(features[0, ::4].detach(), torch.tensor(known), atol=1e-4, rtol=1e-3)


def test_lsm_s_setting_is_timm_s_network_with_another_stem() -> None:
    dim = 192
    stem = (2 * dim * 5 + dim) + 2 * dim + (dim * dim + dim)
    attention = 2 * dim + 4 + (3 * dim * dim + 3 * dim) + (dim * dim + dim) + dim
    local = 2 * dim + 2 * (3 * dim + dim) + 2 * dim + dim
    feed_forward = 2 * dim + (4 * dim * dim + 4 * dim) + (4 * dim * dim + dim) + dim
    class_block = 2 * dim + 4 * (dim * dim + dim) + dim + feed_forward
    by_hand = stem + (64 * dim + dim) + 12 * (attention + local + feed_forward) + dim + 2 * class_block + 2 * dim
    assert counted(XCiT(**XCIT_TINY_12)) == by_hand
    # Of timm's 6,716,272: its patch embedding and classifier go, and of each 3x3 kernel the columns that see padding.
    embedding = 3 * 24 * 9 + 24 * 48 * 9 + 48 * 96 * 9 + 96 * dim * 9 + 2 * (24 + 48 + 96 + dim)
    assert by_hand == 6_716_272 - embedding - (1000 * dim + 1000) - 12 * 2 * 6 * dim + stem


def test_lsm_s_two_encoders_as_released_are_equally_wide() -> None:
    towers = {"time": {"kind": "xcit", **XCIT_TINY_12}, "frequency": {"kind": "fft"}}
    network = LSM(towers=towers)
    assert network.sizes == {"time": 1344, "frequency": 1344}
    assert network(torch.randn(3, 2, 12)).shape == (3, 2688)


def test_every_parameter_of_lsm_s_setting_gets_a_gradient() -> None:
    network = XCiT(**{**XCIT_TINY_12, "dim": 16, "depth": 1})
    network(torch.randn(8, 2, 12)).pow(3).sum().backward()
    missing = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert [name for name in missing if not name.endswith("bias")] == []


def test_initial_weights_are_xcit_s() -> None:
    torch.manual_seed(0)
    network = XCiT(**{**XCIT_TINY_12, "depth": 1})
    matrix, kernel = network.blocks[2].layer[0].weight, network.blocks[1].layer.layers[0].weight
    torch.testing.assert_close(matrix.std(), torch.tensor(0.02), atol=5e-4, rtol=0)
    torch.testing.assert_close(kernel.abs().max(), torch.tensor(1 / 3), atol=0.01, rtol=0)


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"pool": "flatten"}, "give num_samples"),
        ({"pool": "mean"}, "class\\+mean, flatten"),
        ({"positions": "learned"}, "index, fourier"),
        ({"initial": "keras"}, "torch, xcit"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, str], remedy: str) -> None:
    with pytest.raises(GroundwaveError, match=remedy):
        XCiT(**settings)


@pytest.mark.parametrize("num_samples", [11, 13])
def test_flattening_takes_one_length(num_samples: int) -> None:
    with pytest.raises(ContractError, match="expected 12"):
        XCiT(**{**XCIT_TINY_12, "dim": 16, "depth": 1})(torch.randn(2, 2, num_samples))


def test_a_last_patch_that_is_not_full_is_a_token() -> None:
    network = XCiT(dim=16, depth=1, patch=8, pool="flatten", num_samples=20)
    assert network(torch.randn(2, 2, 20)).shape == (2, network.num_features)
    assert network.num_features == 16 * 4


def test_the_fft_encoder_sees_the_plain_fft() -> None:
    network = FFTEncoder().eval()
    iq = torch.randn(3, 12, dtype=torch.complex64)
    seen: list[torch.Tensor] = []
    network.convs.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(torch.view_as_real(iq).transpose(1, 2))
    rows = torch.arange(12.0)
    slow = (iq[:, None] * torch.exp(-2j * torch.pi * rows[:, None] * rows / 12)).sum(-1)
    torch.testing.assert_close(seen[0], torch.stack([slow.real, slow.imag], dim=1), atol=1e-5, rtol=1e-4)


def test_the_table_holds_the_fft_encoder() -> None:
    assert BACKBONES["fft"] is FFTEncoder
