"""The head of a frozen backbone, solved instead of trained: least squares with a penalty on its weights (ridge)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from groundwave.adapt.answering import Answering, OnSeen
from groundwave.contracts import Source
from groundwave.errors import GroundwaveError
from groundwave.nn.dense import LinearDecoder
from groundwave.nn.patch import patchify, whole_patches

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)  # over the mean square of what the map takes; validation chooses
SHARPNESS = (2.0, 4.0, 8.0, 16.0, 32.0)
AT_ONCE = 32  # examples
FEW = 64  # on which the sharpness is chosen


@dataclass(frozen=True)
class Moments:
    """What least squares need of all examples, float64: means, and sums of products about them.

    Args:
        mean: of what the map takes, `[D]`.
        wanted: the mean of what it should say, `[K]`.
        gram: `[D, D]`.
        cross: `[D, K]`.
    """

    mean: Tensor
    wanted: Tensor
    gram: Tensor
    cross: Tensor


def solve(objective: Answering, train: Source, note: Callable[[int, float], None]) -> None:
    """Give a linear decoder the weights of least squares to ones and zeros, with one penalty after another.

    As in Hoerl and Kennard (1970), with a free bias. The scores are then multiplied by the number with which the task's
    loss of the first examples is lowest: squares make no logits.

    Args:
        objective: whose network is a head of a frozen backbone on what that saw.
        train: examples of `inputs` (tokens) and `target` (classes of cells).
        note: is told each solution's number and the seconds that it took.

    Raises:
        GroundwaveError: a head that is not linear in the tokens, or examples that did not fit in memory.
    """
    started = time.perf_counter()
    network, decoder = _solvable(objective.network)
    moments = gather(decoder, network.grid or (1, 1), train)
    few = train[torch.arange(min(FEW, len(train)))]
    for number, penalty in enumerate(PENALTIES):
        weight, bias = solution(moments, penalty)
        with torch.no_grad():
            decoder.project.weight.copy_(weight.T)
            decoder.project.bias.copy_(bias)
            scores = network(few["inputs"].to(decoder.project.weight))
            target = few["target"].to(scores.device).long()
            losses = [float(objective.task.loss(times * scores, target)) for times in SHARPNESS]
            times = SHARPNESS[losses.index(min(losses))]
            decoder.project.weight.mul_(times)
            decoder.project.bias.mul_(times)
        note(number, time.perf_counter() - started)
        started = time.perf_counter()


def gather(decoder: LinearDecoder, grid: tuple[int, int], train: Source) -> Moments:
    """Return the moments of all examples, which are read once.

    Products are of what differs from the mean of the first examples: less is lost to float32 when means are taken away.
    """
    place, count, sums = decoder.project.weight.device, 0, list[Tensor]()
    shift: Tensor | None = None
    for rows in torch.arange(len(train)).split(AT_ONCE):
        record = train[rows]
        x = decoder.looked_at(record["inputs"].to(place).float(), grid).flatten(0, 1)
        truth = F.one_hot(record["target"].to(place).long(), decoder.num_outputs).movedim(-1, 1).float()
        shift = x.mean(dim=0) if shift is None else shift
        x = x - shift
        y = patchify(whole_patches(truth, decoder.patch), decoder.patch).flatten(0, 1)
        parts = [part.double() for part in (x.sum(0), y.sum(0), x.T @ x, x.T @ y)]
        sums = [a + b for a, b in zip(sums, parts, strict=True)] if sums else parts
        count += len(x)
    assert shift is not None
    rest, wanted = sums[0] / count, sums[1] / count
    gram, cross = sums[2] - count * rest.outer(rest), sums[3] - count * rest.outer(wanted)
    return Moments(shift + rest, wanted, gram, cross)


def solution(moments: Moments, penalty: float) -> tuple[Tensor, Tensor]:
    """Return weights `[D, K]` and bias `[K]`; the penalty is a share of the mean of the gram's diagonal."""
    size = penalty * moments.gram.diagonal().mean().clamp_min(1e-12)
    factor = torch.linalg.cholesky(moments.gram + size * torch.eye(len(moments.gram), device=moments.gram.device))
    weight = torch.cholesky_solve(moments.cross, factor)
    return weight, moments.wanted - moments.mean @ weight


def _solvable(network: nn.Module) -> tuple[OnSeen, LinearDecoder]:
    if not isinstance(network, OnSeen):
        raise GroundwaveError(
            got="more examples than memory_gb holds",
            expected="what the backbone sees of all examples in memory",
            do="raise memory_gb, give fewer examples, or tune in the way `frozen`",
        )
    if not isinstance(network.head, LinearDecoder):
        raise GroundwaveError(
            got=f"a {type(network.head).__name__}",
            expected="a head that is linear in the tokens",
            do="give the task the decoder context or linear, or tune in the way `frozen`",
        )
    return network, network.head
