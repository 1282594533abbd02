"""Early exits on RML22: the published architectures (Mohammed et al., GLOBECOM 2023), and what goes beyond them."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import torch
from torch import nn

from groundwave.bench.cells import Cell, Sheet
from groundwave.bench.plans import Plan
from groundwave.compress.distil import Labels, Scored
from groundwave.compress.exits import PUBLISHED, ExitTraining
from groundwave.contract import InputContract
from groundwave.data.batch import loader
from groundwave.data.sources import Records
from groundwave.errors import lookup
from groundwave.model import Model
from groundwave.nn.exits import Policy, exit_settings, multi_exit
from groundwave.nn.heads import LinearHead
from groundwave.recipes.compress_parts import Part, deal, inputs, parts_of
from groundwave.recipes.early_exit_measured import ALONE, AT_ONCE, Clock, Told, measured
from groundwave.recipes.place import Place
from groundwave.rng import stable_hash
from groundwave.scenes.rml22 import CLASSES, RML22, SNRS_DB
from groundwave.train import Schedule, fit

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
DATA_SEED = 2022
PER_BLOCK = 40  # records of a class at an SNR that are simulated at once
LONGER = f"{ALONE}, 2 epochs"

How = Literal["alternating", "joint", "self-distillation", "taught exits"]
RULE = "entropy"  # the source's


@dataclass(frozen=True)
class Exits:
    """Where exits stand in the published backbone, what they are, and how they learn."""

    after: tuple[int, ...]
    kind: str
    how: How


@dataclass(frozen=True)
class Variant:
    """A network and its training.

    Args:
        exits: of the network; None for the backbone alone.
        epochs: of training.
        beside: the backbone alone that it is compared with.
        built_on: whether it takes over that backbone's weights, and trains exits alone.
        rule: by which records leave.
        trained_as: the variant whose training it shares, where nothing but the rule is another.
    """

    exits: Exits | None = None
    epochs: int = 1
    beside: str = ALONE
    built_on: bool = False
    rule: str = RULE
    trained_as: str = ""


VARIANTS: dict[str, Variant] = {
    ALONE: Variant(),
    **{version: Variant(Exits((after,), "flat", "alternating")) for version, after in PUBLISHED.items()},
    LONGER: Variant(epochs=2),
    "exit at the input": Variant(Exits((0,), "strided", "taught exits"), epochs=4, beside=LONGER, built_on=True),
}
THREE = "three exits"
# Run where they are asked for: other ways to train exits, more of them, other rules.
OTHERS: dict[str, Variant] = {
    "V1 joint": Variant(Exits((2,), "flat", "joint")),
    "V1 self-distillation": Variant(Exits((2,), "flat", "self-distillation")),
    f"{THREE} alternating": Variant(Exits((1, 3, 5), "flat", "alternating")),
    THREE: Variant(Exits((1, 3, 5), "flat", "joint")),
    **{
        f"{THREE} by {rule}": Variant(Exits((1, 3, 5), "flat", "joint"), rule=rule, trained_as=THREE)
        for rule in ("confidence", "margin", "patience")
    },
}
KNOWN = VARIANTS | OTHERS


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
        variants: names in `VARIANTS` or `OTHERS`; the backbone alone that one is compared with is trained in any case.
        seeds: of split, weights and order.
        records_per_cell: of a class at an SNR; 2000 in the source, with 50 epochs.
        smoke: as small as can be, to see that everything works; its rows go to RUNS/smoke/results.

    Returns:
        The file of rows.
    """
    place = Place(name="early-exit", results=results, runs=runs, smoke=smoke)
    names = dict.fromkeys(n for name in variants for n in (lookup(KNOWN, name, "variant").beside, name))
    if smoke:
        names = dict.fromkeys((LONGER, "exit at the input", "V1", f"{THREE} by patience"))
        seeds, records_per_cell = tuple(seeds)[:1], 10
    bench = _Bench(place.sheet(), place.home / "early-exit", records_per_cell, smoke)
    for seed in seeds:
        for name in names:
            bench.run(name, seed)
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

    def run(self, name: str, seed: int) -> None:
        """Fill the cells of a variant, unless its last one is filled: they are measured together."""
        if not self.sheet.missing([self._cell(name, seed, Told("whole", "accuracy", None, 0.0))]):
            return
        started = perf_counter()
        plan, parts = self.parts(seed)
        found = list(self._found(name, seed, parts))
        seconds = max((perf_counter() - started) / len(found), 1e-4)
        for told in found:
            rows = len(plan.query) if told.snr_db is None else int((parts["test"].snr_db == told.snr_db).sum())
            cell = self._cell(name, seed, told)
            self.sheet.fill(cell, told.value, n=rows, split=plan.split, split_hash=plan.hash(), seconds=seconds)

    def parts(self, seed: int) -> tuple[Plan, dict[str, Part]]:
        """Return the records of a seed's split."""
        if self._dealt is None or self._dealt[0] != seed:
            if self._source is None:
                self._source = _simulated(self.records_per_cell, self.smoke)
            plan = deal(self._source, seed, shares=SHARES)
            self._dealt = seed, plan, parts_of(_model(seed), self._source, plan)
        return self._dealt[1], self._dealt[2]

    def _found(self, name: str, seed: int, parts: dict[str, Part]) -> Iterator[Told]:
        """Yield all values of a variant, and last the accuracy of the whole network."""
        model, variant = self.trained(name, seed), KNOWN[name]
        if variant.exits is not None:
            clock = Clock(2, 1) if self.smoke else Clock()
            alone = self.trained(variant.beside, seed)
            yield from measured(model, alone, parts, published=name in PUBLISHED, clock=clock)
        whole = list(_whole(model, parts["test"]))
        yield from whole[1:] if variant.exits is None else ()
        yield whole[0]

    def trained(self, name: str, seed: int) -> Model:
        """Train a variant, or fetch it from its run."""
        variant, (_, parts) = KNOWN[name], self.parts(seed)
        model = self.trained(variant.beside, seed) if variant.built_on else _model(seed)
        assert model.head is not None
        objective: nn.Module = Labels(Scored(model.backbone, model.head), inputs)
        if variant.exits is not None:
            model = _with_exits(model, variant.exits, variant.rule, seed)
            assert model.exits is not None
            objective = ExitTraining(model.exits, inputs, variant.exits.how)
        train = parts["train"]
        records = Records({"x": train.x, "label": train.label})
        fit(
            objective,
            lambda epoch: loader(records, batch_size=min(128, len(train.x)), seed=seed, drop_last=True, epoch=epoch),
            schedule=_schedule(variant),
            out=self.home / (variant.trained_as or name).replace(", ", "-").replace(" ", "-") / str(seed),
            seed=seed,
            config={"records_per_cell": self.records_per_cell, "variant": _told(variant)},
            device="cpu",
            progress=not self.smoke,
        )
        objective.eval()
        return model

    def _cell(self, name: str, seed: int, told: Told) -> Cell:
        variant = KNOWN[name]
        schedule = asdict(_schedule(variant))
        config = {
            "policy": told.policy,
            "records_per_cell": self.records_per_cell,
            "batch_size": 128,
            **_told(variant),
            **({} if variant.rule == RULE else {"rule": variant.rule}),
            **{key: schedule[key] for key in ("epochs", "lr", "weight_decay")},
        }
        method = name if told.policy == "whole" else f"{name}, {told.policy}"
        return Cell(method=method, data="rml22", seed=seed, metric=told.metric, snr_db=told.snr_db, config=config)


def _schedule(variant: Variant) -> Schedule:
    # No clipping: it would tie the two updates of Algorithm 1 together. The source takes 1e-4 for 50 epochs.
    return Schedule(epochs=variant.epochs, lr=2e-3, weight_decay=5e-4, clip=float("inf"))


def _told(variant: Variant) -> dict[str, Any]:
    exits = {} if variant.exits is None else asdict(variant.exits)
    return {**exits, "built_on": variant.beside} if variant.built_on else exits


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


def _with_exits(model: Model, exits: Exits, rule: str, seed: int) -> Model:
    """Return a model with new exits, from which nothing leaves yet."""
    assert model.head is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stable_hash(seed, "early-exit", "exits"))
        settings = exit_settings(model.backbone, torch.zeros(1, 2, 128), exits.after, len(CLASSES), exits.kind)
        network = multi_exit(model.backbone, model.head, exits.after, settings, exits.kind)
    return model.with_exits(network, settings, exits.kind, Policy((0.0,) * network.num_exits, rule))


@torch.no_grad()
def _whole(model: Model, test: Part) -> Iterator[Told]:
    """Yield the accuracy of the whole network, overall and at each SNR."""
    assert model.head is not None
    scores = torch.cat([model.head(model.backbone(x)) for x in test.x.split(AT_ONCE)])
    right = (scores.argmax(dim=-1) == test.label).double()
    told = partial(Told, "whole", "accuracy")
    yield told(None, float(right.mean()))
    for snr in test.snr_db.unique().tolist():
        yield told(snr, float(right[test.snr_db == snr].mean()))
