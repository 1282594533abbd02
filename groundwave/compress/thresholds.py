"""Thresholds of exits, chosen on validation records for a budget of accuracy or of time; what they cost and give."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from groundwave.compress.cost import measure
from groundwave.errors import GroundwaveError, lookup
from groundwave.nn.exits import RULES, MultiExit, Policy

STEPS = 24  # quantiles of doubt that are tried at each exit


class Judged(NamedTuple):
    """What every exit would say about records, whether or not they get there.

    Attributes:
        doubt: float32 `[N, exits]`.
        correct: bool `[N, exits + 1]`, the last of the whole network.
        rule: name in `RULES`.
    """

    doubt: Tensor
    correct: Tensor
    rule: str

    def leave(self, thresholds: Sequence[float]) -> Tensor:
        """Return the exit that each record takes, int64 `[N]`."""
        sure = self.doubt < torch.tensor(list(thresholds), dtype=self.doubt.dtype)
        return torch.cat([sure, torch.ones(len(sure), 1, dtype=torch.bool)], dim=1).int().argmax(dim=1)

    def scores(self, thresholds: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
        """Return the accuracy, and the mean time of a record when leaving at each exit takes so many seconds."""
        exit = self.leave(thresholds)
        accuracy = self.correct.gather(1, exit[:, None]).double().mean()
        return float(accuracy), float(torch.tensor(list(seconds), dtype=torch.float64)[exit].mean())


@torch.no_grad()
def judge(network: MultiExit, batches: Iterator[tuple[Tensor, Tensor]], rule: str = "entropy") -> Judged:
    """Return what every exit says about batches of inputs and labels.

    Raises:
        GroundwaveError: no batch.
    """
    doubt = lookup(RULES, rule, "rule")
    network.eval()
    doubts, right = [], []
    for x, label in batches:
        said = [scores.softmax(dim=-1) for scores in network(x)]
        doubts.append(torch.stack([doubt(said[: i + 1]) for i in range(network.num_exits)], dim=1).float())
        right.append(torch.stack([part.argmax(dim=-1) == label for part in said], dim=1))
    if not doubts:
        raise GroundwaveError("no records", "records with labels to calibrate on", "give some")
    return Judged(torch.cat(doubts).cpu(), torch.cat(right).cpu(), rule)


class Calibrated(NamedTuple):
    """A policy, and what it promises on the records that it was chosen on."""

    policy: Policy
    accuracy: float
    seconds: float


def calibrate(
    judged: Judged, seconds: Sequence[float], *, loss: float | None = None, budget: float | None = None
) -> Calibrated:
    """Return the fastest thresholds that lose no more accuracy than `loss`, or the most accurate within a time.

    One exit is searched at every doubt that occurs. With more, the thresholds are quantiles of the doubt, tried one
    exit after the other, from the last to the first and again until nothing improves.

    Args:
        judged: validation records.
        seconds: what leaving at each exit takes, and going all the way.
        loss: accuracy that may be lost against the whole network, as a share: 0.005 is half a point.
        budget: mean seconds that a record may take.

    Raises:
        GroundwaveError: neither or both budgets, or a time that no threshold reaches; it tells which is reachable.
    """
    if (loss is None) == (budget is None):
        raise GroundwaveError("neither or both of loss and budget", "one of them", "say what may be given up")
    full = float(judged.correct[:, -1].double().mean())
    if budget is not None and (fastest := judged.scores([1.0] * judged.doubt.shape[1], seconds)[1]) > budget:
        raise GroundwaveError(
            got=f"a budget of {1e3 * budget:.3g} ms",
            expected=f"at least {1e3 * fastest:.3g} ms, the time when all leave as soon as their rule can let them",
            do="raise the budget, or move the first exit forward",
        )

    def merit(thresholds: Sequence[float]) -> tuple[float, float, float]:
        accuracy, mean = judged.scores(thresholds, seconds)
        if loss is not None:
            return min(0.0, accuracy - (full - loss) + 1e-9), -mean, accuracy
        assert budget is not None
        return min(0.0, budget - mean + 1e-12), accuracy, -mean

    best = _search(judged, merit, 0.0 if loss is not None else 1.0)
    return Calibrated(Policy(best, judged.rule), *judged.scores(best, seconds))


def _search(
    judged: Judged, merit: Callable[[Sequence[float]], tuple[float, float, float]], start: float
) -> tuple[float, ...]:
    """Return the thresholds of highest merit that changing one at a time leads to."""
    choices = [_choices(judged.doubt[:, k], exact=judged.doubt.shape[1] == 1) for k in range(judged.doubt.shape[1])]
    best = (start,) * len(choices)
    while True:
        before = best
        for k in reversed(range(len(choices))):
            tried = [(*best[:k], value, *best[k + 1 :]) for value in choices[k]]
            best = max([best, *tried], key=merit)
        if best == before:
            return best


def _choices(doubt: Tensor, exact: bool) -> list[float]:
    """Return thresholds just above doubts that occur, from never to always; float32 numbers, as doubts are."""
    values = doubt.unique() if exact else doubt.quantile(torch.linspace(0, 1, STEPS)).unique()
    above = torch.nextafter(values, torch.tensor(2.0)).clamp_max(1.0)
    return [0.0, *dict.fromkeys(above.tolist())]


def leaving_seconds(network: MultiExit, x: Tensor, num_runs: int = 30) -> list[float]:
    """Return the measured median seconds of records `x` that all leave at each exit, and that all go to the end."""
    network.eval()
    found = []
    for number in range(network.num_exits + 1):
        thresholds = tuple(float(k == number) for k in range(network.num_exits))
        found.append(measure(lambda t=thresholds: _forced(network, x, t), num_runs).p50)  # type: ignore[misc]
    return found


def _forced(network: MultiExit, x: Tensor, thresholds: tuple[float, ...]) -> None:
    # No doubt of a confidence reaches 1: whoever has more than one class is never that unsure.
    network.answer(x, Policy(thresholds, "confidence"))


class Point(NamedTuple):
    """What happened to the records of one SNR: shares of each exit and of the end, accuracy, measured seconds."""

    shares: tuple[float, ...]
    accuracy: float
    seconds: float


def by_snr(
    network: MultiExit, policy: Policy, x: Tensor, label: Tensor, snr_db: Tensor, batch_size: int = 1
) -> dict[float, Point]:
    """Run records through the network and measure, SNR by SNR: the wall-clock time of a record, not a formula.

    Args:
        network: with exits.
        policy: when a record leaves.
        x: inputs of the network `[N, ...]`.
        label: int64 `[N]`.
        snr_db: float32 `[N]`.
        batch_size: records at once; what leaves is taken out of the batch.
    """
    network.eval()
    points = {}
    for value in snr_db.unique().tolist():
        rows = (snr_db == value).nonzero().squeeze(1)
        exits, right, seconds = [], [], 0.0
        for some in rows.split(batch_size):
            records = x[some]
            answered: list[tuple[Tensor, Tensor]] = []
            seconds += measure(lambda r=records, a=answered: a.append(network.answer(r, policy)), 1, 0).p50  # type: ignore[misc]
            probabilities, exit = answered[0]
            exits.append(exit)
            right.append(probabilities.argmax(dim=-1) == label[some])
        shares = torch.cat(exits).bincount(minlength=network.num_exits + 1).double() / len(rows)
        points[value] = Point(tuple(shares.tolist()), float(torch.cat(right).double().mean()), seconds / len(rows))
    return points


def expected_seconds(points: Mapping[float, Point], mix: Mapping[float, float]) -> float:
    """Return the mean time of a record when SNRs come with the weights of a mix.

    Raises:
        GroundwaveError: a mix without weight, or with an SNR that was not measured.
    """
    if missing := mix.keys() - points.keys():
        raise GroundwaveError(f"an SNR of {min(missing):g} dB", f"one of {sorted(points)}", "measure it, too")
    if not sum(mix.values()) > 0 or min(mix.values()) < 0:
        raise GroundwaveError("a mix without weight", "weights of 0 or more, not all 0", "correct the mix")
    return sum(weight * points[snr].seconds for snr, weight in mix.items()) / sum(mix.values())
