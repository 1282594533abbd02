"""Learning with rounded numbers, so that integers of eight bits cost less accuracy afterwards."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)
WEIGHT_LEVELS, INPUT_LEVELS = 127, 255  # of `quantize`: weights symmetric, what goes in from least to most


@contextmanager
def rehearsed(network: nn.Module, records: Tensor) -> Iterator[None]:
    """Round weights and inputs of a network's layers as `quantize` will, while the block runs (Jacob et al., 2018).

    Gradients pass the rounding unchanged where it does not clip. Weights are kept unrounded, and are so afterwards.

    Args:
        network: convolutions and dense layers of it, in place.
        records: inputs of the network, on which the range of each layer's input is measured.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, LAYERS)]
    ranges = _ranges(network, layers, records)
    handles = []
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", _RoundedWeight())
        if layer in ranges:
            handles.append(layer.register_forward_pre_hook(partial(_round_input, *ranges[layer])))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for layer in layers:
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)


def round_weight(weight: Tensor) -> Tensor:
    """Return a weight with 255 levels for each output channel, symmetric about zero."""
    scale = weight.detach().abs().flatten(1).amax(dim=1).clamp_min(1e-12) / WEIGHT_LEVELS
    scale = scale.view(-1, *[1] * (weight.dim() - 1))
    return _through(weight, (weight / scale).round() * scale)


def round_input(x: Tensor, low: float, high: float) -> Tensor:
    """Return an input with 256 levels from `low` to `high`, zero being one of them; what is outside is clipped."""
    scale = max(high - low, 1e-12) / INPUT_LEVELS
    zero = round(-low / scale)
    clipped = x.clamp(-zero * scale, (INPUT_LEVELS - zero) * scale)
    return _through(clipped, (clipped / scale).round() * scale)


class _RoundedWeight(nn.Module):
    """A weight as it will be rounded."""

    def forward(self, weight: Tensor) -> Tensor:
        return round_weight(weight)


def _through(x: Tensor, rounded: Tensor) -> Tensor:
    """Return what is rounded with the gradient of what is not."""
    return x + (rounded - x).detach()


def _round_input(low: float, high: float, _: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    return (round_input(given[0], low, high), *given[1:])


@torch.no_grad()
def _ranges(network: nn.Module, layers: Sequence[nn.Module], records: Tensor) -> dict[nn.Module, tuple[float, float]]:
    """Return the least (zero at most) and the most (zero at least) of what goes into each layer that is called."""
    found: dict[nn.Module, tuple[float, float]] = {}

    def note(layer: nn.Module, given: tuple[Any, ...]) -> None:
        low, high = found.get(layer, (0.0, 0.0))
        found[layer] = min(low, float(given[0].min())), max(high, float(given[0].max()))

    handles = [layer.register_forward_pre_hook(note) for layer in layers]
    learning = network.training
    network.eval()
    for some in records.split(64):
        network(some)
    network.train(learning)
    for handle in handles:
        handle.remove()
    return found
