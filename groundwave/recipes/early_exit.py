"""Early exits on RML22: the published architectures (Mohammed et al., GLOBECOM 2023), and what goes beyond them."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import torch
from torch import Tensor, nn

from groundwave.bench.cells import Cell, Sheet
from groundwave.bench.plans import Plan
from groundwave.compress.distil import Labels, Scored
from groundwave.compress.exits import PUBLISHED, ExitTraining
from groundwave.compress.thresholds import (
    Answer,
    Judged,
    Point,
    by_snr,
    calibrate,
    expected_seconds,
    judge,
    leaving_seconds,
)
from groundwave.contract import InputContract
from groundwave.data.batch import loader
from groundwave.data.sources import Records
from groundwave.errors import lookup
from groundwave.model import Model
from groundwave.nn.exits import Answered, MultiExit, Policy, exit_settings, multi_exit
from groundwave.nn.heads import LinearHead
from groundwave.recipes.compress_parts import Part, deal, inputs, parts_of
from groundwave.recipes.place import Place
from groundwave.rng import stable_hash
from groundwave.scenes.rml22 import CLASSES, RML22, SNRS_DB
from groundwave.train import Schedule, fit

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
DATA_SEED = 2022
PER_BLOCK = 40  # records of a class at an SNR that are simulated at once
GOOD_DB = 6.0  # from here on signals count as easy
LOSS = 0.005  # half a point
MARGIN = 1.64
ALONE = "backbone alone"
AT_ONCE = 256
NUM_TIMED, NUM_RUNS = 20, 5  # records of an SNR that are timed one by one, and how often each

How = Literal["alternating", "joint", "self-distillation"]


@dataclass(frozen=True)
class Variant:
    """Where the exits stand in the published backbone, what they are, and how they learn."""

    after: tuple[int, ...]
    kind: str
    how: How


VARIANTS: dict[str, Variant | None] = {
    ALONE: None,
    **{version: Variant((after,), "flat", "alternating") for version, after in PUBLISHED.items()},
    "convolutional exit": Variant((1,), "conv", "self-distillation"),
    "three exits": Variant((1, 2, 4), "conv", "self-distillation"),
    "V1, joint": Variant((2,), "flat", "joint"),
    "V1, self-distilled": Variant((2,), "flat", "self-distillation"),
}
FIXED = (0.05, 0.3, 0.6)  # thresholds of the source
RULES_TOLD = ("confidence", "margin", "patience")  # tried where there are several exits


def early_exit(
    results: Path = Path("results"),
    *,
    runs: Path = Path("runs/accelerated"),
    variants: Sequence[str] = tuple(VARIANTS),
    seeds: Sequence[int] = (0, 1, 2),
    records_per_cell: int = 600,
    smoke: bool = False,
) -> Path:
    """Train the published CNN alone and with exits, choose thresholds on validation, and measure every SNR.

    Args:
        results: folder of the file of rows.
        runs: folder of training runs.
        variants: names in `VARIANTS`; the backbone alone is trained in any case, as everything is timed beside it.
        seeds: of split, weights and order.
        records_per_cell: of a class at an SNR; 2000 in the source, with 50 epochs. Here each is learned from once.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    place = Place(name="early-exit", results=results, runs=runs, smoke=smoke)
    names = [ALONE, *(name for name in variants if name != ALONE)]
    if smoke:
        names, seeds, records_per_cell = [ALONE, "three exits"], tuple(seeds)[:1], 10
    bench = _Bench(place.sheet(), place.home / "early-exit", records_per_cell, smoke)
    for seed in seeds:
        for name in names:
            bench.run(name, lookup(VARIANTS, name, "variant"), seed)
    return place.path


class _Bench:
    """The data, and everything that is trained and measured on it.

    Args:
        sheet: where rows go.
        home: folder of runs.
        records_per_cell: of a class at an SNR.
        smoke: few SNRs, few records timed.
    """

    def __init__(self, sheet: Sheet, home: Path, records_per_cell: int, smoke: bool) -> None:
        self.sheet, self.home, self.records_per_cell, self.smoke = sheet, home, records_per_cell, smoke
        self._source: Records | None = None
        self._dealt: tuple[int, Plan, dict[str, Part]] | None = None

    def run(self, name: str, variant: Variant | None, seed: int) -> None:
        """Fill the cells of a variant, unless its last one is filled: they are measured together."""
        if not self.sheet.missing([self._cell(name, variant, seed, "accuracy", policy="whole")]):
            return
        started = perf_counter()
        plan, parts = self.parts(seed)
        network = self.trained(name, variant, seed)
        if isinstance(network, MultiExit):
            alone = self.trained(ALONE, None, seed)
            assert isinstance(alone, Scored)
            found = list(self._measured(network, alone, parts))
        else:
            found = []
        whole = _whole(network, parts["test"])
        found += [("whole", metric, snr, value) for metric, snr, value in whole]
        seconds = (perf_counter() - started) / len(found)
        for policy, metric, snr, value in found:
            cell = self._cell(name, variant, seed, metric, policy=policy, snr_db=snr)
            rows = len(plan.query) if snr is None else int((parts["test"].snr_db == snr).sum())
            self.sheet.fill(cell, value, n=rows, split=plan.split, split_hash=plan.hash(), seconds=max(seconds, 1e-4))

    def parts(self, seed: int) -> tuple[Plan, dict[str, Part]]:
        """Return the records of a seed's split."""
        if self._dealt is None or self._dealt[0] != seed:
            if self._source is None:
                self._source = _simulated(self.records_per_cell, self.smoke)
            plan = deal(self._source, seed, shares=SHARES)
            self._dealt = seed, plan, parts_of(_model(seed), self._source, plan)
        return self._dealt[1], self._dealt[2]

    def trained(self, name: str, variant: Variant | None, seed: int) -> MultiExit | Scored:
        """Train a variant, or fetch it from its run."""
        _, parts = self.parts(seed)
        model = _model(seed)
        assert model.head is not None
        objective: nn.Module
        if variant is None:
            network: MultiExit | Scored = Scored(model.backbone, model.head)
            objective = Labels(network, inputs)
        else:
            network = _with_exits(model, variant, seed)
            objective = ExitTraining(network, inputs, variant.how)
        train = parts["train"]
        records = Records({"x": train.x, "label": train.label})
        fit(
            objective,
            lambda epoch: loader(records, batch_size=min(128, len(train.x)), seed=seed, drop_last=True, epoch=epoch),
            schedule=_schedule(),
            out=self.home / name.replace(", ", "-").replace(" ", "-") / str(seed),
            seed=seed,
            config={"records_per_cell": self.records_per_cell, "variant": _told(variant)},
            device="cpu",
            progress=not self.smoke,
        )
        return network.eval()

    def _measured(
        self, network: MultiExit, alone: Scored, parts: dict[str, Part]
    ) -> Iterator[tuple[str, str, float | None, float]]:
        """Yield policy, metric, SNR and value of everything that is measured of a network with exits."""
        test, few = parts["test"], NUM_RUNS if not self.smoke else 1
        policies = dict(_policies(network, parts["validation"]))
        judged = {rule: _judge(network, test, rule) for rule in {policy.rule for policy in policies.values()}}
        for title, policy in policies.items():
            yield from ((title, *rest) for rest in _told_by(judged[policy.rule], policy, test.snr_db))
        answers: dict[str, Answer] = {
            title: partial(network.answer, policy=policy) for title, policy in policies.items()
        }
        answers[ALONE] = partial(_answer, alone)
        for unit, part, size in (
            ("relative time", _some(test, 2 if self.smoke else NUM_TIMED), 1),
            ("relative time in batches", _some(test, AT_ONCE), AT_ONCE),
        ):
            told = by_snr(answers, *part, num_places=network.num_exits + 1, batch_size=size, num_runs=few)
            reference = told.pop(ALONE)
            for title, points in told.items():
                yield from ((title, *rest) for rest in _relative(unit, points, reference))

    def _cell(
        self, name: str, variant: Variant | None, seed: int, metric: str, *, policy: str, snr_db: float | None = None
    ) -> Cell:
        config = {
            "policy": policy,
            "records_per_cell": self.records_per_cell,
            "batch_size": 128,
            **_told(variant),
            **{key: value for key, value in asdict(_schedule()).items() if key in ("epochs", "lr", "weight_decay")},
        }
        method = name if policy == "whole" else f"{name}, {policy}"
        return Cell(method=method, data="rml22", seed=seed, metric=metric, snr_db=snr_db, config=config)


def _schedule() -> Schedule:
    # No clipping: it would tie the two updates of Algorithm 1 together. The source takes 1e-4 for 50 epochs.
    return Schedule(epochs=1, lr=2e-3, weight_decay=5e-4, clip=float("inf"))


def _told(variant: Variant | None) -> dict[str, Any]:
    return {} if variant is None else asdict(variant)


def _simulated(records_per_cell: int, smoke: bool) -> Records:
    """Return the scene's records in memory; every one has a channel, a crystal and bits of its own."""
    size = min(PER_BLOCK, records_per_cell)
    scene = RML22(records_per_cell=size, seed=DATA_SEED, snrs_db=(-10, 10) if smoke else SNRS_DB)
    blocks = [scene.block(b) for b in range(-(-records_per_cell // size))]
    record = {name: torch.cat([block[name] for block in blocks]) for name in blocks[0]}
    names = [str(number) for number in range(int(record["group"].max()) + 1)]
    return Records(record, classes=scene.classes, group_names=names)


def _model(seed: int) -> Model:
    """Return the published backbone and its head, untrained; the same weights for all variants of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stable_hash(seed, "early-exit"))
        contract = InputContract(num_samples=128, min_samples=128, max_samples=128)
        model = Model.build("amc_cnn", contract)
        args = {"in_features": model.num_features, "out_features": len(CLASSES)}
        return model.with_head("linear", LinearHead(model.num_features, len(CLASSES)), args, CLASSES)


def _with_exits(model: Model, variant: Variant, seed: int) -> MultiExit:
    assert model.head is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stable_hash(seed, "early-exit", "exits"))
        settings = exit_settings(model.backbone, torch.zeros(1, 2, 128), variant.after, len(CLASSES), variant.kind)
        return multi_exit(model.backbone, model.head, variant.after, settings, variant.kind)


def _judge(network: MultiExit, part: Part, rule: str) -> Judged:
    return judge(network, iter(zip(part.x.split(AT_ONCE), part.label.split(AT_ONCE), strict=True)), rule)


def _policies(network: MultiExit, validation: Part) -> Iterator[tuple[str, Policy]]:
    """Yield the policies to measure: the source's thresholds, and those that validation chooses."""
    for value in FIXED:
        yield f"T = {value}", Policy((value,) * network.num_exits)
    seconds = leaving_seconds(network, validation.x[:1])
    choose = partial(calibrate, seconds=seconds, loss=LOSS, margin=MARGIN)
    entropy = _judge(network, validation, "entropy")
    yield "half a point", choose(entropy).policy
    yield "half a point or hopeless", choose(entropy, hopeless=True).policy
    if network.num_exits > 1:
        for rule in RULES_TOLD:
            yield f"half a point by {rule}", choose(_judge(network, validation, rule)).policy


def _told_by(judged: Judged, policy: Policy, snr_db: Tensor) -> Iterator[tuple[str, float | None, float]]:
    """Yield accuracy and the share that leaves early, overall and at each SNR."""
    values = {"accuracy": judged.right(policy), "share leaving": judged.leave(policy) < judged.doubt.shape[1]}
    for metric, value in values.items():
        yield metric, None, float(value.double().mean())
        yield from ((metric, snr, float(value[snr_db == snr].double().mean())) for snr in snr_db.unique().tolist())
    early = values["share leaving"]
    if bool(early.any()):
        yield "accuracy of those leaving", None, float(values["accuracy"][early].double().mean())


def _relative(
    unit: str, points: dict[float, Point], reference: dict[float, Point]
) -> Iterator[tuple[str, float | None, float]]:
    """Yield the time of a record over that of the backbone alone: of the uniform mix, of good SNRs, at each SNR."""

    def over(snrs: Sequence[float]) -> float:
        mix = dict.fromkeys(snrs, 1.0)
        return expected_seconds(points, mix) / expected_seconds(reference, mix)

    yield unit, None, over(list(points))
    yield f"{unit}, from {GOOD_DB:g} dB", None, over([snr for snr in points if snr >= GOOD_DB])
    yield from ((unit, snr, over([snr])) for snr in points)


def _some(part: Part, count: int) -> Part:
    """Return the first records of each SNR."""
    rows = torch.cat([(part.snr_db == snr).nonzero().squeeze(1)[:count] for snr in part.snr_db.unique()])
    return Part(*(column[rows].clone() for column in part))


@torch.no_grad()
def _answer(network: Scored, x: Tensor) -> Answered:
    said = network(x).softmax(dim=-1)
    return Answered(said, torch.zeros(len(said), dtype=torch.long))


@torch.no_grad()
def _whole(network: MultiExit | Scored, test: Part) -> Iterator[tuple[str, float | None, float]]:
    """Yield the accuracy of the whole network, overall and at each SNR."""
    scores = [network(x) for x in test.x.split(AT_ONCE)]
    last = torch.cat([said[-1] if isinstance(network, MultiExit) else said for said in scores])
    right = (last.argmax(dim=-1) == test.label).double()
    yield "accuracy", None, float(right.mean())
    yield from (("accuracy", snr, float(right[test.snr_db == snr].mean())) for snr in test.snr_db.unique().tolist())
