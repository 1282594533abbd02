"""What is measured of a network with exits beside its backbone alone: accuracies, shares, and wall-clock times."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from groundwave.compress.cost import measure
from groundwave.compress.thresholds import (
    Answer,
    Judged,
    Point,
    by_snr,
    calibrate,
    expected_seconds,
    forced,
    judge,
    leaving_seconds,
)
from groundwave.deploy.export import export, start_session
from groundwave.deploy.split import ONE_EXIT_RULES, SplitModel, export_split
from groundwave.model import Model
from groundwave.nn.exits import Answered, MultiExit, Policy
from groundwave.nn.folded import folded
from groundwave.recipes.compress_parts import Part

ALONE = "backbone alone"
SOURCE = {f"T = {value}": value for value in (0.05, 0.6)}  # thresholds of the source
CHOSEN = ("half a point", "half a point or hopeless")
BUDGET = "half the time"
GOOD_DB = 6.0  # from here on signals count as easy
LOSS = 0.005  # half a point
MARGIN = 1.64
AT_ONCE = 256
TIME, ONNX_TIME, BATCH_TIME = "relative time", "relative time, ONNX Runtime", "relative time in batches"


class Told(NamedTuple):
    """A value of a policy; of one SNR, or of all together."""

    policy: str
    metric: str
    snr_db: float | None
    value: float


@dataclass(frozen=True)
class Clock:
    """How many records of an SNR are timed one by one, and how often each; the least time counts."""

    num_records: int = 20
    num_runs: int = 5


def measured(model: Model, alone: Model, parts: Mapping[str, Part], *, published: bool, clock: Clock) -> Iterator[Told]:
    """Yield what happens to test records under each policy.

    Args:
        model: with exits; its policy names the rule.
        alone: its rival, a backbone without exits.
        parts: validation chooses thresholds, test is asked.
        published: whether to try the source's thresholds; if not, it is exported where its rule looks at one exit, and
            its files are timed as well.
        clock: how to time.
    """
    assert model.exits is not None
    test, validation, rule, network = parts["test"], parts["validation"], model.policy.rule, folded(model.exits)
    known = judge_part(network, validation, rule)
    timed = partial(by_snr, num_places=network.num_exits + 1)
    few, many = _some(test, clock.num_records), _some(test, AT_ONCE)
    with tempfile.TemporaryDirectory() as folder:
        if published or rule not in ONE_EXIT_RULES:
            seconds = leaving_seconds(network, validation.x[:1])
            policies = _chosen(known, seconds)
            if published:
                source = {title: Policy((value,) * network.num_exits, rule) for title, value in SOURCE.items()}
                policies = source | policies
        else:
            files = _Files(model, alone, Path(folder))
            seconds, whole = files.seconds(validation.x[:1])
            policies = _chosen(known, seconds)
            at_once = known.scores(Policy((1.0,) * network.num_exits, rule), seconds)[1]
            policies[BUDGET] = calibrate(known, seconds, budget=max(whole / 2, at_once)).policy
            yield from _relative(ONNX_TIME, timed(files.answers(policies), *few, num_runs=clock.num_runs))
        in_torch = _in_torch(network, alone, policies)
        yield from _relative(TIME, timed(in_torch, *few, num_runs=clock.num_runs))
        batches = _relative(BATCH_TIME, timed(in_torch, *many, batch_size=AT_ONCE, num_runs=2))
        yield from (told for told in batches if told.metric == BATCH_TIME and told.snr_db is None)
    judged = judge_part(network, test, rule)
    for title, policy in policies.items():
        yield from _happened(title, judged, policy, test.snr_db)


def judge_part(network: MultiExit, part: Part, rule: str) -> Judged:
    """Return what every exit says about the records of a part."""
    return judge(network, iter(zip(part.x.split(AT_ONCE), part.label.split(AT_ONCE), strict=True)), rule)


def _chosen(judged: Judged, seconds: Sequence[float]) -> dict[str, Policy]:
    """Return the fastest policies that lose half a point at most."""
    choose = partial(calibrate, judged, seconds, loss=LOSS, margin=MARGIN)
    return {title: choose(hopeless=title != CHOSEN[0]).policy for title in CHOSEN}


def _happened(title: str, judged: Judged, policy: Policy, snr_db: Tensor) -> Iterator[Told]:
    """Yield accuracy and the share that leaves early; at each SNR the share by the source's thresholds only."""
    values = {"accuracy": judged.right(policy), "share leaving": judged.leave(policy) < judged.doubt.shape[1]}
    early = values["share leaving"]
    for metric, value in values.items():
        yield Told(title, metric, None, float(value.double().mean()))
        if metric == "accuracy" or title in SOURCE:
            for snr in snr_db.unique().tolist():
                yield Told(title, metric, snr, float(value[snr_db == snr].double().mean()))
    if bool(early.any()):
        yield Told(title, "accuracy of those leaving", None, float(values["accuracy"][early].double().mean()))


def _in_torch(network: MultiExit, alone: Model, policies: Mapping[str, Policy]) -> dict[str, Answer]:
    backbone, head = _folded(alone)
    answers: dict[str, Answer] = {title: partial(network.answer, policy=policy) for title, policy in policies.items()}
    return {**answers, ALONE: partial(_whole, backbone, head)}


def _folded(model: Model) -> tuple[torch.nn.Module, torch.nn.Module]:
    assert model.head is not None
    return folded(model.backbone), folded(model.head)


@torch.no_grad()
def _whole(backbone: torch.nn.Module, head: torch.nn.Module, x: Tensor) -> Answered:
    said = head(backbone(x)).softmax(dim=-1)
    return Answered(said, torch.zeros(len(said), dtype=torch.long))


class _Files:
    """A model with exits and its rival as exported files.

    Args:
        model: with exits.
        alone: without.
        folder: where the files go.
    """

    def __init__(self, model: Model, alone: Model, folder: Path) -> None:
        backbone, head = _folded(alone)
        self.session = start_session(export(replace(alone, backbone=backbone, head=head), folder / "alone.onnx"))
        self.parts, self.num_exits = export_split(model, folder / "parts"), len(model.policy.thresholds)

    def seconds(self, x: Tensor) -> tuple[list[float], float]:
        """Return what leaving at each exit and going all the way takes, and what the rival takes."""
        answers = self.answers({str(number): policy for number, policy in enumerate(forced(self.num_exits))})
        *leaving, alone = (measure(partial(answer, x), 200).p50 for answer in answers.values())
        return leaving, alone

    def answers(self, policies: Mapping[str, Policy]) -> dict[str, Answer]:
        """Return what answers by each policy, and the rival last."""
        splits = {title: SplitModel(self.parts, policy) for title, policy in policies.items()}
        return {**{title: partial(_of_parts, split) for title, split in splits.items()}, ALONE: self._whole}

    def _whole(self, x: Tensor) -> tuple[Any, Any]:
        return self.session.run(["probabilities"], {"iq": x.numpy()})[0], [0] * len(x)


def _of_parts(split: SplitModel, x: Tensor) -> tuple[Any, Any]:
    return split.answer(x.numpy())


def _relative(unit: str, points: Mapping[str, Mapping[float, Point]]) -> Iterator[Told]:
    """Yield the time of a record over that of the backbone alone: of the uniform mix, of good SNRs, at each SNR."""
    reference = points[ALONE]
    good = [snr for snr in reference if snr >= GOOD_DB]
    for title in [title for title in points if title != ALONE]:
        over = partial(_over, points[title], reference)
        yield Told(title, unit, None, over(list(reference)))
        yield Told(title, f"{unit}, from {GOOD_DB:g} dB", None, over(good))
        for snr in reference:
            yield Told(title, unit, snr, over([snr]))


def _over(points: Mapping[float, Point], reference: Mapping[float, Point], snrs: Sequence[float]) -> float:
    mix = dict.fromkeys(snrs, 1.0)
    return expected_seconds(points, mix) / expected_seconds(reference, mix)


def _some(part: Part, count: int) -> Part:
    """Return the first records of each SNR."""
    rows = torch.cat([(part.snr_db == snr).nonzero().squeeze(1)[:count] for snr in part.snr_db.unique()])
    return Part(*(column[rows].clone() for column in part))
