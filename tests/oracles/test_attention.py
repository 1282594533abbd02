"""XCiT's layers against its equations written out in NumPy, one head and one channel at a time.

Equations: El-Nouby et al. (2021), section 3; class attention: Touvron et al. (2021), section 3. Nothing here calls
PyTorch; weights come in as arrays in the layout of `nn.Linear`.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from groundwave.nn.attention import ClassAttention, CrossCovarianceAttention

Array = NDArray[np.float64]
Weights = dict[str, Array]
Twin = Callable[[Array, Weights, int], Array]

DIM, HEADS, TOKENS = 12, 3, 7


def softmax(scores: Array, axis: int = -1) -> Array:
    raised = np.exp(scores - scores.max(axis, keepdims=True))
    return raised / raised.sum(axis, keepdims=True)


def linear(x: Array, weights: Weights, name: str) -> Array:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def heads_of(x: Array, weights: Weights, num_heads: int) -> list[tuple[Array, Array, Array, float]]:
    """Return query, key and value `[tokens, channels]` and temperature of each head."""
    query, key, value = np.split(linear(x, weights, "qkv"), 3, axis=1)
    split = (np.split(part, num_heads, axis=1) for part in (query, key, value))
    return [(*parts, float(t)) for *parts, t in zip(*split, weights["temperature"].ravel(), strict=True)]


def unit(columns: Array) -> Array:
    """Give each channel unit length over the tokens."""
    return columns / np.sqrt((columns**2).sum(axis=0))


def slow_cross_covariance(x: Array, weights: Weights, num_heads: int) -> Array:
    """Equation 3: each channel is a mean of the values, weighted by how its query covaries with their keys."""
    heads = []
    for query, key, value, temperature in heads_of(x, weights, num_heads):
        query, key, mixed = unit(query), unit(key), np.empty_like(value)
        for channel in range(query.shape[1]):
            scores = [temperature * (query[:, channel] * key[:, other]).sum() for other in range(key.shape[1])]
            mixed[:, channel] = value @ softmax(np.array(scores))
        heads.append(mixed)
    return linear(np.concatenate(heads, axis=1), weights, "out")


def wrong_over_tokens(x: Array, weights: Weights, num_heads: int) -> Array:
    """Ordinary self-attention: the softmax runs over tokens."""
    heads = heads_of(x, weights, num_heads)
    mixed = [softmax(t * unit(q.T).T @ unit(k.T)) @ v for q, k, v, t in heads]
    return linear(np.concatenate(mixed, axis=1), weights, "out")


def covariance(x: Array, weights: Weights, num_heads: int, scale: Callable[[Array], Array], axis: int) -> Array:
    """Equation 3 as matrices, with a choice of scale and of the axis of the softmax."""
    mixed = [v @ softmax(t * scale(q).T @ scale(k), axis).T for q, k, v, t in heads_of(x, weights, num_heads)]
    return linear(np.concatenate(mixed, axis=1), weights, "out")


WRONG_COVARIANCE: dict[str, Twin] = {
    "softmax over tokens": wrong_over_tokens,
    "no normalisation": lambda x, w, h: covariance(x, w, h, scale=lambda part: part, axis=1),
    "normalised over channels": lambda x, w, h: covariance(x, w, h, scale=lambda part: unit(part.T).T, axis=1),
    "softmax over queries": lambda x, w, h: covariance(x, w, h, scale=unit, axis=0),
    "no temperature": lambda x, w, h: slow_cross_covariance(x, {**w, "temperature": np.ones(h)}, h),
    "one head": lambda x, w, h: slow_cross_covariance(x, {**w, "temperature": w["temperature"][:1]}, 1),
}


def slow_class_attention(x: Array, weights: Weights, num_heads: int, scaled: bool = True) -> Array:
    """Class attention: the first token asks, all tokens answer, each head by itself."""
    query = np.split(linear(x[0], weights, "query"), num_heads)
    key, value = np.split(linear(x, weights, "key_value"), 2, axis=1)
    read = []
    for q, k, v in zip(query, np.split(key, num_heads, axis=1), np.split(value, num_heads, axis=1), strict=True):
        scores = np.array([(q * k[token]).sum() for token in range(len(x))])
        chances = softmax(scores / np.sqrt(len(q)) if scaled else scores)
        read.append(sum(chance * v[token] for token, chance in enumerate(chances)))
    return linear(np.concatenate(read)[None], weights, "out")


def wrong_without_itself(x: Array, weights: Weights, num_heads: int) -> Array:
    """The class token asks the others only."""
    asks = {"query.bias": linear(x[0], weights, "query"), "query.weight": np.zeros_like(weights["query.weight"])}
    return slow_class_attention(x[1:], {**weights, **asks}, num_heads)


WRONG_CLASS: dict[str, Twin] = {
    "no scale": lambda x, w, h: slow_class_attention(x, w, h, scaled=False),
    "one head": lambda x, w, h: slow_class_attention(x, w, 1),
    "not itself": wrong_without_itself,
    "asked by the last": lambda x, w, h: slow_class_attention(x[::-1], w, h),
}


def drawn(layer: nn.Module) -> tuple[torch.Tensor, Weights]:
    """Return an input and the layer's weights, drawn wide enough that no softmax is flat."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            parameter.uniform_(2, 8) if name == "temperature" else parameter.normal_(0, 0.6)
    weights = {name: tensor.double().numpy() for name, tensor in layer.state_dict().items()}
    return torch.randn(2, TOKENS, DIM), weights


def apply(twin: Twin, x: torch.Tensor, weights: Weights) -> torch.Tensor:
    return torch.from_numpy(np.stack([twin(record, weights, HEADS) for record in x.double().numpy()])).float()


def test_cross_covariance_attention_is_the_equation() -> None:
    layer = CrossCovarianceAttention(DIM, HEADS)
    x, weights = drawn(layer)
    torch.testing.assert_close(layer(x).detach(), apply(slow_cross_covariance, x, weights), atol=1e-4, rtol=1e-4)


def test_the_matrices_with_mistakes_are_right_without() -> None:
    x, weights = drawn(CrossCovarianceAttention(DIM, HEADS))
    record = x[0].double().numpy()
    right = covariance(record, weights, HEADS, scale=unit, axis=1)
    np.testing.assert_allclose(right, slow_cross_covariance(record, weights, HEADS), atol=1e-10)


@pytest.mark.parametrize("mistake", WRONG_COVARIANCE)
def test_a_wrong_cross_covariance_is_caught(mistake: str) -> None:
    layer = CrossCovarianceAttention(DIM, HEADS)
    x, weights = drawn(layer)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(
            layer(x).detach(), apply(WRONG_COVARIANCE[mistake], x, weights), atol=0.05, rtol=0.05
        )


def test_class_attention_is_the_equation() -> None:
    layer = ClassAttention(DIM, HEADS)
    x, weights = drawn(layer)
    torch.testing.assert_close(layer(x).detach(), apply(slow_class_attention, x, weights), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("mistake", WRONG_CLASS)
def test_a_wrong_class_attention_is_caught(mistake: str) -> None:
    layer = ClassAttention(DIM, HEADS)
    x, weights = drawn(layer)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(layer(x).detach(), apply(WRONG_CLASS[mistake], x, weights), atol=0.05, rtol=0.05)
