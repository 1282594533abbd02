"""How emitters use slotted time: small Markov chains, so that what can be known of their future is known exactly.

Every state has two successors and says which of the emitter's channels is on, or none. A chain is thus a plan with
chances in it, and its state is all that the past tells about its future. The table `PATTERNS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

SILENT = -1
_SHORTEST = 3  # slots of a silence: shorter ones are no gap in a mask


@dataclass(frozen=True)
class Chain:
    """A chain of `num_states` states.

    Args:
        successors: int64 `[states, 2]`.
        chance: float32 `[states]`, of the first successor.
        channel: int64 `[states]`, which of its channels an emitter sends on, or `SILENT`.
    """

    successors: Int[Tensor, "states 2"]
    chance: Float[Tensor, " states"]
    channel: Int[Tensor, " states"]

    @property
    def num_channels(self) -> int:
        """How many channels it uses."""
        return int(self.channel.max()) + 1


def slotted(channels: Sequence[int], lengths: Sequence[int], used: float) -> Chain:
    """Return a frame of slots that repeats; slot i is on `channels[i]` for `lengths[i]`, used with chance `used`.

    Whether a slot is used is decided where it begins.
    """
    begins = [sum(lengths[:i]) for i in range(len(lengths))]
    total = sum(lengths)
    successors = torch.zeros(2 * total, 2, dtype=torch.long)
    channel = torch.full((2 * total,), SILENT)
    chance = torch.ones(2 * total)
    for i, (begin, length) in enumerate(zip(begins, lengths, strict=True)):
        after = begins[(i + 1) % len(begins)]
        for offset in (0, total):  # used, and left out
            first = begin + offset
            successors[first : first + length] = torch.arange(first + 1, first + length + 1)[:, None]
            successors[first + length - 1] = torch.tensor([after, after + total])
            chance[first + length - 1] = used
        channel[begin : begin + length] = channels[i]
    return Chain(successors, chance, channel)


def geometric(mean_on: float, mean_off: float) -> Chain:
    """Return on and off times without memory, but for the shortest silence; `mean_off` counts what comes after that."""
    off = torch.arange(1, _SHORTEST + 1)
    successors = torch.cat([torch.tensor([[0, 1]]), torch.stack([off + 1, off + 1], 1)])
    successors[-1] = torch.tensor([_SHORTEST, 0])
    chance = torch.ones(1 + _SHORTEST)
    chance[0], chance[-1] = 1 - 1 / mean_on, 1 - 1 / mean_off
    channel = torch.full((1 + _SHORTEST,), SILENT)
    channel[0] = 0
    return Chain(successors, chance, channel)


def renewal(length: int, shortest: int, longest: int) -> Chain:
    """Return packets of one length; the silences between them are uniform from `shortest` to `longest`."""
    state = torch.arange(length + longest)
    successors = torch.stack([state + 1, state + 1], 1)
    silence = state[length:] - length + 1
    chance = torch.ones(len(state))
    over = silence >= shortest
    successors[length:, 0] = torch.where(over, 0, successors[length:, 0])
    chance[length:] = torch.where(over, 1 / (longest - silence + 1.0), 1.0)
    successors[-1] = 0
    channel = torch.where(state < length, 0, SILENT)
    return Chain(successors, chance, channel)


def _whole(low: int, high: int, generator: Generator) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


def _share(low: float, high: float, generator: Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _beacon(generator: Generator) -> Chain:
    """Return a beacon: 3 to 6 slots every 16 to 48, 0 to 10 % of them missing."""
    period, length = _whole(16, 48, generator), _whole(3, 6, generator)
    return slotted([0, SILENT], [length, period - length], _share(0.9, 1.0, generator))


def _tdma(generator: Generator) -> Chain:
    """Return a frame of 4 to 8 equal slots of 3 to 6, some of them its own, 80 to 100 % of those used."""
    num, length = _whole(4, 8, generator), _whole(3, 6, generator)
    order = torch.randperm(num, generator=generator)
    own = set(order[: _whole(1, num - 1, generator)].tolist())
    channels = [0 if slot in own else SILENT for slot in range(num)]
    return slotted(channels, [length] * num, _share(0.8, 1.0, generator))


def _hopping(generator: Generator) -> Chain:
    """Return a sequence of 4 to 8 hops over 3 to 4 channels that repeats, 3 to 6 slots each, 80 to 100 % used."""
    num, channels = _whole(4, 8, generator), _whole(3, 4, generator)
    hops = torch.cat([torch.randperm(channels, generator=generator) for _ in range(3)])[:num]
    return slotted(hops.tolist(), [_whole(3, 6, generator)] * num, _share(0.8, 1.0, generator))


def _bursty(generator: Generator) -> Chain:
    """Return bursts of 4 to 24 slots on average and silences of 3 more than 4 to 40: Markov on and off."""
    return geometric(_share(4.0, 24.0, generator), _share(4.0, 40.0, generator))


def _random_access(generator: Generator) -> Chain:
    """Return packets of 3 to 10 slots and silences uniform from 3 to 8 up to 4 to 24 slots more."""
    shortest = _whole(_SHORTEST, 8, generator)
    return renewal(_whole(3, 10, generator), shortest, shortest + _whole(4, 24, generator))


PATTERNS: Mapping[str, Callable[[Generator], Chain]] = {
    "beacon": _beacon,
    "TDMA": _tdma,
    "hopping": _hopping,
    "bursty": _bursty,
    "random-access": _random_access,
}


@dataclass(frozen=True)
class Chains:
    """Chains side by side, padded to the same number of states: `[chains, states, ...]`."""

    successors: Int[Tensor, "chains states 2"]
    chance: Float[Tensor, "chains states"]
    channel: Int[Tensor, "chains states"]
    num_states: Int[Tensor, " chains"]

    @staticmethod
    def of(chains: Sequence[Chain]) -> "Chains":
        """Put chains side by side."""
        count = torch.tensor([len(chain.chance) for chain in chains])
        most = int(count.max())

        def padded(values: list[Tensor]) -> Tensor:
            return torch.stack([torch.cat([x, x[:1].expand(most - len(x), *x.shape[1:])]) for x in values])

        return Chains(
            successors=padded([chain.successors for chain in chains]),
            chance=padded([chain.chance for chain in chains]),
            channel=padded([chain.channel for chain in chains]),
            num_states=count,
        )

    def draw(self, num: int, *, warm_up: int, generator: Generator) -> Int[Tensor, "chains {num}"]:
        """Draw the states of `num` slots, after `warm_up` that begin in any state."""
        row = torch.arange(len(self.chance))
        state = (torch.rand(len(row), generator=generator) * self.num_states).long()
        states = []
        for draw in torch.rand((warm_up + num, len(row)), generator=generator):
            states.append(state)
            which = (draw >= self.chance[row, state]).long()
            state = self.successors[row, state, which]
        return torch.stack(states[warm_up:], 1)

    def forecast(
        self, state: Int[Tensor, " chains"], num: int, num_channels: int
    ) -> Float[Tensor, "chains {num} {num_channels}"]:
        """Return the chance that each channel is on in each of the `num` slots after one of known states."""
        share = torch.zeros_like(self.chance).scatter_(1, state[:, None], 1.0)
        found = torch.zeros(len(state), num, num_channels + 1)
        for slot in range(num):
            first, second = share * self.chance, share * (1 - self.chance)
            share = torch.zeros_like(share).scatter_add_(1, self.successors[..., 0], first)
            share.scatter_add_(1, self.successors[..., 1], second)
            found[:, slot].scatter_add_(1, self.channel.remainder(num_channels + 1), share)
        return found[..., :num_channels].clamp(max=1)  # shares of certain channels add up to a little more by rounding
