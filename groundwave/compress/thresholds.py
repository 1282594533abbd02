"""Thresholds of exits, chosen on validation records for a budget of accuracy or of time; what they cost and give."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from groundwave.compress.cost import measure
from groundwave.errors import GroundwaveError, lookup
from groundwave.nn.exits import RULES, MultiExit, Policy

STEPS = 24  # quantiles of doubt that are tried at each exit
PAIRED = 14  # the same where they are tried in pairs: sure below one, hopeless from the other on
PRICES = (0.003, 0.01, 0.03, 0.1, 0.3)  # of the whole network's time, in shares of records answered rightly
NEVER = 2.0  # a doubt that no record reaches


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

    def leave(self, policy: Policy) -> Tensor:
        """Return the exit that each record takes, int64 `[N]`."""
        leaving = [policy.leaves(k, self.doubt[:, k]) for k in range(self.doubt.shape[1])]
        return torch.stack([*leaving, torch.ones(len(self.doubt), dtype=torch.bool)], dim=1).int().argmax(dim=1)

    def right(self, policy: Policy) -> Tensor:
        """Return which records are answered rightly, bool `[N]`."""
        return self.correct.gather(1, self.leave(policy)[:, None])[:, 0]

    def scores(
        self, policy: Policy, seconds: Sequence[float], margin: float = 0.0, median: bool = False
    ) -> tuple[float, float]:
        """Return the accuracy lost against the whole network, and the time of a record.

        Args:
            policy: when records leave.
            seconds: what leaving at each exit takes, and going all the way.
            margin: standard errors, estimated from these records, that are added to both.
            median: whether the time is that of the median record; by default it is the mean.
        """
        exit = self.leave(policy)
        lost = self.correct[:, -1].double() - self.correct.gather(1, exit[:, None])[:, 0].double()
        spent = torch.tensor(list(seconds), dtype=torch.float64)[exit]
        return _upper(lost, margin), (_upper_median if median else _upper)(spent, margin)


def _upper(values: Tensor, margin: float) -> float:
    """Return the mean and so many of its standard errors."""
    error = float(values.std()) / math.sqrt(len(values)) if margin and len(values) > 1 else 0.0
    return float(values.mean()) + margin * error


def _upper_median(values: Tensor, margin: float) -> float:
    """Return the value below which half of the values lie, and so many standard errors of that share."""
    return float(values.quantile(min(1.0, 0.5 + margin * 0.5 / math.sqrt(len(values))), interpolation="higher"))


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
    """A policy, and the accuracy and mean time on the records that it was chosen on."""

    policy: Policy
    accuracy: float
    seconds: float


def calibrate(
    judged: Judged,
    seconds: Sequence[float],
    *,
    loss: float | None = None,
    budget: float | None = None,
    margin: float = 0.0,
    hopeless: bool = False,
    median: bool = False,
) -> Calibrated:
    """Return the fastest thresholds that lose no more accuracy than `loss`, or the most accurate within a time.

    One exit is searched at every doubt that occurs. With more, or with bounds of hopelessness, the thresholds are
    quantiles of the doubt, tried one exit after the other, from the last to the first and again until nothing improves,
    from several beginnings.

    Args:
        judged: validation records.
        seconds: what leaving at each exit takes, and going all the way.
        loss: accuracy that may be lost against the whole network, as a share: 0.005 is half a point.
        budget: seconds that a record may take in the mean.
        margin: standard errors by which the loss or the time, as estimated from these records, must keep within its
            bound: with 1.64 other records of the same kind do so in 19 of 20 cases, were there no choosing.
        hopeless: also choose from which doubt on a record leaves because going on would not help.
        median: whether `budget` is that of the median record instead.

    Raises:
        GroundwaveError: neither or both budgets, one that is none or that no threshold reaches (it tells which is
            reachable), or times that do not belong to these exits.
    """
    num_exits = judged.doubt.shape[1]
    at_once = Policy((1.0,) * num_exits, judged.rule)
    _check(judged, seconds, loss, budget, margin)
    if budget is not None and not (fastest := judged.scores(at_once, seconds, margin, median)[1]) <= budget:
        raise GroundwaveError(
            got=f"a budget of {1e3 * budget:.3g} ms",
            expected=f"at least {1e3 * fastest:.3g} ms, the time when all leave as soon as their rule can let them",
            do="raise the budget, or move the first exit forward",
        )

    def merit(policy: Policy) -> tuple[float, float, float]:
        lost, mean = judged.scores(policy, seconds, margin)
        if loss is not None:
            return min(0.0, loss - lost + 1e-9), -mean, -lost
        assert budget is not None
        spent = judged.scores(policy, seconds, margin, median)[1] if median else mean
        return min(0.0, budget - spent + 1e-12), -lost, -mean

    never = Policy((0.0,) * num_exits, judged.rule, (NEVER,) * num_exits if hopeless else ())
    exact = num_exits == 1 and not hopeless
    beginnings = [never, replace(at_once, hopeless=never.hopeless), *(() if exact else _traded(judged, seconds, never))]
    choices = _choices(
        judged.doubt, exact=exact, hopeless=hopeless, steps=PAIRED if hopeless and num_exits > 1 else STEPS
    )
    best = _tidied(max((_search(choices, merit, start) for start in beginnings), key=merit))
    return Calibrated(best, float(judged.right(best).double().mean()), judged.scores(best, seconds)[1])


def _check(judged: Judged, seconds: Sequence[float], loss: float | None, budget: float | None, margin: float) -> None:
    """Raise `GroundwaveError` unless something is asked that a calibration can look for."""
    if (loss is None) == (budget is None):
        raise GroundwaveError("neither or both of loss and budget", "one of them", "say what may be given up")
    if len(seconds) != judged.correct.shape[1] or not all(0 < time < math.inf for time in seconds):
        raise GroundwaveError(
            got=f"times {', '.join(f'{time:g}' for time in seconds)} for {judged.doubt.shape[1]} exits",
            expected="seconds above 0 for each, and for going all the way",
            do="measure them with `leaving_seconds`",
        )
    if loss is not None and not 0 <= loss <= 1:
        whole = 100 * float(judged.correct[:, -1].double().mean())
        raise GroundwaveError(
            got=f"a loss of {loss:g}",
            expected=f"a share from 0, which is reached with the {whole:.1f} % and the {1e3 * seconds[-1]:.3g} ms of "
            "the whole network at the latest, to 1",
            do="say how much accuracy may be lost, such as 0.005 for half a point",
        )
    if not 0 <= margin < math.inf:
        raise GroundwaveError(f"a margin of {margin:g}", "standard errors, 0 or more", "choose 1.64 for 19 of 20 cases")


def _traded(judged: Judged, seconds: Sequence[float], never: Policy) -> list[Policy]:
    """Return the policies that are best when accuracy and time have a price against each other, at several prices."""
    choices = _choices(judged.doubt, exact=False, hopeless=bool(never.hopeless), steps=PAIRED)
    found = []
    for price in PRICES:

        def merit(policy: Policy, price: float = price) -> tuple[float]:
            lost, mean = judged.scores(policy, seconds)
            return (-lost - price * mean / max(seconds),)

        found.append(_search(choices, merit, never))
    return found


Bounds = tuple[float, float | None]  # sure below the first, hopeless from the second on


def _search(choices: Sequence[Sequence[Bounds]], merit: Callable[[Policy], tuple[float, ...]], start: Policy) -> Policy:
    """Return the policy of highest merit that changing one exit at a time leads to."""
    best = start
    while True:
        before = best
        for k in reversed(range(len(choices))):
            best = max([best, *(_changed(best, k, bounds) for bounds in choices[k])], key=merit)
        if best == before:
            return best


def _changed(policy: Policy, k: int, bounds: Bounds) -> Policy:
    sure, gone = bounds
    thresholds = (*policy.thresholds[:k], sure, *policy.thresholds[k + 1 :])
    hopeless = policy.hopeless if gone is None else (*policy.hopeless[:k], gone, *policy.hopeless[k + 1 :])
    return Policy(thresholds, policy.rule, hopeless)


def _tidied(policy: Policy) -> Policy:
    """Return a policy without bounds of hopelessness where none is ever reached."""
    return policy if any(bound < NEVER for bound in policy.hopeless) else replace(policy, hopeless=())


def _choices(doubt: Tensor, *, exact: bool, hopeless: bool, steps: int = STEPS) -> list[list[Bounds]]:
    """Return what is tried at each exit: thresholds just above doubts that occur, from never to always."""
    found: list[list[Bounds]] = []
    for column in doubt.unbind(dim=1):
        values = column.unique() if exact else column.quantile(torch.linspace(0, 1, steps)).unique()
        above = torch.nextafter(values, torch.tensor(2.0)).clamp_max(1.0)  # float32 numbers, as doubts are
        sure = [0.0, *dict.fromkeys(above.tolist())]
        gone = [*values.tolist(), NEVER] if hopeless else [None]
        found.append([(low, high) for low in sure for high in gone if high is None or low <= high])
    return found


def leaving_seconds(network: MultiExit, x: Tensor, num_runs: int = 30) -> list[float]:
    """Return the measured median seconds of records `x` that all leave at each exit, and that all go to the end."""
    network.eval()
    return [measure(partial(network.answer, x, policy), num_runs).p50 for policy in forced(network.num_exits)]


def forced(num_exits: int) -> list[Policy]:
    """Return the policies by which all records leave at each exit, and last the one by which all go to the end."""
    places = range(num_exits + 1)
    # No doubt of a confidence reaches 1: whoever has more than one class is never that unsure.
    return [Policy(tuple(float(k == number) for k in places[:-1]), "confidence") for number in places]


class Point(NamedTuple):
    """What happened to the records of one SNR: shares of each exit and of the end, accuracy, measured seconds."""

    shares: tuple[float, ...]
    accuracy: float
    seconds: float


Answer = Callable[[Tensor], tuple[Any, Any]]  # from records to probabilities and exits, as `Answered` or as arrays


def by_snr(
    answers: Mapping[str, Answer],
    x: Tensor,
    label: Tensor,
    snr_db: Tensor,
    *,
    num_places: int,
    batch_size: int = 1,
    num_runs: int = 1,
) -> dict[str, dict[float, Point]]:
    """Run records through networks and measure, SNR by SNR: the wall-clock time of a record, not a formula.

    The networks take turns with every batch, so that whatever else the machine does falls on all of them alike.

    Args:
        answers: ways to answer, by name, such as a `MultiExit.answer` with its policy.
        x: inputs of the networks `[N, ...]`.
        label: int64 `[N]`.
        snr_db: float32 `[N]`.
        num_places: of a network with exits: their number and one for the end.
        batch_size: records at once; what leaves is taken out of the batch.
        num_runs: how often each batch is answered; the least time counts, as others may take the processor meanwhile.
    """
    points: dict[str, dict[float, Point]] = {name: {} for name in answers}
    for value in snr_db.unique().tolist():
        rows = (snr_db == value).nonzero().squeeze(1)
        some = [(x[part], label[part]) for part in rows.split(batch_size)]
        seconds: dict[str, list[float]] = {name: [] for name in answers}
        exits: dict[str, list[Tensor]] = {name: [] for name in answers}
        right: dict[str, list[Tensor]] = {name: [] for name in answers}
        for records, wanted in some:
            for name, answer in answers.items():
                probabilities, exit = answer(records)
                exits[name].append(torch.as_tensor(exit))
                right[name].append(torch.as_tensor(probabilities).argmax(dim=-1) == wanted)
                seconds[name].append(_least(partial(answer, records), num_runs))
        for name in answers:
            shares = torch.cat(exits[name]).bincount(minlength=num_places).double() / len(rows)
            accuracy = float(torch.cat(right[name]).double().mean())
            points[name][value] = Point(tuple(shares.tolist()), accuracy, sum(seconds[name]) / len(rows))
    return points


def _least(call: Callable[[], object], num_runs: int) -> float:
    found = []
    for _ in range(num_runs):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return min(found)


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
