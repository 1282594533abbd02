"""Pruning: whole units, each group as much as it bears, or single weights."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from groundwave.compress.groups import Group, groups, keep, magnitude, mask
from groundwave.errors import GroundwaveError

SHARES = (0.25, 0.5, 0.7, 0.8, 0.9, 0.95)

Loss = Callable[[nn.Module], float]


class Pruned(NamedTuple):
    """What is left of a network.

    Attributes:
        network: a copy without the units that went.
        kept: of each group, by name, how many units it had and has.
        cost: what the target was about.
        shapes: sizes of the tensors that changed, which rebuild the network (`nn/narrow.py`).
    """

    network: nn.Module
    kept: dict[str, tuple[int, int]]
    cost: float
    shapes: dict[str, list[int]]


def num_parameters(network: nn.Module) -> int:
    """Return how many weights a network has."""
    return sum(parameter.numel() for parameter in network.parameters())


@torch.no_grad()
def prune(
    network: nn.Module,
    loss: Loss,
    target: float,
    cost: Callable[[nn.Module], float] = num_parameters,
    shares: Sequence[float] = SHARES,
) -> Pruned:
    """Remove whole units until a network costs no more than `target`, from each group as much as it bears.

    How much a group bears is measured: its weakest units are silenced, share by share, and the loss is noted. Then all
    groups give up what costs at most so much loss each, and the bound rises until the target is met.

    Args:
        network: stays as it is; in evaluation mode.
        loss: of a network on given records, the lower the better.
        target: the most that the result may cost.
        cost: parameters by default; or measured seconds, or anything that falls with units.
        shares: of a group's units that may go.

    Raises:
        GroundwaveError: a target that cannot be reached; it tells the lowest cost that can.
    """
    ranked = {group: magnitude(network, group).argsort(descending=True) for group in groups(network)}
    damage = {group: _damage(network, group, order, loss, shares) for group, order in ranked.items()}
    levels = sorted({level for levels in damage.values() for level in levels})

    def at(level: float) -> dict[Group, Tensor]:
        """Return the units left when each group gives up what costs no more than a level."""
        num = {group: sum(value <= level for value in values) for group, values in damage.items()}
        return {g: _strongest(ranked[g], shares[n - 1] if n else 0.0) for g, n in num.items()}

    low, high = -1, len(levels) - 1
    least = cost(keep(network, at(levels[high]))) if levels else cost(network)
    if least > target:
        raise GroundwaveError(
            got=f"a target of {target:g} for a network that costs {cost(network):g}",
            expected=f"at least {least:g}, which is as far as its units go",
            do="raise the target, or start from a smaller network",
        )
    while high - low > 1:  # the lowest level that meets the target; -1: nothing goes
        middle = (low + high) // 2
        low, high = (low, middle) if cost(keep(network, at(levels[middle]))) <= target else (middle, high)
    kept = {} if cost(network) <= target else at(levels[high])
    return _pruned(network, kept, cost)


def _damage(network: nn.Module, group: Group, order: Tensor, loss: Loss, shares: Sequence[float]) -> list[float]:
    """Return the loss when each share of a group's units is gone, never falling with the share."""
    found: list[float] = []
    for share in shares:
        found.append(max(loss(mask(network, {group: _strongest(order, share)})), *found[-1:] or (float("-inf"),)))
    return found


def _strongest(order: Tensor, share: float) -> Tensor:
    """Return the units that stay when a share of them goes; one always does."""
    return order[: max(1, round(len(order) * (1 - share)))].sort().values


def _pruned(network: nn.Module, kept: Mapping[Group, Tensor], cost: Callable[[nn.Module], float]) -> Pruned:
    left = keep(network, kept)
    before = network.state_dict()
    shapes = {name: list(x.shape) for name, x in left.state_dict().items() if x.shape != before[name].shape}
    return Pruned(left, {g.name: (g.num_units, len(units)) for g, units in kept.items()}, cost(left), shapes)


@torch.no_grad()
def sparsify(network: nn.Module, sparsity: float) -> nn.Module:
    """Return a copy whose smallest matrix entries are zero, a share `sparsity` of them all (Han et al., 2015).

    Raises:
        GroundwaveError: a share outside 0 to 1.
    """
    if not 0 <= sparsity < 1:
        raise GroundwaveError(f"a sparsity of {sparsity}", "0 up to, but not, 1", "change the target")
    sparse = deepcopy(network)
    matrices = [parameter for parameter in sparse.parameters() if parameter.dim() > 1]
    size = torch.cat([matrix.abs().flatten() for matrix in matrices])
    size[size.argsort(stable=True)[: round(sparsity * len(size))]] = 0
    for matrix, left in zip(matrices, size.split([matrix.numel() for matrix in matrices]), strict=True):
        matrix[left.view_as(matrix) == 0] = 0
    return sparse


def hold_zeros(network: nn.Module) -> None:
    """Let no gradient reach the entries of matrices that are zero, so that training keeps them zero."""
    for parameter in network.parameters():
        if parameter.dim() > 1 and parameter.requires_grad:
            parameter.register_hook(_masked_by(parameter.detach() != 0))


def _masked_by(alive: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda gradient: gradient * alive
