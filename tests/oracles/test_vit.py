"""A transformer block against its equations written out in NumPy, one head and one token at a time."""

from collections.abc import Callable
from math import erf

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from groundwave.errors import GroundwaveError
from groundwave.nn import softmax
from groundwave.nn.softmax import attend
from groundwave.nn.vit import Block, DropPath, ViT

Array = NDArray[np.float64]
Weights = dict[str, Array]
DIM, HEADS, TOKENS = 12, 3, 5


def linear(x: Array, weights: Weights, name: str) -> Array:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def layer_norm(x: Array, weights: Weights, name: str) -> Array:
    unit = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return unit * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def attention(x: Array, weights: Weights, num_heads: int, scaled: bool = True) -> Array:
    query, key, value = np.split(linear(x, weights, "attention.qkv"), 3, axis=1)
    size = x.shape[1] // num_heads
    mixed = np.zeros_like(x)
    for head in range(num_heads):
        own = slice(head * size, (head + 1) * size)
        for token in range(len(x)):
            scores = np.array([query[token, own] @ key[other, own] for other in range(len(x))])
            share = np.exp(scores / np.sqrt(size) if scaled else scores)
            mixed[token, own] = share / share.sum() @ value[:, own]
    return linear(mixed, weights, "attention.out")


def feed_forward(x: Array, weights: Weights) -> Array:
    wide = linear(x, weights, "feed_forward.0")
    bent = wide * 0.5 * (1 + np.vectorize(erf)(wide / np.sqrt(2)))
    return linear(bent, weights, "feed_forward.2")


def slow_block(x: Array, weights: Weights, num_heads: int = HEADS, scaled: bool = True) -> Array:
    x = x + attention(layer_norm(x, weights, "attention_norm"), weights, num_heads, scaled)
    return x + feed_forward(layer_norm(x, weights, "feed_forward_norm"), weights)


def norm_after(x: Array, weights: Weights) -> Array:
    x = layer_norm(x + attention(x, weights, HEADS), weights, "attention_norm")
    return layer_norm(x + feed_forward(x, weights), weights, "feed_forward_norm")


WRONG: dict[str, Callable[[Array, Weights], Array]] = {
    "one head": lambda x, w: slow_block(x, w, num_heads=1),
    "not scaled": lambda x, w: slow_block(x, w, scaled=False),
    "norm after": norm_after,
}


def example() -> tuple[Array, Array, Weights]:
    torch.manual_seed(0)
    block, x = Block(DIM, HEADS).double(), torch.randn(2, TOKENS, DIM, dtype=torch.float64)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return x.numpy(), block(x).detach().numpy(), {k: v.detach().numpy() for k, v in block.named_parameters()}


def test_a_block_is_that_of_the_loop() -> None:
    x, found, weights = example()
    np.testing.assert_allclose(found, [slow_block(record, weights) for record in x], atol=1e-12)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_block_would_be_caught(name: str) -> None:
    x, found, weights = example()
    assert np.abs(found - [WRONG[name](record, weights) for record in x]).max() > 1e-2


@pytest.mark.parametrize("num_records", [1, 9])
def test_the_gradient_of_attention_is_the_numerical_one(num_records: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softmax, "_CACHED_BYTES", 2 * 2 * 4 * 4 * 8)  # maps of two records: the last is left over
    qkv = torch.randn(num_records, 4, 12, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: attend(x, 2), qkv)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gradient_of_attention_is_pytorch_s(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    qkv, above = torch.randn(5, 7, 24).to(dtype).requires_grad_(), torch.randn(5, 7, 8).to(dtype)
    (ours,) = torch.autograd.grad(attend(qkv, 2), qkv, above)
    (theirs,) = torch.autograd.grad(softmax._attend(qkv, 2), qkv, above)
    off = {torch.float32: 1e-5, torch.bfloat16: 2e-2}[dtype]
    torch.testing.assert_close(ours, theirs, atol=off, rtol=off)
    (wrong,) = torch.autograd.grad(softmax._attend(qkv, 4), qkv, above)
    assert (ours - wrong).abs().max() > 0.1


def test_kept_patches_are_encoded_as_if_there_were_no_others() -> None:
    torch.manual_seed(0)
    vit, x = ViT(dim=16, depth=2, num_heads=2, patch=(4, 2)).eval(), torch.randn(2, 1, 8, 8)
    assert vit.grid(x) == (2, 4)
    kept = torch.tensor([[6, 1, 3], [0, 7, 2]])
    hidden = torch.ones(2, 8, dtype=torch.bool).scatter(1, kept, False).unflatten(1, (2, 4))
    changed = x + 9 * hidden.repeat_interleave(4, dim=1).repeat_interleave(2, dim=2)[:, None]
    torch.testing.assert_close(vit.encode(x, kept), vit.encode(changed, kept), rtol=0, atol=0)
    assert (vit.encode(x) - vit.encode(changed)).abs().max() > 0.1
    everything = torch.arange(8).expand(2, -1)
    torch.testing.assert_close(vit.encode(x, everything), vit.tokens(x))
    torch.testing.assert_close(vit(x), vit.tokens(x).mean(dim=1))


def test_dropped_paths_keep_their_mean_and_rest_in_evaluation() -> None:
    torch.manual_seed(0)
    drop, x = DropPath(0.25), torch.ones(8000, 2, 3)
    dropped = drop(x)
    assert set(dropped.unique().tolist()) == {0.0, float(torch.tensor(1 / 0.75))}
    assert bool((dropped.flatten(1) == dropped[:, :1, 0]).all()), "a record's branch is left out whole"
    torch.testing.assert_close(dropped.mean(), torch.tensor(1.0), atol=0.03, rtol=0)
    torch.testing.assert_close(drop.eval()(x), x, rtol=0, atol=0)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(GroundwaveError, match="num_heads"):
        ViT(dim=10, num_heads=4)
