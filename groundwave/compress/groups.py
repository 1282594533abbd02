"""What has to be removed together: a unit of a network, and every weight that makes or takes its output.

Groups are found by kind of layer, not by tracing: several of our layers compute with the weights of another, which a
tracer of module calls does not see. What is not understood is left whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from groundwave.compress.distil import Scored
from groundwave.nn.aoanet import AoANet
from groundwave.nn.attention import ClassAttention, CrossCovarianceAttention
from groundwave.nn.convlstm import ConvLSTM
from groundwave.nn.narrow import narrow
from groundwave.nn.vit import SelfAttention

Named = tuple[str, nn.Module]

# Layers that leave a silent channel silent: f(0) = 0, each channel by itself.
TRANSPARENT = (
    *(nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Identity, nn.Dropout),
    *(nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d),
)
MIXING = (nn.Linear, nn.Conv1d, nn.Conv2d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


@dataclass(frozen=True)
class Member:
    """One axis of a tensor that holds the units of a group, `parts` times all units of `width` entries each."""

    tensor: str
    axis: int
    parts: int = 1
    width: int = 1

    def rows(self, units: Tensor, num_units: int) -> Tensor:
        """Return where units lie on the axis."""
        part = torch.arange(self.parts)[:, None, None] * num_units * self.width
        return (part + units[:, None] * self.width + torch.arange(self.width)).flatten()


@dataclass(frozen=True)
class Group:
    """Units, any of which can go: channels, hidden units or attention heads."""

    name: str
    num_units: int
    members: tuple[Member, ...]


def groups(network: nn.Module) -> list[Group]:
    """Return all groups of a network: chains of layers, heads of attention, hidden pictures of a ConvLSTM."""
    found: list[Group] = []
    inside: set[nn.Module] = set()
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Sequential | AoANet | Scored) and layer not in inside:
            chain = list(_leaves(name, layer, inside))
            found += _chains(chain)
        elif isinstance(layer, SelfAttention | CrossCovarianceAttention | ClassAttention):
            found.append(_heads(name, layer))
        elif isinstance(layer, ConvLSTM):
            found += _pictures(name, layer)
    return found


def keep(network: nn.Module, kept: Mapping[Group, Tensor]) -> nn.Module:
    """Return a copy of a network without the units that are not kept (int64, ascending, at least one a group)."""
    tensors: dict[str, Tensor] = {}
    state = network.state_dict()
    for group, units in kept.items():
        for member in group.members:
            whole = tensors.get(member.tensor, state[member.tensor])
            tensors[member.tensor] = whole.index_select(member.axis, member.rows(units, group.num_units)).clone()
    return narrow(deepcopy(network), tensors)


@torch.no_grad()
def mask(network: nn.Module, kept: Mapping[Group, Tensor]) -> nn.Module:
    """Return a copy of a network in which the units that are not kept are silent: it computes what `keep`'s does."""
    silent = deepcopy(network)
    state = silent.state_dict()
    for group, units in kept.items():
        gone = torch.ones(group.num_units, dtype=torch.bool)
        gone[units] = False
        for member in group.members:
            rows = member.rows(gone.nonzero().squeeze(1), group.num_units)
            state[member.tensor].index_fill_(member.axis, rows, 0)
    return silent


def magnitude(network: nn.Module, group: Group) -> Tensor:
    """Return the norm of all matrices' weights of each unit (Han et al., 2015, for whole units)."""
    state, total = network.state_dict(), torch.zeros(group.num_units)
    for member in group.members:
        tensor = state[member.tensor]
        if tensor.dim() > 1:
            rows = tensor.movedim(member.axis, 0).flatten(1).square().sum(dim=1)
            total += rows.view(member.parts, group.num_units, member.width).sum(dim=(0, 2)).cpu()
    return total.sqrt()


def _leaves(name: str, layer: nn.Module, inside: set[nn.Module]) -> Iterator[Named]:
    """Yield the layers of nested rows in order, and note which rows have been gone through.

    An `AoANet` is a row, too: between its convolutions and its dense layers is a mean over time, channel by channel.
    So are a backbone and its head.
    """
    if not isinstance(layer, nn.Sequential | AoANet | Scored):
        yield name, layer
        return
    inside.add(layer)
    for part, child in layer.named_children():
        yield from _leaves(f"{name}.{part}" if name else part, child, inside)


def _chains(row: Sequence[Named]) -> list[Group]:
    """Return the groups between one mixing layer and the next, where nothing stands between that is not understood."""
    found, start = [], None
    between: list[Member] = []
    flat = False
    for name, layer in row:
        if isinstance(layer, MIXING) and getattr(layer, "groups", 1) == 1:
            if start is not None:
                found.append(_between(start, between, name, layer, flat))
            start, between, flat = (name, layer), [], False
        elif isinstance(layer, NORMS) and not flat:
            between += [Member(f"{name}.{part}", 0) for part in _vectors(layer)]
        elif isinstance(layer, nn.Flatten):
            flat = True
        elif not isinstance(layer, TRANSPARENT):
            start = None
    return found


def _between(first: Named, between: Sequence[Member], name: str, last: nn.Module, flat: bool) -> Group:
    num_units, taken = int(first[1].weight.shape[0]), int(last.weight.shape[1])  # type: ignore[index]
    made = [Member(f"{first[0]}.{part}", 0) for part in _vectors(first[1])]
    width = taken // num_units if flat else 1
    return Group(first[0], num_units, (*made, *between, Member(f"{name}.weight", 1, width=width)))


def _vectors(layer: nn.Module) -> list[str]:
    """Return the tensors of a layer that have an entry for each of its outputs."""
    names = ("weight", "bias", "running_mean", "running_var")
    return [name for name in names if getattr(layer, name, None) is not None]


def _heads(name: str, layer: SelfAttention | CrossCovarianceAttention | ClassAttention) -> Group:
    width = layer.out.in_features // layer.num_heads
    fused = {"query": 1, "key_value": 2} if isinstance(layer, ClassAttention) else {"qkv": 3}
    made = [
        Member(f"{name}.{part}.{kind}", 0, times, width) for part, times in fused.items() for kind in ("weight", "bias")
    ]
    warm = [Member(f"{name}.temperature", 0)] if isinstance(layer, CrossCovarianceAttention) else []
    return Group(name, layer.num_heads, (*made, *warm, Member(f"{name}.out.weight", 1, width=width)))


def _pictures(name: str, network: ConvLSTM) -> list[Group]:
    """Return the channels of every layer's hidden pictures but the last one's, which are the features."""
    found = []
    for number in range(len(network.layers) - 1):
        own, following = (f"{name}.layers.{i}" if name else f"layers.{i}" for i in (number, number + 1))
        gates = [Member(f"{own}.{part}", 0, 4) for part in ("from_input.weight", "from_input.bias")]
        hidden = [Member(f"{own}.from_hidden.weight", 0, 4), Member(f"{own}.from_hidden.weight", 1)]
        dim = int(network.layers[number].dim)  # type: ignore[arg-type]
        found.append(Group(own, dim, (*gates, *hidden, Member(f"{following}.from_input.weight", 1))))
    return found
