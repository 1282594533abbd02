"""Every backbone of the table keeps the same contract."""

import pytest
import torch

from groundwave.contracts import Backbone
from groundwave.nn import BACKBONES

TINY = {
    "amc_cnn": {},
    "aoanet": {"widths": (8, 8, 8), "hidden": 16},
    "beamspace": {"cells": 8, "dim": 8},
    "cldnn": {},
    "conv4": {"width": 8},
    "convlstm": {"dim": 4, "depth": 2, "slice": 4},
    "cyclic": {"dim": 16, "hidden": 16},
    "deepbeam_cnn": {"width": 8, "depth": 3, "hidden": 8},
    "densenet": {"growth": 4, "blocks": (2, 2), "width": 8, "dim": 16},
    "envelope": {"dim": 16},
    "fft": {"dim": 16},
    "lsm": {
        "towers": {
            "time": {"kind": "xcit", "dim": 16, "depth": 1, "patch": 4},
            "frequency": {"kind": "spectrum", "dim": 16, "depth": 2},
            "attributes": {"kind": "attributes"},
        }
    },
    "mcldnn": {},
    "multimodal_vit": {"stems": {"spec": {"patch": (8, 4)}}, "dim": 16, "depth": 2, "num_heads": 2},
    "residual": {"dim": 16},
    "resnet18": {"width": 8},
    "resnet2d": {"width": 8},
    "semiamc": {},
    "spectrum": {"dim": 16, "depth": 2},
    "token_map": {"kind": "xcit", "args": {"dim": 16, "depth": 1, "patch": 4}, "num_tokens": 4},
    "vit": {"dim": 16, "depth": 2, "num_heads": 2, "patch": (8, 4)},
    "vtcnn2": {},
    "welch": {"dim": 16},
    "white": {"backbone": {"name": "residual", "args": {"dim": 16}}, "rank": 4},
    "xcit": {"dim": 16, "depth": 1, "patch": 4},
}
# Networks whose source has a dense layer over time are built for one length.
ONE_LENGTH = {"amc_cnn", "cldnn", "conv4", "deepbeam_cnn", "fft", "vtcnn2"}
# Networks over a grid are given one that is not square; the second is no whole number of patches either.
ON_A_GRID = {"convlstm", "multimodal_vit", "resnet2d", "vit"}
GRIDS = {64: (32, 20), 100: (21, 50)}


# Networks of antenna arrays: the directions of one antenna are no directions.
OF_ARRAYS = {"beamspace": 4}


def build(name: str, num_channels: int, num_samples: int = 64) -> torch.nn.Module:
    torch.manual_seed(0)
    num_channels *= OF_ARRAYS.get(name, 1)
    length = {"num_samples": num_samples} if name in ONE_LENGTH else {}
    return BACKBONES[name](num_channels=num_channels, **length, **TINY[name])


def inputs(name: str, num_records: int, num_channels: int, num_samples: int = 64) -> torch.Tensor:
    size = GRIDS[num_samples] if name in ON_A_GRID else (num_samples,)
    return torch.randn(num_records, num_channels * OF_ARRAYS.get(name, 1), *size)


def test_every_backbone_has_a_tiny_setting() -> None:
    assert TINY.keys() == BACKBONES.keys()


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("num_channels", [1, 2, 5])
def test_shapes_for_any_channels_and_length(name: str, num_channels: int) -> None:
    for num_samples in (64, 100):
        network = build(name, num_channels, num_samples).eval()
        assert isinstance(network, Backbone)
        x = inputs(name, 3, num_channels, num_samples)
        assert network(x).shape == (3, network.num_features)
        batch, num_tokens, _ = network.tokens(x).shape
        assert batch == 3
        assert num_tokens > 1


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("num_channels", [1, 2, 5])
def test_every_parameter_gets_a_gradient(name: str, num_channels: int) -> None:
    network = build(name, num_channels)
    network(inputs(name, 4, num_channels)).square().sum().backward()
    missing = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A bias before a batch norm, and the bias of keys, shift what the next operation takes out again.
    assert [n for n in missing if not n.endswith("bias")] == []


@pytest.mark.parametrize("name", BACKBONES)
def test_it_trains_in_bf16(name: str) -> None:
    network = build(name, 2)
    with torch.autocast("cpu", torch.bfloat16):
        features = network(inputs(name, 4, 2))
    features.float().square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("name", BACKBONES)
def test_evaluation_does_not_depend_on_the_batch(name: str) -> None:
    network = build(name, 2).eval()
    x = inputs(name, 4, 2)
    torch.testing.assert_close(network(x)[1:2], network(x[1:2]), atol=1e-5, rtol=1e-4)


def test_a_carrier_offset_does_not_move_spectrum_features() -> None:
    torch.manual_seed(0)
    network = BACKBONES["spectrum"](dim=16, depth=2, powers=(1,)).eval()
    iq = torch.randn(2, 128, dtype=torch.complex64)
    by_one_stride, by_half = (iq * torch.exp(2j * torch.pi * bins / 128 * torch.arange(128)) for bins in (4, 2))
    still, whole, half = (network(torch.view_as_real(x).transpose(1, 2)) for x in (iq, by_one_stride, by_half))
    torch.testing.assert_close(still, whole, atol=1e-4, rtol=1e-3)
    assert (still - half).abs().max() > 1e-3, "between strides the features do move a little"
