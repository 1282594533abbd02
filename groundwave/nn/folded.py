"""Networks rewritten for inference: the same answers in fewer operations."""

from copy import deepcopy
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def folded(network: Network) -> Network:
    """Return a copy for inference, in which each row of layers has been shortened where that changes no answer.

    Batch norms become part of the convolution before them, and of linear layers with nothing but dropout between them
    remains one, if that is less work. At batch 1 small networks spend more time on starting an operation than on it.
    """
    copy = deepcopy(network).eval().requires_grad_(False)
    for row in list(copy.modules()):
        if isinstance(row, nn.Sequential):
            _shorten(row)
    return copy


def _shorten(row: nn.Sequential) -> None:
    """Merge neighbours; where one was, an identity stays, because networks find layers by their numbers."""
    before: int | None = None
    for number, layer in enumerate(row):
        if isinstance(layer, nn.Dropout):
            row[number] = nn.Identity()
        elif before is not None and (merged := _merged(row[before], layer)) is not None:
            row[before], row[number] = merged, nn.Identity()
        elif not isinstance(layer, nn.Identity):
            before = number


def _merged(first: nn.Module, second: nn.Module) -> nn.Module | None:
    """Return one layer that does what two do in a row, or None."""
    if isinstance(first, nn.Conv1d | nn.Conv2d) and isinstance(second, nn.BatchNorm1d | nn.BatchNorm2d):
        return fuse_conv_bn_eval(first, second)
    return _product(first, second) if isinstance(first, nn.Linear) and isinstance(second, nn.Linear) else None


@torch.no_grad()
def _product(first: nn.Linear, second: nn.Linear) -> nn.Linear | None:
    if first.in_features * second.out_features > first.weight.numel() + second.weight.numel():
        return None  # a bottleneck
    biased = first.bias is not None or second.bias is not None
    merged = nn.Linear(first.in_features, second.out_features, bias=biased, device=first.weight.device)
    merged.weight.copy_(second.weight @ first.weight)
    if biased:
        merged.bias.zero_()
        if first.bias is not None:
            merged.bias.add_(second.weight @ first.bias)
        if second.bias is not None:
            merged.bias.add_(second.bias)
    return merged
