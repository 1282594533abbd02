"""A network from which a record leaves as soon as it is sure: exit heads, rules, and inference that stops there."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, overload

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundwave.errors import GroundwaveError, lookup
from groundwave.nn.cuts import cut


class PooledExit(nn.Module):
    """A perceptron on the mean and the spread of what is seen, for any length.

    Args:
        num_channels: channels of what is seen.
        num_classes: number of classes.
        hidden: width of the hidden layer.
    """

    def __init__(self, num_channels: int, num_classes: int, hidden: int = 64) -> None:
        super().__init__()
        wide = 2 * num_channels
        self.layers = nn.Sequential(
            nn.LayerNorm(wide), nn.Linear(wide, hidden), nn.ReLU(), nn.Linear(hidden, num_classes)
        )

    def forward(self, seen: Float[Tensor, "batch channels length"]) -> Float[Tensor, "batch classes"]:
        """Return class scores."""
        variance, mean = torch.var_mean(seen.float(), dim=-1, correction=0)
        return self.layers(torch.cat([mean, (variance + 1e-4).sqrt()], dim=-1))  # type: ignore[no-any-return]


class FlatExit(nn.Module):
    """The exit of Mohammed et al. (2023): pooled to 1024 numbers, then dense layers of 64, 32 and the classes.

    68,010 parameters for 10 classes, wherever it stands in their network.

    Args:
        num_channels: channels of what is seen.
        num_classes: number of classes.
        length: of what is seen.
        flat: how many numbers the first dense layer is given, at most.
    """

    def __init__(self, num_channels: int, num_classes: int, length: int, flat: int = 1024) -> None:
        super().__init__()
        factor = max(1, -(-num_channels * length // flat))
        self.layers = nn.Sequential(
            nn.MaxPool1d(factor),
            nn.Flatten(),
            *(nn.Linear(num_channels * (length // factor), 64), nn.Dropout(0.5)),
            *(nn.Linear(64, 32), nn.Dropout(0.5)),
            nn.Linear(32, num_classes),
        )

    def forward(self, seen: Float[Tensor, "batch channels length"]) -> Float[Tensor, "batch classes"]:
        """Return class scores."""
        return self.layers(seen)  # type: ignore[no-any-return]


class ConvExit(nn.Module):
    """Two convolutions that look at every fourth and then every second place, and what is most and mean over them.

    For exits so early that what is seen still has to be combined before anything can be said, of any length.

    Args:
        num_channels: channels of what is seen.
        num_classes: number of classes.
        width: channels of both convolutions.
    """

    def __init__(self, num_channels: int, num_classes: int, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv1d(num_channels, width, 7, stride=4, padding=3), nn.BatchNorm1d(width), nn.ReLU()),
            *(nn.Conv1d(width, width, 3, stride=2, padding=1), nn.BatchNorm1d(width), nn.ReLU()),
        )
        self.score = nn.Linear(2 * width, num_classes)

    def forward(self, seen: Float[Tensor, "batch channels length"]) -> Float[Tensor, "batch classes"]:
        """Return class scores."""
        parts = self.layers(seen)
        return self.score(torch.cat([parts.amax(dim=-1), parts.mean(dim=-1)], dim=-1))  # type: ignore[no-any-return]


class StridedExit(nn.Module):
    """Three convolutions, each at half the rate of what it sees, and a linear layer on all that comes out.

    For exits at the input: a small network that answers in place of the whole one.

    Args:
        num_channels: channels of what is seen.
        num_classes: number of classes.
        length: of what is seen.
        widths: channels of the convolutions.
    """

    def __init__(
        self, num_channels: int, num_classes: int, length: int, widths: tuple[int, int, int] = (16, 32, 48)
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for narrow, wide, size in zip((num_channels, *widths), widths, (7, 5, 3), strict=False):
            convolution = nn.Conv1d(narrow, wide, size, stride=2, padding=size // 2)
            layers += [convolution, nn.BatchNorm1d(wide), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * -(-length // 8), num_classes))

    def forward(self, seen: Float[Tensor, "batch channels length"]) -> Float[Tensor, "batch classes"]:
        """Return class scores."""
        return self.layers(seen)  # type: ignore[no-any-return]


EXIT_HEADS: dict[str, Callable[..., nn.Module]] = {
    "conv": ConvExit,
    "flat": FlatExit,
    "pooled": PooledExit,
    "strided": StridedExit,
}
SIZED = ("flat", "strided")  # kinds that take records of one length


def entropy(said: Sequence[Tensor]) -> Tensor:
    """Shannon entropy over that of a guess among all classes: for ten classes its logarithm is the decimal one."""
    likely = said[-1]
    # Not torch.special.entr: ONNX makes nine operations of it, which take as long as a convolution.
    return (likely * likely.clamp_min(1e-30).log()).sum(dim=-1) * (-1 / math.log(likely.shape[-1]))


def confidence(said: Sequence[Tensor]) -> Tensor:
    """One less the probability of the likeliest class."""
    return 1 - said[-1].amax(dim=-1)


def margin(said: Sequence[Tensor]) -> Tensor:
    """One less how much likelier the likeliest class is than the next."""
    first, second = said[-1].topk(2, dim=-1).values.unbind(-1)
    return 1 - (first - second)


def patience(said: Sequence[Tensor]) -> Tensor:
    """One over the number of exits in a row that agree (Zhou et al., 2020); below 1 it takes two of them."""
    answers = torch.stack([probabilities.argmax(dim=-1) for probabilities in reversed(said)])
    return 1 / (answers == answers[0]).long().cumprod(dim=0).sum(dim=0)


# From the probabilities [B, C] of all exits so far to how doubtful the last is: 0 (sure) to 1.
RULES: dict[str, Callable[[Sequence[Tensor]], Tensor]] = {
    "confidence": confidence,
    "entropy": entropy,
    "margin": margin,
    "patience": patience,
}


@dataclass(frozen=True)
class Policy:
    """When a record leaves: at the first exit whose doubt is below its threshold. With thresholds of 0 none does.

    A record of mere noise is in doubt at every exit and at the end, too: where there are bounds from which on a record
    is `hopeless`, it leaves as well, with the answer of that exit.

    Args:
        thresholds: one for each exit, 0 to 1.
        rule: name in `RULES`.
        hopeless: one for each exit; doubt never reaches 2. Empty: nothing is hopeless.
    """

    thresholds: tuple[float, ...]
    rule: str = "entropy"
    hopeless: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        lookup(RULES, self.rule, "rule")
        if wrong := [value for value in self.thresholds if not 0 <= value <= 1]:
            raise GroundwaveError(f"a threshold of {wrong[0]}", "0 (never exit) to 1", "change the thresholds")
        if self.hopeless and (len(self.hopeless) != len(self.thresholds) or not min(self.hopeless) >= 0):
            raise GroundwaveError(
                got=f"hopeless from {', '.join(map(str, self.hopeless))} for {len(self.thresholds)} exits",
                expected="0 or more for each, or none at all",
                do="calibrate the thresholds on this model",
            )

    @overload
    def leaves(self, number: int, doubt: float) -> bool: ...

    @overload
    def leaves(self, number: int, doubt: Tensor) -> Tensor: ...

    def leaves(self, number: int, doubt: Tensor | float) -> Tensor | bool:
        """Return which records leave at an exit where they have that doubt, bool `[B]`, or whether one does."""
        sure = doubt < self.thresholds[number]
        return sure | (doubt >= self.hopeless[number]) if self.hopeless else sure


class Answered(NamedTuple):
    """What a network with exits says, and from where.

    Attributes:
        probabilities: float32 `[B, C]`.
        exit: int64 `[B]`; the number of exits where a record went all the way.
    """

    probabilities: Tensor
    exit: Tensor


class MultiExit(nn.Module):
    """A backbone with exits between its steps (BranchyNet, Teerapittayanon et al., 2016).

    Args:
        backbone: one of those that can be `cut`; shared, not copied.
        head: from its features to class scores; shared.
        after: after how many steps of the backbone each exit stands, ascending; at 0 it is a small network of its own.
        heads: of the exits, in order.

    Raises:
        GroundwaveError: a backbone without steps, or exits that do not stand between them.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, after: Sequence[int], heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.backbone, self.head, self.exits = backbone, head, nn.ModuleList(heads)
        self.after = tuple(after)
        check_places(backbone, after)
        assert len(self.exits) == len(self.after)

    @property
    def num_exits(self) -> int:
        """How many exits there are before the end."""
        return len(self.exits)

    def forward(
        self, x: Float[Tensor, "batch channels *size"], apart: bool = False
    ) -> list[Float[Tensor, "batch classes"]]:
        """Return the scores of each exit, and last those of the whole network.

        Args:
            x: what the backbone takes.
            apart: whether the scores behind an exit send no gradient to what lies before it.
        """
        return list(self._scores(x, apart))

    def _scores(self, x: Tensor, apart: bool = False) -> Iterator[Tensor]:
        """Yield the scores of each exit and of the end; what no one asks for is not computed."""
        parts = cut(self.backbone)
        state = parts.begin(x)
        for span, head in zip(self._spans(parts.steps), self.exits, strict=True):
            for step in span:
                state = step(state)
            yield head(parts.seen(state))
            if apart:
                state = tuple(part.detach() for part in state)
        for step in parts.steps[self.after[-1] :]:
            state = step(state)
        yield self.head(parts.end(state))

    @torch.no_grad()
    def answer(self, x: Float[Tensor, "batch channels *size"], policy: Policy) -> Answered:
        """Return what each record's first sure exit says; the others go on alone, as a smaller batch.

        This is Algorithm 2 of Mohammed et al. (2023), for any number of exits and many records at once. The common
        layers' output is kept, and what a record does not need is not computed.

        Raises:
            GroundwaveError: not one threshold for each exit.
        """
        self.check(policy)
        return self._alone(x, policy) if x.shape[0] == 1 else self._together(x, policy)

    def _alone(self, x: Tensor, policy: Policy) -> Answered:
        """Answer one record: without a batch there is nothing to take apart and to put back in order."""
        doubt, said = RULES[policy.rule], list[Tensor]()
        for number, scores in enumerate(self._scores(x)):
            said.append(scores.softmax(dim=-1))
            if number == self.num_exits or policy.leaves(number, doubt(said).item()):
                break
        return _at(number, said[-1])

    def _together(self, x: Tensor, policy: Policy) -> Answered:
        """Answer a batch, which gets smaller at every exit."""
        parts, doubt = cut(self.backbone), RULES[policy.rule]
        state, said, waiting = parts.begin(x), [], torch.arange(x.shape[0], device=x.device)
        left: list[Answered] = []
        rows: list[Tensor] = []
        for number, (span, head) in enumerate(zip(self._spans(parts.steps), self.exits, strict=True)):
            for step in span:
                state = step(state)
            said.append(head(parts.seen(state)).softmax(dim=-1))
            leaving = policy.leaves(number, doubt(said))
            num_leaving = int(leaving.sum())
            if num_leaving == len(leaving):
                return _gathered([*left, _at(number, said[-1])], [*rows, waiting])
            if num_leaving:
                left.append(_at(number, said[-1][leaving]))
                rows.append(waiting[leaving])
                stay = ~leaving
                waiting, said = waiting[stay], [part[stay] for part in said]
                state = tuple(part[stay] for part in state)
        for step in parts.steps[self.after[-1] :]:
            state = step(state)
        last = self.head(parts.end(state)).softmax(dim=-1)
        return _gathered([*left, _at(self.num_exits, last)], [*rows, waiting])

    def check(self, policy: Policy) -> None:
        """Raise `GroundwaveError` unless a policy has one threshold for each exit."""
        if len(policy.thresholds) != self.num_exits:
            raise GroundwaveError(
                got=f"{len(policy.thresholds)} thresholds for {self.num_exits} exits",
                expected="one for each",
                do="calibrate the thresholds on this model",
            )

    def _spans(self, steps: Sequence[Any]) -> list[Sequence[Any]]:
        """Return the steps before each exit that do not also lie before the one before."""
        return [steps[start:stop] for start, stop in pairwise((0, *self.after))]


def _at(number: int, probabilities: Tensor) -> Answered:
    return Answered(probabilities, torch.full((len(probabilities),), number, device=probabilities.device))


def _gathered(left: Sequence[Answered], rows: Sequence[Tensor]) -> Answered:
    """Put the records back in order, if they did not all leave at once."""
    if len(left) == 1:
        return left[0]
    order = torch.cat(list(rows)).argsort()
    return Answered(*(torch.cat(parts)[order] for parts in zip(*left, strict=True)))


def check_places(backbone: nn.Module, after: Sequence[int]) -> None:
    """Raise `GroundwaveError` unless exits stand between the steps of a backbone that has some, in ascending order."""
    num_steps = len(cut(backbone).steps)
    if not after or list(after) != sorted(set(after)) or not 0 <= after[0] <= after[-1] < num_steps:
        where = f"exits after steps {', '.join(map(str, after))}" if after else "no exit"
        raise GroundwaveError(
            got=f"{where} of a {type(backbone).__name__}, which has {num_steps}",
            expected=f"at least one place, ascending, from 0, the input, to {num_steps - 1}, before the last step",
            do="move the exits, or leave out those that stand at the end",
        )


@torch.no_grad()
def exit_settings(
    backbone: nn.Module, example: Tensor, after: Sequence[int], num_classes: int, kind: str = "pooled"
) -> list[dict[str, Any]]:
    """Return the arguments of exit heads of a kind that fit where they stand.

    Args:
        backbone: where they stand.
        example: an input of the network, of any values, `[1, channels, ...]`.
        after: after how many steps each stands.
        num_classes: number of classes.
        kind: name in `EXIT_HEADS`.
    """
    lookup(EXIT_HEADS, kind, "kind of exit")
    check_places(backbone, after)
    learning = backbone.training
    backbone.eval()
    parts, settings = cut(backbone), []
    states = accumulate(parts.steps[: after[-1]], lambda state, step: step(state), initial=parts.begin(example))
    for number, state in enumerate(states):
        if number in after:
            _, channels, length = parts.seen(state).shape
            if channels == 0:
                raise GroundwaveError(
                    got=f"an exit at the input of a {type(backbone).__name__}, where it sees nothing yet",
                    expected="an exit behind its first step",
                    do="move the exit",
                )
            sized = {"length": length} if kind in SIZED else {}
            settings.append({"num_channels": channels, "num_classes": num_classes, **sized})
    backbone.train(learning)
    return settings


def multi_exit(
    backbone: nn.Module, head: nn.Module, after: Sequence[int], settings: Sequence[Mapping[str, Any]], kind: str
) -> MultiExit:
    """Return a network with new exit heads, their weights drawn from torch's global generator."""
    make = lookup(EXIT_HEADS, kind, "kind of exit")
    return MultiExit(backbone, head, after, [make(**arguments) for arguments in settings])
