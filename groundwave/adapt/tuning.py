"""tune(): from a pretrained model and labelled examples to a model that does a task, and how long that took."""

from collections.abc import Callable
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.utils.data import DataLoader

from groundwave.adapt.answering import Answering, Headed
from groundwave.adapt.course import Course, Point, best_of, read_curve
from groundwave.adapt.examples import Examples, Seen, kept
from groundwave.adapt.ridge import solve
from groundwave.adapt.ways import SOLVED, WAYS, Freedom
from groundwave.contract import identity
from groundwave.contracts import Record, Source, Task
from groundwave.data.batch import loader
from groundwave.data.fingerprint import digest, fingerprint, labels_of
from groundwave.data.split import split_hash
from groundwave.errors import DataError, lookup
from groundwave.model import Model
from groundwave.nn import HEADS
from groundwave.nn.lora import merge_lora
from groundwave.rng import stable_hash
from groundwave.train import Schedule, begin_run, computed_in, fit, holds_run

SCHEDULE = Schedule(epochs=20, lr=1e-3, weight_decay=0.05)
GIGABYTE = 2**30


class Tuned(NamedTuple):
    """A tuned model, and how it came to be.

    Attributes:
        model: with the weights of the best epoch.
        curve: every epoch, in order.
        best: the epoch that was chosen on validation.
    """

    model: Model
    curve: tuple[Point, ...]
    best: Point

    def seconds_to(self, score: str, level: float) -> float | None:
        """Return after how many seconds of training a validation score first reached a level; None if it never did."""
        return next((point.seconds for point in self.curve if point.scores.get(score, -1.0) >= level), None)


def tune(
    model: Model,
    task: Task,
    source: Source,
    indices: Tensor,
    *,
    validation: Tensor,
    out: Path,
    how: str = "frozen",
    last: int = 2,
    rank: int = 8,
    schedule: Schedule = SCHEDULE,
    batch_size: int = 32,
    min_steps: int = 1,
    memory_gb: float = 2.0,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
) -> Tuned:
    """Tune a copy of `model` for `task`, keep the epoch that is best on validation, and save it in `out/model`.

    What a frozen backbone sees of the examples is computed once and kept in bfloat16 where memory allows, so that an
    epoch costs no more than the head. Called again with the same settings and records it resumes an interrupted run,
    and returns a finished one at once.

    Args:
        model: what to start from; it stays as it is.
        task: what to learn.
        source: labelled records.
        indices: those to learn from, int64 `[M]`.
        validation: those that choose the epoch, int64 `[V]`; none of them is learned from.
        out: folder of the run.
        how: name in `WAYS`: which weights learn. With `ridge` the head, which has to be linear in the tokens, is solved
            in closed form; what is told of epochs is then of penalties.
        last: how many of the last blocks learn, of `last-blocks`.
        rank: of what `lora` adds.
        schedule: how long and how fast.
        batch_size: examples per step, at most all there are.
        min_steps: steps of an epoch, at least: few examples are gone through several times.
        memory_gb: what examples may take in memory, all together; beyond it they are read again for each step.
        seed: addresses new weights and the order.
        device: Lightning's accelerator name.
        progress: whether to draw a progress bar.

    Raises:
        OutputExistsError: `out` holds another run.
        DataError: no examples, examples that also validate, or records without an answer to the task.
        GroundwaveError: a way or a head that the backbone does not have.
    """
    _check_rows(indices, validation)
    freedom = Freedom(last, rank, seed)
    rows = {"train": indices, "validation": validation}
    config = {
        **_identity(model, task, how, freedom, batch_size, min_steps),
        "rows": split_hash(rows),
        "records": [_told(source, some, task, model.contract.modality) for some in rows.values()],
    }
    if holds_run(out, schedule=schedule, seed=seed, config=config) and (out / "model").exists():
        return _finished(out, task)
    name, args, network = _network(model, task, how, freedom)
    network.to(_place(device))
    narrow = computed_in(schedule.precision, device).startswith("bf16")
    examples = [Examples(source, rows, model.contract, task) for rows in (indices, validation)]
    learned, (train, check), before = _prepared(network, examples, memory_gb * GIGABYTE, narrow)
    objective = Answering(learned, task)
    course = Course(objective, check, out, before, narrow)
    if how == SOLVED:
        begin_run(out, schedule=schedule, seed=seed, config=config)
        solve(objective, train, course.note)
    else:
        fit(
            objective,
            _batches(train, min(batch_size, len(indices)), min_steps, seed),
            schedule=schedule,
            out=out,
            seed=seed,
            config=config,
            device=device,
            progress=progress,
            after_epoch=course.note,
        )
    course.recall()
    network.cpu()
    tuned = Model(merge_lora(network.backbone), model.contract, {"backbone": model.spec["backbone"]}, card=model.card)
    tuned.with_head(name, network.head, args, task.classes).save(out / "model")
    return _finished(out, task)


def _check_rows(indices: Tensor, validation: Tensor) -> None:
    if len(indices) == 0 or len(validation) == 0 or bool(torch.isin(indices, validation).any()):
        raise DataError(
            got=f"{len(indices)} examples and {len(validation)} for validation, "
            f"{int(torch.isin(indices, validation).sum())} of them in both",
            expected="some of each, and none in both",
            do="part the records by group first",
        )


def _identity(model: Model, task: Task, how: str, freedom: Freedom, batch_size: int, min_steps: int) -> dict[str, Any]:
    """Return what makes this run this run; the weights of a model that is trained from scratch play no role."""
    weights = save({name: x.contiguous().cpu() for name, x in model.backbone.state_dict().items()})
    return {
        "model": model.spec["backbone"],
        "weights": "" if how == "scratch" else blake2b(weights, digest_size=8).hexdigest(),
        "contract": identity(model.contract),
        "task": repr(task),
        "how": [how, asdict(freedom)],
        "batch": [batch_size, min_steps],
    }


def _told(source: Source, rows: Tensor, task: Task, modality: str) -> list[Any]:
    """Return what tells records and their answers from others without reading all of them."""
    ends = task.target(source[rows[[0, -1]]])
    return [fingerprint(source, rows, None, modality), digest(ends), *labels_of(source, rows)]


def _finished(out: Path, task: Task) -> Tuned:
    curve = read_curve(out)
    return Tuned(Model.load(out / "model"), curve, best_of(curve, task.chosen_by))


def _network(model: Model, task: Task, how: str, freedom: Freedom) -> tuple[str, dict[str, Any], Headed]:
    """Return the head's name and arguments, and the network: what learns of the backbone, and a new head."""
    backbone = lookup(WAYS, how, "way to tune")(model, freedom)
    name, args = task.head(backbone)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stable_hash(freedom.seed, "head"))
        return name, args, Headed(backbone, lookup(HEADS, name, "head")(**args))


def _place(device: str) -> torch.device:
    return torch.device("cuda" if device in ("auto", "gpu", "cuda") and torch.cuda.is_available() else "cpu")


def _prepared(
    network: Headed, examples: list[Examples], most_bytes: float, narrow: bool
) -> tuple[nn.Module, list[Source], float]:
    """Return the network that learns, its examples, and the seconds of training that a frozen backbone has cost.

    Of a frozen backbone only the head is left, if what it looks at fits in memory. Its seconds are those of the
    examples, not of those that validate.
    """
    if network.frozen:
        seen = [Seen(part, _look(network, narrow)) for part in examples]
        parts = kept(seen, most_bytes)
        if not any(isinstance(part, Seen) for part in parts):
            return network.on_seen(examples[0][torch.tensor([0])]["inputs"]), parts, seen[0].seconds
        del parts  # before the inputs take their place
    return network, kept(examples, most_bytes), 0.0


def _look(network: Headed, narrow: bool) -> Callable[[Tensor], Tensor]:
    """Return what a frozen backbone does with inputs."""
    network.eval()
    place = next(network.parameters()).device

    @torch.no_grad()
    def look(x: Tensor) -> Tensor:
        with torch.autocast(place.type, torch.bfloat16, enabled=narrow):
            return network.seen(x.to(place)).cpu()

    return look


def _batches(train: Source, batch_size: int, min_steps: int, seed: int) -> Callable[[int], "DataLoader[Record]"]:
    """Return the batches of an epoch: all examples, as often as it takes for `min_steps` full ones."""
    rows = torch.arange(len(train))
    rows = rows.repeat(-(-min_steps * batch_size // len(rows)))

    def batches(epoch: int) -> DataLoader[Record]:
        return loader(train, rows, batch_size=batch_size, seed=seed, drop_last=True, epoch=epoch)

    return batches
