"""Backbones cut into steps, between which a record can leave: one function and one line in `CUTS` a backbone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from groundwave.errors import GroundwaveError
from groundwave.nn.amc_cnn import AMCCNN
from groundwave.nn.conv4 import Conv4
from groundwave.nn.convlstm import ConvLSTM
from groundwave.nn.length import check_length
from groundwave.nn.lsm import LSM
from groundwave.nn.residual import ResidualEncoder
from groundwave.nn.resnet import BasicBlock, ResNet18
from groundwave.nn.vit import ViT
from groundwave.nn.xcit import XCiT

State = tuple[Tensor, ...]  # what goes on to the next step; the first axis of each is that of the records
Step = Callable[[State], State]


@dataclass(frozen=True)
class Cut:
    """A backbone as a beginning, steps and an end; in this order they compute what its `forward` does.

    Args:
        begin: from the network's input to the first state.
        steps: from state to state.
        end: from the last state to the features.
        seen: what an exit head sees of a state, float32 `[B, channels, length]`.
    """

    begin: Callable[[Tensor], State]
    steps: tuple[Step, ...]
    end: Callable[[State], Tensor]
    seen: Callable[[State], Tensor]


def cut(backbone: nn.Module) -> Cut:
    """Return the steps of a backbone, which shares its weights.

    Raises:
        GroundwaveError: a backbone that is no row of blocks.
    """
    for kind, make in CUTS.items():
        if isinstance(backbone, kind):
            return make(backbone)
    raise GroundwaveError(
        got=f"a {type(backbone).__name__}, which is no row of blocks",
        expected=f"one of {', '.join(sorted(kind.__name__ for kind in CUTS))}",
        do="choose a model with another backbone",
    )


def _through(layer: nn.Module) -> Step:
    return lambda state: (layer(state[0]),)


def _as_it_is(state: State) -> Tensor:
    return state[0]


def _tokens_last(state: State) -> Tensor:
    return state[0].transpose(1, 2)


def _amc_cnn(network: Any) -> Cut:
    def begin(x: Tensor) -> State:
        check_length(x, network.num_samples, network.num_samples)
        return (x,)

    *convs, dense = network.layers
    return Cut(begin, tuple(map(_through, convs)), lambda state: dense(state[0]), _as_it_is)


def _conv4(network: Any) -> Cut:
    def begin(x: Tensor) -> State:
        check_length(x, network.num_samples, network.num_samples)
        return (x,)

    blocks = [_through(network.layers[i : i + 4]) for i in range(0, len(network.layers), 4)]
    return Cut(begin, tuple(blocks), lambda state: state[0].transpose(1, 2).flatten(1), _as_it_is)


def _vit(network: Any) -> Cut:
    steps = tuple(map(_through, network.blocks))
    return Cut(lambda x: (network.stem(x, None),), steps, lambda s: network.norm(s[0]).mean(dim=1), _tokens_last)


def _xcit(network: Any) -> Cut:
    def begin(x: Tensor) -> State:
        if network.num_samples is not None:
            check_length(x, network.num_samples, network.num_samples)
        return (network.begin(x),)

    # A block is a row of three: attention between channels, between neighbours, and a perceptron.
    steps = tuple(_through(network.blocks[i : i + 3]) for i in range(0, len(network.blocks), 3))
    return Cut(begin, steps, lambda state: network.pool(network.finish(state[0])), _tokens_last)


def _residual(network: Any) -> Cut:
    first = next(i for i, layer in enumerate(network.layers) if isinstance(layer, BasicBlock))

    def begin(x: Tensor) -> State:
        return (network.layers[:first](x.unsqueeze(2).contiguous(memory_format=torch.channels_last)),)

    def end(state: State) -> Tensor:
        tokens = state[0].squeeze(2).transpose(1, 2)
        return network.pool(tokens) if isinstance(network, ResidualEncoder) else tokens.mean(dim=1)

    return Cut(begin, tuple(map(_through, network.layers[first:])), end, lambda state: state[0].squeeze(2))


def _convlstm(network: Any) -> Cut:
    def through(layer: nn.Module) -> Step:
        return lambda state: (layer(state[0])[0], state[1])

    def begin(x: Tensor) -> State:  # how long the grid was, before its last frame was repeated, goes along
        return network.slices(x), torch.full((x.shape[0],), x.shape[-1])

    def cells(state: State) -> Tensor:
        return network.laid_out(state[0], int(state[1][0]))  # type: ignore[no-any-return]

    steps = tuple(map(through, network.layers))
    return Cut(begin, steps, lambda s: cells(s).mean(dim=(2, 3)), lambda state: cells(state).flatten(2))


def _lsm(network: Any) -> Cut:
    def beside(tower: nn.Module) -> Step:
        return lambda state: (state[0], torch.cat([state[1], tower(state[0])], dim=-1))

    steps = tuple(map(beside, network.towers.values()))
    return Cut(lambda x: (x, x.new_empty(x.shape[0], 0)), steps, lambda s: s[1], lambda state: state[1][..., None])


CUTS: dict[type[nn.Module], Callable[[Any], Cut]] = {
    AMCCNN: _amc_cnn,
    Conv4: _conv4,
    ConvLSTM: _convlstm,
    LSM: _lsm,
    ResNet18: _residual,
    ResidualEncoder: _residual,
    ViT: _vit,
    XCiT: _xcit,
}
