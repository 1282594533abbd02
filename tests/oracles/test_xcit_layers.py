"""The whole of XCiT, default and as LSM released it, against layers written out in NumPy."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from oracles.test_attention import Array, Weights, linear, slow_class_attention, slow_cross_covariance
from scipy.special import erf

from groundwave.model import Model
from groundwave.nn import LSM
from groundwave.nn.xcit import XCIT_TINY_12, XCiT


def part(weights: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): array for name, array in weights.items() if name.startswith(prefix)}


def layer_norm(x: Array, weights: Weights, eps: float) -> Array:
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + eps) * weights["weight"] + weights["bias"]


def batch_norm(x: Array, weights: Weights) -> Array:
    """Normalise `[channels, time]` by the running statistics."""
    rows = {name: array[:, None] for name, array in weights.items() if array.ndim}
    return (x - rows["running_mean"]) / np.sqrt(rows["running_var"] + 1e-5) * rows["weight"] + rows["bias"]


def convolve(x: Array, weights: Weights, stride: int = 1) -> Array:
    """Correlate `[channels, time]` with kernels, output by output; depthwise where a kernel has one channel."""
    kernels, bias = weights["weight"], weights["bias"]
    reach = kernels.shape[2] // 2
    padded = np.pad(x, ((0, 0), (reach, reach)))
    out = np.empty((len(kernels), -(-x.shape[1] // stride)))
    for row, kernel in enumerate(kernels):
        rows = padded[row : row + 1] if kernel.shape[0] == 1 else padded
        for step in range(out.shape[1]):
            out[row, step] = (rows[:, step * stride : step * stride + kernel.shape[1]] * kernel).sum() + bias[row]
    return out


def gelu(x: Array) -> Array:
    return x * (1 + erf(x / np.sqrt(2))) / 2


def feed_forward(x: Array, weights: Weights) -> Array:
    return linear(gelu(linear(x, weights, "0")), weights, "2")


def local(x: Array, weights: Weights) -> Array:
    once = batch_norm(gelu(convolve(x.T, part(weights, "layers.0."))), part(weights, "layers.2."))
    return convolve(once, part(weights, "layers.3.")).T


def positions(num_tokens: int, dim: int, weights: Weights, kind: str) -> Array:
    """Code each token: sine and cosine of its index, or XCiT's 64 numbers for its row and its only column, mixed."""
    if kind == "index":
        code = np.empty((num_tokens, dim))
        for n in range(num_tokens):
            for k in range(0, dim, 2):
                angle = n / 10_000 ** (k / dim)
                code[n, k : k + 2] = np.sin(angle), np.cos(angle)
        return code
    code = np.empty((num_tokens, 64))
    for n in range(num_tokens):
        for axis, share in enumerate(((n + 1) / (num_tokens + 1e-6), 1 / (1 + 1e-6))):
            for k in range(32):
                angle = 2 * np.pi * share / 10_000 ** (2 * (k // 2) / 32)
                code[n, 32 * axis + k] = np.cos(angle) if k % 2 else np.sin(angle)
    return code @ weights["positions.project.weight"][:, :, 0].T + weights["positions.project.bias"]


def class_block(x: Array, weights: Weights, heads: int, eps: float, tokens_norm: bool) -> Array:
    normed = layer_norm(x, part(weights, "norm."), eps)
    asked = slow_class_attention(normed, part(weights, "attention."), heads)
    last = part(weights, "feed_forward.")
    if tokens_norm:  # all that timm's block does: every token is updated, normed, and doubled or fed forward
        x = layer_norm(x + weights["scale"] * np.concatenate([asked, normed[1:]]), part(last, "norm."), eps)
        fed = last["scale"] * feed_forward(x[:1], part(last, "layer."))
        return x + np.concatenate([fed, x[1:]])
    chosen = x[:1] + weights["scale"] * asked
    fed = feed_forward(layer_norm(chosen, part(last, "norm."), eps), part(last, "layer."))
    return np.concatenate([chosen + last["scale"] * fed, x[1:]])


def slow_xcit(x: Array, weights: Weights, settings: Mapping[str, Any]) -> Array:
    """Return the tokens of one record `[channels, time]`."""
    heads, eps = settings.get("num_heads", 4), settings.get("eps", 1e-5)
    num_stages = settings["patch"].bit_length() - 1
    for stage in range(num_stages):
        x = convolve(x, part(weights, f"stem.layers.{3 * stage}."), stride=2)
        x = batch_norm(x, part(weights, f"stem.layers.{3 * stage + 1}."))
        x = x / (1 + np.exp(-x))
    tokens = convolve(x, part(weights, f"stem.layers.{3 * num_stages}.")).T
    tokens = tokens + positions(*tokens.shape, weights, settings.get("positions", "index"))
    for block in range(3 * settings["depth"]):
        branch = part(weights, f"blocks.{block}.")
        normed, inner = layer_norm(tokens, part(branch, "norm."), eps), part(branch, "layer.")
        if block % 3 == 0:
            update = slow_cross_covariance(normed, inner, heads)
        else:
            update = (local if block % 3 == 1 else feed_forward)(normed, inner)
        tokens = tokens + branch["scale"] * update
    tokens = np.concatenate([weights["class_token"][None], tokens])
    for block in range(2):
        weights_of = part(weights, f"class_blocks.{block}.")
        tokens = class_block(tokens, weights_of, heads, eps, settings.get("tokens_norm", False))
    return layer_norm(tokens, part(weights, "norm."), eps)


def arrays(network: torch.nn.Module) -> Weights:
    return {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}


def drawn(settings: Mapping[str, Any]) -> XCiT:
    """Return a network in which every parameter and statistic matters."""
    torch.manual_seed(5)
    network = XCiT(**settings).eval()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor) * (0.5 if name.endswith("running_var") else 0.1))
    return network


SMALL = {"dim": 16, "depth": 2, "patch": 4}
PUBLISHED = {**XCIT_TINY_12, "dim": 16, "depth": 2}


def assert_as_the_slow_twin(network: XCiT, x: torch.Tensor, settings: Mapping[str, Any]) -> None:
    slow = slow_xcit(x.double().numpy(), arrays(network), settings)
    torch.testing.assert_close(
        network.tokens(x[None])[0].detach().double(), torch.from_numpy(slow), atol=1e-4, rtol=1e-3
    )


@pytest.mark.parametrize("settings", [SMALL, PUBLISHED], ids=["default", "published"])
def test_every_layer_is_the_paper_s(settings: Mapping[str, Any]) -> None:
    assert_as_the_slow_twin(drawn(settings), torch.randn(2, 12), settings)


@pytest.mark.parametrize("mistake", [{"eps": 0.1}, {"tokens_norm": False}, {"positions": "index"}])
def test_another_setting_is_another_network(mistake: Mapping[str, Any]) -> None:
    with pytest.raises(AssertionError):
        assert_as_the_slow_twin(drawn(PUBLISHED), torch.randn(2, 12), {**PUBLISHED, **mistake})


def test_flattened_features_are_all_tokens() -> None:
    network, x = drawn(PUBLISHED), torch.randn(3, 2, 12)
    torch.testing.assert_close(network(x), torch.cat([network.tokens(x)[:, token] for token in range(7)], dim=-1))


def test_the_packaged_encoder_still_computes_what_its_weights_meant() -> None:
    model = Model.load("iq-small")
    assert isinstance(model.backbone, LSM)
    settings = model.spec["backbone"]["args"]["towers"]["time"]
    assert_as_the_slow_twin(model.backbone.towers["time"], torch.randn(2, 256), settings)  # type: ignore[arg-type]
