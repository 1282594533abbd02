"""Methods of semantic communication on one task: stage one at the edge, stage two across the air, the cost of both."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from groundwave.bench.cells import Cell
from groundwave.bench.contest import Setting
from groundwave.bench.encoders import Hidden
from groundwave.bench.fewshot import FAILURES, reason
from groundwave.bench.information import NUM_DIMS, information
from groundwave.bench.rows import hash_config
from groundwave.contract import Contract
from groundwave.contracts import Record, View
from groundwave.data.batch import loader
from groundwave.data.fingerprint import fingerprint
from groundwave.data.partner import Partner
from groundwave.data.split import first_of_each, split_hash
from groundwave.pretrain.decur import DeCUR
from groundwave.rng import stable_hash
from groundwave.semcom.edge import Device, Fusion, Pace
from groundwave.semcom.engines import engine_of
from groundwave.semcom.ledger import ACROSS, Ledger
from groundwave.semcom.link import Link
from groundwave.semcom.split import Air, SplitTraining
from groundwave.train import Schedule, fit
from groundwave.views import Compose

ACCURACY, HEAD_START = "accuracy", "Mbit of the head start"
HEAD_PACE = Pace(lr=1e-2, rounds=200)  # of the server, in a head start
TOLD_LAST = "information, all: all, label (probe)"  # the last row of what blocks tell
INFORMED = f"one record of each group, {NUM_DIMS} components of a block"  # how they are asked
Encoders = Mapping[str, nn.Module]
Values = dict[tuple[str, float | None], float]  # by metric and SNR


@dataclass(frozen=True, kw_only=True)
class Edge:
    """What all methods share: sensors, networks, the link, and how long each stage takes.

    Args:
        contracts: by modality, what makes network channels of a record; one device each.
        encoders: returns new encoders, whose features are the reals that the link takes.
        shared: views of whole records in stage one, alike for all modalities.
        own: views of one modality in stage one.
        tuning: views of one modality in stage two.
        link: of training, up.
        noisy_gradients: whether gradients come down through noise, too.
        stage_one: schedule of pretraining.
        stage_one_batch: records per step of it.
        pace: of the devices in stage two, where a method has no rate of its own.
        server_pace: of the server, whose few layers learn faster.
        batch_size: records per round trip.
        marks: numbers of rounds after which the accuracy is asked.
        snrs_db: at which other SNRs it is asked in the end.
        hidden: width of the server's features.
        engine: where devices run.
    """

    contracts: Mapping[str, Contract]
    encoders: Callable[[], Encoders]
    shared: tuple[View, ...]
    own: Mapping[str, tuple[View, ...]]
    tuning: Mapping[str, tuple[View, ...]]
    link: Link
    noisy_gradients: bool
    stage_one: Schedule
    stage_one_batch: int
    pace: Pace
    server_pace: Pace
    batch_size: int
    marks: tuple[int, ...]
    snrs_db: tuple[float, ...]
    hidden: int = 128
    engine: str = "process"

    def config(self) -> dict[str, Any]:
        """Return all settings but where devices run, as rows tell them."""
        plain = {name: getattr(self, name) for name in ("noisy_gradients", "stage_one_batch", "batch_size", "hidden")}
        views = {name: repr(getattr(self, name)) for name in ("shared", "own", "tuning", "contracts")}
        told = {
            "pace": asdict(self.pace),
            "server_pace": asdict(self.server_pace),
            "stage_one": asdict(self.stage_one),
            "marks": list(self.marks),
        }
        return {**plain, **views, **told, "link": self.link.config(), "snrs_db": list(self.snrs_db)}

    def stage_one_config(self) -> dict[str, Any]:
        """Return the settings that stage one uses."""
        views = {name: repr(getattr(self, name)) for name in ("shared", "own", "contracts")}
        return {**views, "stage_one": asdict(self.stage_one), "num_reals": self.link.num_reals}

    def new_encoders(self, seed: int) -> Encoders:
        """Return encoders with the weights of a seed, the same for every method."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stable_hash(seed, "encoders"))
            return self.encoders()


@dataclass(frozen=True)
class Method:
    """How the encoders come to stage two.

    Args:
        title: as tables have it.
        objective: of stage one, made of encoders; None: from random weights.
        settings: of the objective.
        head_passes: how often labelled records go up before the first round trip, for the server to learn from.
        partners: whether the second of two looks in stage one is at another record of the same group.
        lr: peak learning rate of the devices in stage two, instead of the edge's.
    """

    title: str
    objective: Callable[..., DeCUR] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    head_passes: int = 0
    partners: bool = True
    lr: float | None = None

    @property
    def tells_apart(self) -> bool:
        """Whether stage one parts what is common from what is unique; a head start changes nothing of stage one."""
        return 0 < self.settings.get("common", 0) < 1 and not self.head_passes

    def at_its_rate(self, edge: Edge) -> Edge:
        """Return what is shared, with this method's own rate in stage two."""
        return edge if self.lr is None else replace(edge, pace=replace(edge.pace, lr=self.lr))

    def told(self) -> dict[str, Any]:
        """Return how it is made and how it begins, as rows tell it."""
        head = {"head_passes": self.head_passes, "head_pace": asdict(HEAD_PACE)} if self.head_passes else {}
        return {**self.config(), **head}

    def config(self) -> dict[str, Any]:
        """Return how its encoders come to stage two."""
        if self.objective is None:
            return {"objective": None}
        return {"objective": self.objective.__name__, "partners": self.partners, **self.settings}


@dataclass(frozen=True)
class Prepared:
    """Makes network channels of what a sensor saw, in training through random views."""

    modality: str
    contract: Contract
    views: tuple[View, ...]

    def __call__(self, x: Tensor, draw: torch.Generator | None) -> Tensor:
        """Return channels of `x` `[B, ...]`."""
        record = {self.modality: x}
        if draw is not None:
            record = Compose(self.views)(record, draw)
        prepared: Any = self.contract.prepare(record[self.modality])
        return self.contract.channels(prepared)


def objective_of(method: Method, edge: Edge, encoders: Encoders, seed: int) -> DeCUR | None:
    """Return what stage one of a method trains, if it has one; raises `GroundwaveError` for settings that cannot be."""
    if method.objective is None:
        return None
    told = {"shared": edge.shared, "contracts": edge.contracts, **method.settings}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stable_hash(seed, "projectors"))
        return method.objective(encoders, edge.own, **told)


def first_stage(method: Method, edge: Edge, setting: Setting, rows: Tensor) -> tuple[Encoders, DeCUR | None]:
    """Return encoders after stage one, which sends nothing to the server, and its objective; resumes what is there."""
    encoders = edge.new_encoders(setting.seed)
    objective = objective_of(method, edge, encoders, setting.seed)
    if objective is None:
        return encoders, None
    source = Hidden(setting.source, ())
    batch_size = min(edge.stage_one_batch, len(rows))
    groups = setting.source.groups if method.partners else None
    records = [fingerprint(source, rows, groups, name) for name in edge.contracts]
    config = {**setting.config, **edge.stage_one_config(), **method.config(), "batch_size": batch_size}
    identity = {"config": config, "records": records}
    partner = None if groups is None else Partner(source, groups, rows, tuple(edge.contracts))

    def batches(epoch: int) -> DataLoader[Record]:
        return loader(
            source, rows, batch_size=batch_size, seed=setting.seed, drop_last=True, transform=partner, epoch=epoch
        )

    folder = setting.runs / "stage-one" / f"seed-{setting.seed}-{hash_config(identity)}"
    fit(
        objective,
        batches,
        schedule=edge.stage_one,
        out=folder,
        seed=setting.seed,
        config=identity,
        progress=setting.progress,
    )
    objective.cpu()
    return encoders, objective


@contextmanager
def second_stage(
    encoders: Encoders,
    edge: Edge,
    setting: Setting,
    rows: Tensor,
    label: Tensor,
    num_classes: int,
    after_round: Callable[[SplitTraining, int], None] = lambda *_: None,
    seen: Record | None = None,
    head_passes: int = 0,
) -> Iterator[SplitTraining]:
    """Yield a system that was trained across the air with the labels of some records; its engine closes at the end.

    Args:
        encoders: by modality; they are trained in place where devices run in this process.
        edge: how.
        setting: where the records are.
        rows: that have labels.
        label: of every record, numbered from 0 to `num_classes`.
        num_classes: of the answers.
        after_round: called with the system and the number of rounds so far.
        seen: what the sensors saw of every record; by default what the source holds.
        head_passes: how often labelled records go up before the first round trip, for the server to learn from.
    """
    record = everything(setting) if seen is None else seen
    devices = {}
    for name, contract in edge.contracts.items():
        prepare = Prepared(name, contract, edge.tuning.get(name, ()))
        devices[name] = Device(record[name], encoders[name], prepare, edge.pace, setting.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stable_hash(setting.seed, "server"))
        server = Fusion(tuple(devices), edge.link.num_reals, num_classes, edge.hidden)
    air = Air(edge.link, edge.link if edge.noisy_gradients else None)
    with closing(engine_of(edge.engine, devices)) as engine:
        system = SplitTraining(engine, server, air, Ledger(), edge.server_pace, setting.seed)
        if head_passes:
            system.begin(rows, label, edge.batch_size, head_passes, HEAD_PACE)
        system.train(rows, label, edge.batch_size, lambda done: after_round(system, done))
        yield system


def everything(setting: Setting) -> Record:
    """Return all records of a setting."""
    return setting.source[torch.arange(len(setting.source))]


def asked(system: SplitTraining, setting: Setting, link: Link, present: tuple[str, ...] = ()) -> float:
    """Return the share of right answers to the test records, from some of the devices."""
    rows = setting.plan.query
    answers = system.answer(system.receive(rows, link, present)).argmax(dim=-1)
    return float((answers == setting.source[rows]["label"]).double().mean())


def compared(method: Method, edge: Edge, setting: Setting, counts: tuple[int | None, ...]) -> None:
    """Fill the cells of a method for each number of labels; what fails in one does not stop the others."""
    edge = method.at_its_rate(edge)
    cells = {count: cell_of(method.title, edge, setting, count, method.told()) for count in counts}
    missing = setting.sheet.missing(cells.values())
    told = replace(cells[counts[0]], shots=None, metric=TOLD_LAST)
    told = replace(told, config={**told.config, "asked": INFORMED})
    informs = bool(method.tells_apart and setting.sheet.missing([told]))
    if not missing and not informs:
        return
    start = time.perf_counter()
    try:
        encoders, objective = first_stage(method, edge, setting, setting.plan.pretraining)
    except FAILURES as error:
        setting.sheet.fail(missing, f"stage one: {reason(error)}")
        return
    spent = time.perf_counter() - start
    state = {name: {k: v.clone() for k, v in encoder.state_dict().items()} for name, encoder in encoders.items()}
    if objective is not None and informs:
        _inform(objective, told, setting)
    for cell in missing:
        for name, encoder in encoders.items():
            encoder.load_state_dict(state[name])
        try:
            _measure(encoders, objective, edge, setting, cell, spent, method.head_passes)
        except FAILURES as error:
            setting.sheet.fail([cell], reason(error))


def cell_of(title: str, edge: Edge, setting: Setting, count: int | None, config: Mapping[str, Any]) -> Cell:
    """Return the cell of the final accuracy, which is filled last."""
    told = {**setting.config, **edge.config(), **config}
    return Cell(method=title, data=setting.data, seed=setting.seed, shots=count, metric=ACCURACY, config=told)


def fill(setting: Setting, cell: Cell, values: Values, seconds: float, n: int | None = None) -> None:
    """Append a row for each metric and SNR, that of the cell itself last; `n` records were asked, by default all."""
    rows = setting.labelled(cell.shots)
    proof = {"split": setting.plan.split, "split_hash": split_hash({**setting.plan.parts(), "labelled": rows})}
    own = (cell.metric, cell.snr_db)
    for metric, snr_db in [*(place for place in values if place != own), *([own] if own in values else [])]:
        one = replace(cell, metric=metric, snr_db=snr_db)
        if setting.sheet.missing([one]):
            setting.sheet.fill(one, values[metric, snr_db], n=n or len(setting.plan.query), seconds=seconds, **proof)


def _measure(
    encoders: Encoders,
    objective: DeCUR | None,
    edge: Edge,
    setting: Setting,
    cell: Cell,
    spent: float,
    head_passes: int,
) -> None:
    """Train with the labels of a cell; write the curve, other SNRs, missing sensors, traffic, the final accuracy."""
    start = time.perf_counter()
    values: Values = {}

    def noted(system: SplitTraining, done: int) -> None:
        if done in edge.marks:
            values[f"accuracy after {done} rounds", None] = asked(system, setting, edge.link)

    label = everything(setting)["label"]
    rows = setting.labelled(cell.shots)
    given = encoders, edge, setting, rows, label, len(setting.source.classes), noted
    with second_stage(*given, head_passes=head_passes) as system:
        for snr_db in edge.snrs_db:
            values[ACCURACY, snr_db] = asked(system, setting, edge.link.at(snr_db))
        for name in edge.contracts:
            others = tuple(one for one in edge.contracts if one != name)
            values[f"accuracy without {name}", None] = asked(system, setting, edge.link, others)
        values[ACCURACY, None] = asked(system, setting, edge.link)
    rounds = system.ledger.rounds["training"]
    values["Mbit per round", None] = system.ledger.traffic("training").bits / rounds / 1e6
    if head_passes:
        values[HEAD_START, None] = system.ledger.traffic("head start").bits / 1e6
    values["Mbit between devices", None] = across(objective, edge, setting).traffic("stage one", ACROSS).bits / 1e6
    fill(setting, cell, values, spent + time.perf_counter() - start)


def across(objective: DeCUR | None, edge: Edge, setting: Setting) -> Ledger:
    """Return what stage one sends between devices where each sensor has a box of its own.

    Where modalities are compared, the embeddings of all but one of them travel at each step, and gradients back.
    """
    ledger = Ledger()
    if objective is not None and objective.cross:
        size = min(edge.stage_one_batch, len(setting.plan.pretraining))
        steps = edge.stage_one.epochs * (len(setting.plan.pretraining) // size)
        width = next(iter(objective.projectors.children()))[-1].out_features  # type: ignore[index]
        for _ in range(2 * steps * (len(edge.contracts) - 1)):
            ledger.analogue("stage one", ACROSS, values=size * width)
    return ledger


def _inform(objective: DeCUR, last: Cell, setting: Setting) -> None:
    """Write what the blocks of the embeddings tell about each other and about the labels of the test records.

    One record of each group is asked, because estimators take records for independent. `last` is the last cell.
    """
    start = time.perf_counter()
    query = setting.plan.query
    record = setting.source[query[first_of_each(setting.source.groups[query])]]
    try:
        found = information(objective.embeddings(record), record["label"], objective.common)
    except FAILURES as error:
        setting.sheet.fail([last], reason(error))
        return
    values: Values = {(f"information, {one.between} ({one.estimator})", None): one.bits for one in found}
    fill(setting, last, values, time.perf_counter() - start, len(record["label"]))
