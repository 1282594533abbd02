"""Layers of other sizes than their network was built with: what is left of a pruned network."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from groundwave.nn.attention import ClassAttention, CrossCovarianceAttention
from groundwave.nn.convlstm import ConvLSTMLayer
from groundwave.nn.vit import SelfAttention

Attention = SelfAttention | CrossCovarianceAttention | ClassAttention


def narrow(network: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """Put other weights, of any size, in place of those with these names, in place; layers are told their new sizes.

    Args:
        network: what changes.
        tensors: parameters and buffers, by their names in the network.

    Raises:
        AttributeError: a name that the network does not have.
    """
    widths = {layer: layer.out.in_features for layer in network.modules() if isinstance(layer, Attention)}
    for name, tensor in tensors.items():
        path, _, last = name.rpartition(".")
        layer = network.get_submodule(path)
        if last in layer._parameters:
            known = network.get_parameter(name)
            setattr(layer, last, nn.Parameter(tensor, requires_grad=known.requires_grad))
        else:
            network.get_buffer(name)
            setattr(layer, last, tensor)
    for layer in network.modules():
        _tell(layer)
    for layer, width in widths.items():  # heads keep their width, and some have gone
        layer.num_heads = layer.num_heads * layer.out.in_features // width
    return network


def restore_sizes(network: nn.Module, shapes: Mapping[str, Sequence[int]]) -> nn.Module:
    """Give a newly built network the sizes that a pruned one was saved with; the weights are to be loaded next."""
    known = network.state_dict()
    return narrow(network, {name: torch.zeros(*shape, dtype=known[name].dtype) for name, shape in shapes.items()})


def _tell(layer: nn.Module) -> None:
    """Correct what a layer says of its own size."""
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = layer.weight.shape
    elif isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        layer.out_channels, layer.in_channels = layer.weight.shape[0], layer.weight.shape[1] * layer.groups
    elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and layer.running_mean is not None:
        layer.num_features = len(layer.running_mean)
    elif isinstance(layer, ConvLSTMLayer):
        layer.dim = layer.from_hidden.weight.shape[1]
