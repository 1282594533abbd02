"""The cascade: distil into pruned networks, quantise, add exits, and keep what a budget asks for."""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F
from torch.onnx.errors import OnnxExporterError

from groundwave.atomic import folder_atomically, write_atomically
from groundwave.compress.distil import Distillation, Scored
from groundwave.compress.exits import ExitTraining
from groundwave.compress.prune import num_parameters, prune
from groundwave.compress.quantize import quantize
from groundwave.compress.rehearse import rehearsed
from groundwave.compress.thresholds import Judged, calibrate, judge, leaving_seconds
from groundwave.contract import InputContract
from groundwave.data.batch import loader
from groundwave.data.recording import Recording
from groundwave.data.sources import Records
from groundwave.deploy.export import converted, export
from groundwave.errors import DataError, GroundwaveError, ModelError
from groundwave.model import Model
from groundwave.nn.cuts import cut
from groundwave.nn.dense import Decoder
from groundwave.nn.exits import Policy, exit_settings, multi_exit
from groundwave.recipes.compress_measured import AT_ONCE, Candidate, of_model, of_onnx, sized
from groundwave.recipes.compress_parts import Part, deal, inputs, parts_of
from groundwave.recipes.compress_report import report, table
from groundwave.recipes.inputs import open_any
from groundwave.rng import generator, stable_hash
from groundwave.train import Schedule, fit

MEASURED_ON = 512  # records on which a group's damage is measured, and on which INT8 is calibrated
MOST_EXITS = 3
INTEGER_LOSS = 0.005  # accuracy; from here on a network learns on with rounded numbers
EXIT_LOSS = 0.005  # accuracy that exits may lose where the budget is another
ALIKE = 1.1  # times that differ by less are as good as equal: the next run may order them otherwise
MARGIN = 1.64  # standard errors that thresholds of exits keep from the budget
BATCH = 64  # records of a step: many steps matter more than large ones when a network has just lost its units
KINDS = ("accuracy", "latency", "size")


class Budget(NamedTuple):
    """What is asked: at most `bound` points lost (a share), seconds for one record, or bytes."""

    kind: str
    bound: float

    def spent(self, found: Candidate, base: Candidate) -> float:
        """Return what a candidate takes of this budget."""
        taken = {
            "accuracy": base.validation - found.validation,
            "latency": found.p50_s,
            "size": float(found.file_bytes),
        }
        return taken[self.kind]

    def chosen(self, found: list[Candidate]) -> Candidate:
        """Return the fastest within a loss of accuracy, or the most accurate within a time or a size.

        Fast is what takes the median record less, with exits, too; among forms that clocks hardly tell apart, it is
        the smallest that is returned.

        Raises:
            GroundwaveError: none is within the budget; it tells the nearest.
        """
        base = found[0]
        inside = [one for one in found if self.spent(one, base) <= self.bound + 1e-9]
        if inside and self.kind == "accuracy":
            least = min(one.p50_s for one in inside)
            return min((one for one in inside if one.p50_s <= ALIKE * least), key=lambda one: one.file_bytes)
        if inside:
            return max(inside, key=lambda one: (one.validation, -one.p50_s))
        nearest = min(found, key=lambda one: self.spent(one, base))
        unit, factor = {"latency": ("ms", 1e3), "size": ("kB", 1e-3)}[self.kind]
        raise GroundwaveError(
            got=f"a budget of {factor * self.bound:.3g} {unit}",
            expected=f"at least {factor * self.spent(nearest, base):.3g} {unit}, which {nearest.title} in "
            f"{nearest.backend} takes with {100 * nearest.validation:.1f} % right",
            do="raise the budget, let it shrink further (--shrink), or start from a smaller model",
        )


def budget_of(text: str) -> Budget:
    """Return the budget that a text names: `accuracy=-0.5` (points), `latency=2` (ms), `size=100` (kB).

    Raises:
        GroundwaveError: anything else.
    """
    kind, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    good = kind in KINDS and (-100 < number <= 0 if kind == "accuracy" else 0 < number < float("inf"))
    if not good:
        raise GroundwaveError(
            got=f"the budget {text!r}",
            expected="accuracy=-POINTS, latency=MS or size=KB",
            do="write, for instance, --budget accuracy=-0.5",
        )
    return Budget(kind, {"accuracy": -number / 100, "latency": number / 1e3, "size": 1e3 * number}[kind])


def compress(
    model: str,
    *,
    data: Path,
    budget: str,
    out: Path,
    shrink: tuple[float, ...] = (2, 4, 8, 16),
    epochs: int = 10,
    num_records: int = 20_000,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Candidate, Candidate]:
    """Make a model smaller and faster, and save the best form that a budget allows; return it after the original.

    Writes OUT/model (and OUT/model.onnx where ONNX Runtime's form is chosen), OUT/table.csv and OUT/report.html.
    Groups are dealt to training, validation (which chooses) and test (which chooses nothing).

    Args:
        model: packaged model or model folder, with a head.
        data: store or file of labelled windows, with groups.
        budget: see `budget_of`.
        out: the folder to make.
        shrink: by how much parameters are divided, in ascending order; each step starts from the one before.
        epochs: of fine-tuning after each step, and of the exits.
        num_records: at most so many are read.
        seed: of the split, the order and new weights.
        options: how to read `data`.
        progress: is told steps done and in all.

    Raises:
        OutputExistsError: `out` exists.
        ModelError: a model without a head, or one that answers for cells.
        DataError: records that cannot be used; classes of others.
        SplitError: too few groups.
        GroundwaveError: a budget that nothing reaches; it says what is reachable. A factor that shrinks nothing.
    """
    for factor in shrink:
        if not 1 < factor < math.inf:
            raise GroundwaveError(f"--shrink {factor:g}", "numbers above 1", "divide the parameters by 2 or more")
    asked, base = budget_of(budget), _with_classes(model)
    parts = _parts(base, data, num_records, seed, options or {})
    steps = sorted(set(shrink))
    found, chosen = cascade(
        base, parts, asked, out=out, shrink=steps, epochs=epochs, seed=seed, title=budget, progress=progress
    )
    return found[0], chosen


def cascade(
    base: Model,
    parts: dict[str, Part],
    asked: Budget,
    *,
    out: Path,
    shrink: Sequence[float],
    epochs: int,
    seed: int,
    title: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[Candidate], Candidate]:
    """Write what `compress` writes of a model and its records, and return all forms and the chosen one.

    Args:
        base: with a head.
        parts: records by what they are for.
        asked: the budget.
        out: the folder to make.
        shrink: by how much parameters are divided, step by step.
        epochs: of fine-tuning after each step.
        seed: of the order and new weights.
        title: of the budget, in words.
        progress: is told steps done and in all.

    Raises:
        OutputExistsError: `out` exists.
        GroundwaveError: a budget that nothing reaches.
    """
    with folder_atomically(out) as draft:
        draft.mkdir()
        work = _Cascade(base, parts, asked, draft, epochs, seed)
        steps = (work.start, *(lambda s=s: work.prune_by(s) for s in shrink), work.quantise, work.add_exits)
        for number, step in enumerate(steps, start=1):
            step()
            progress(number, len(steps))
        chosen = asked.chosen(work.found)
        work.save(chosen)
        write_atomically(draft / "table.csv", table(work.found).encode())
        write_atomically(draft / "report.html", report(work.found, chosen, work.notes, title, work.exits).encode())
    return work.found, chosen


def _with_classes(name: str) -> Model:
    """Load a model that answers with one class for a record, without its exits."""
    base = Model.load(name)
    if base.head is None or isinstance(base.head, Decoder):
        raise ModelError(
            got=f"{name}, which {'has no head' if base.head is None else 'answers for cells'}",
            expected="a model that names the class of a record",
            do="run `groundwave adapt` with a few labels first",
        )
    if base.exits is not None:
        raise ModelError(f"{name}, which has exits", "a model without", "compress the model that they were added to")
    return base


def _parts(base: Model, data: Path, num_records: int, seed: int, options: Mapping[str, Any]) -> dict[str, Part]:
    source = open_any(data, **options)
    if isinstance(source, Recording) or not (source.labels >= 0).any():
        raise DataError(
            got=f"{data} without labelled records",
            expected="labels to measure the accuracy by",
            do="name the array of labels of a .npz with --label, or ingest with --label KEY",
        )
    rows = (source.labels >= 0).nonzero().squeeze(1)
    rows = rows[torch.randperm(len(rows), generator=generator(seed, "compress", "rows"))[:num_records]]
    return parts_of(base, source, deal(source, seed, rows=rows))


class _Cascade:
    """What has been found so far, and the step that the next one starts from.

    Args:
        base: the original.
        parts: records by what they are for.
        budget: what is asked.
        folder: for the result; runs are written beside it.
        epochs: of each fine-tuning.
        seed: of order and weights.
    """

    def __init__(
        self, base: Model, parts: dict[str, Part], budget: Budget, folder: Path, epochs: int, seed: int
    ) -> None:
        self.base = self.last = base
        self.parts, self.budget, self.folder, self.epochs, self.seed = parts, budget, folder, epochs, seed
        self.found: list[Candidate] = []
        self.made: dict[tuple[str, str], tuple[Model, bytes | None]] = {}
        self.notes: list[str] = []
        self.exits: Model | None = None
        self.title, self.done = "original", False

    def start(self) -> None:
        """Measure the original, in both backends."""
        self._add(of_model("original", self.base, self.parts), self.base)
        self._add_onnx("original", self.base)

    def prune_by(self, factor: float) -> None:
        """Take away units and let the rest learn from the original; stop where the budget's accuracy is lost."""
        if self.done:
            return
        network = _scored(self.last)
        few = Part(*(column[:MEASURED_ON] for column in self.parts["train"]))
        try:
            pruned = prune(network.eval(), lambda n: _loss(n, few), num_parameters(_scored(self.base)) / factor)
        except GroundwaveError as error:
            self.notes.append(f"Pruning by {factor:g} was not possible: {error}.")
            self.done = True
            return
        left = pruned.network
        assert isinstance(left, Scored)
        self._fit(f"pruned-{factor:g}", Distillation(left, inputs, _scored(deepcopy(self.base)), mixed=True))
        made = _pruned(self.last, left, pruned.shapes)
        found = of_model(f"pruned {factor:g} x", made, self.parts)
        self._add(found, made)
        self._add_onnx(found.title, made)
        if self.budget.kind == "accuracy" and self.budget.spent(found, self.found[0]) > self.budget.bound:
            self.notes.append(
                f"{found.title} loses more than the budget allows; what follows starts from the step before."
            )
            self.done = True
            return
        self.last, self.title = made, found.title

    def quantise(self) -> None:
        """Turn the ONNX files of the original and of the last step into integers, and say whether that pays.

        For models of IQ alone: of others the records at hand are not what the file takes, and calibration needs that.
        """
        if not isinstance(self.base.contract, InputContract):
            self.notes.append(
                "INT8 was not tried: it is calibrated on what the exported file takes, and of models of "
                f"{self.base.contract.modality!r} the records at hand are what the network takes, behind a transform."
            )
            return
        few = self.parts["train"].x[:MEASURED_ON]
        for title in dict.fromkeys(("original", self.title)):
            model, content = self.made.get((title, "ONNX Runtime"), (self.base, None))
            if content is None:
                continue
            small = quantize(content, few)
            floats = next(one for one in self.found if (one.title, one.backend) == (title, "ONNX Runtime"))
            found = of_onnx(f"{title}, INT8", small, self.parts, floats)
            self._add(found, model, small)
            faster, smaller = floats.p50_s / found.p50_s, floats.file_bytes / found.file_bytes
            pays = f"{faster:.2f} times as fast as float32, {sized(smaller)}"
            verdict = "pays" if found.p50_s < floats.p50_s else "does not pay in time"
            self.notes.append(f"INT8 {verdict} on this processor for {title}: {pays}.")
            if floats.validation - found.validation > INTEGER_LOSS:
                self._rehearse(title, model, floats)

    def _rehearse(self, title: str, model: Model, floats: Candidate) -> None:
        """Let a model learn with rounded numbers, and turn it into integers again."""
        few, copy = self.parts["train"].x[:MEASURED_ON], deepcopy(model)
        network = _scored(copy)
        with rehearsed(network, few):
            self._fit(f"integers-{title}", Distillation(network, inputs, _scored(deepcopy(model))))
        network.eval()
        small = quantize(self._exported(f"{title}-rehearsed", copy), few)
        again = of_onnx(f"{title}, INT8 after rehearsal", small, self.parts, floats)
        self._add(again, copy, small)
        self.notes.append(
            f"INT8 lost more than {100 * INTEGER_LOSS:g} points for {title}, so it learned on with rounded numbers: "
            f"{100 * again.validation:.1f} % on validation, {100 * floats.validation:.1f} % in float32."
        )

    def add_exits(self) -> None:
        """Add exits to the last step, which stays as it is, and choose thresholds on validation."""
        try:
            num_steps = len(cut(self.last.backbone).steps)
        except GroundwaveError as error:
            self.notes.append(f"No exits: {error}.")
            return
        places = sorted({max(1, round(num_steps * k / (MOST_EXITS + 1))) for k in range(1, MOST_EXITS + 1)})
        after = [place for place in places if place < num_steps]
        if not after:
            self.notes.append(f"No exits: a backbone of {num_steps} step has no place for any.")
            return
        settings = exit_settings(self.last.backbone, self.parts["train"].x[:1], after, len(self.base.classes))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stable_hash(self.seed, "exits"))
            copy = deepcopy(self.last)
            assert copy.head is not None
            network = multi_exit(copy.backbone, copy.head, after, settings, "pooled")
        self._fit("exits", ExitTraining(network, inputs, "exits"))
        check = self.parts["validation"]
        judged = judge(network, iter(zip(check.x.split(AT_ONCE), check.label.split(AT_ONCE), strict=True)))
        policy = self._policy(judged, leaving_seconds(network, check.x[:1]))
        self.exits = copy.with_exits(network, settings, "pooled", policy)
        self._add(of_model(f"{self.title}, exits", self.exits, self.parts), self.exits)

    def _policy(self, judged: Judged, seconds: Sequence[float]) -> Policy:
        """Return the most accurate thresholds within a time, or the fastest that lose what may be, or half a point."""
        if self.budget.kind == "latency":
            try:  # of the median record, as forms are compared
                return calibrate(judged, seconds, budget=self.budget.bound, margin=MARGIN, median=True).policy
            except GroundwaveError as error:
                self.notes.append(f"No thresholds of exits keep the budget: {error}.")
        loss = self.budget.bound if self.budget.kind == "accuracy" else EXIT_LOSS
        return calibrate(judged, seconds, loss=max(0.0, loss), margin=MARGIN).policy

    def save(self, chosen: Candidate) -> None:
        """Write the chosen form into the folder."""
        model, content = self.made[chosen.title, chosen.backend]
        told = f"## Compression\n\n{chosen.title} in {chosen.backend}: {100 * chosen.test:.1f} % right on test records,"
        told += f" the original {100 * self.found[0].test:.1f} %.\n"
        replace(model, card=f"{model.card}\n{told}").save(self.folder / "model")
        if content is not None:
            write_atomically(self.folder / "model.onnx", content)

    def _fit(self, name: str, objective: nn.Module) -> None:
        train = self.parts["train"]
        records = Records({"x": train.x, "label": train.label})
        size = min(BATCH, len(train.x))
        fit(
            objective,
            lambda epoch: loader(records, batch_size=size, seed=self.seed, drop_last=True, epoch=epoch),
            schedule=Schedule(epochs=self.epochs, precision="32-true"),
            out=self.folder.parent / "runs" / name,
            seed=self.seed,
            device="cpu",
            progress=False,
        )

    def _add(self, found: Candidate, model: Model, content: bytes | None = None) -> None:
        self.found.append(found)
        self.made[found.title, found.backend] = model, content

    def _add_onnx(self, title: str, model: Model) -> None:
        """Measure the ONNX file of a model too, where it can be written."""
        try:
            content = self._exported(title, model)
            timed = content if isinstance(model.contract, InputContract) else self._network(model)
        except (GroundwaveError, OnnxExporterError) as error:
            self.notes.append(f"No ONNX file of {title}: {' '.join(str(error).split())[:300]}")
            return
        found = of_onnx(title, timed, self.parts, self.found[-1])
        self._add(replace(found, file_bytes=len(content)), model, content)

    def _exported(self, title: str, model: Model) -> bytes:
        """Return the file that is deployed: its input is what a receiver has."""
        target = self.folder.parent / "runs" / f"{title.replace(' ', '-')}.onnx"
        low, length = self.parts["test"].x.shape[-2:]
        modality = model.contract.modality
        num_samples, size = length if modality == "iq" else None, (low, length) if modality == "csi" else None
        return export(model, target, num_samples=num_samples, size=size).read_bytes()

    def _network(self, model: Model) -> bytes:
        """Return the same from the network's own input on, as PyTorch is timed: without the transform before it."""
        whole = nn.Sequential(_scored(model), nn.Softmax(dim=-1))
        free = ({0: torch.export.Dim("batch")},)
        return converted(whole, (self.parts["test"].x[:2],), ["channels"], ["probabilities"], {}, free)


def _scored(model: Model) -> Scored:
    assert model.head is not None
    return Scored(model.backbone, model.head)


@torch.no_grad()
def _loss(network: nn.Module, part: Part) -> float:
    pairs = zip(part.x.split(AT_ONCE), part.label.split(AT_ONCE), strict=True)
    return sum(float(F.cross_entropy(network(x), label, reduction="sum")) for x, label in pairs) / len(part.x)


def _pruned(before: Model, left: Scored, shapes: Mapping[str, list[int]]) -> Model:
    """Return a model of what is left, whose spec tells the sizes that differ from what its names and arguments say."""
    spec = deepcopy(before.spec)
    for name, shape in shapes.items():
        part, _, tensor = name.partition(".")
        spec[part].setdefault("pruned", {})[tensor] = shape
    left.eval()
    return Model(left.backbone, before.contract, spec, left.head, before.classes, before.card)
