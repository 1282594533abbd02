"""Adapting a model to a question with a few labels, and saying honestly how well it answers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from groundwave.adapt import LEARNERS
from groundwave.contracts import Record
from groundwave.data.episodes import episodes
from groundwave.data.recording import Recording
from groundwave.errors import DataError, GroundwaveError, OutputExistsError, lookup
from groundwave.metrics import Interval, interval, macro_recall
from groundwave.model import Model
from groundwave.nn.dense import Decoder
from groundwave.recipes.inputs import open_any, read
from groundwave.rng import generator

MAX_PER_CLASS = 300  # records embedded per class: enough to score a few shots, however large the store
PER_SHOT = 4  # of more shots: half of the groups lend the labels, and as many records again are left to choose from
NUM_EPISODES = 20


class Adapted(NamedTuple):
    """A model with a head, and what to expect of it: macro recall on other groups over episodes like its own.

    `before` is that of the head with which it came, on the same records; None where it had none of these classes.
    """

    model: Model
    recall: Interval
    num_labels: int
    before: Interval | None = None


def adapt(
    model: str,
    *,
    data: Path,
    shots: int,
    out: Path,
    learner: str = "logistic",
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Adapted:
    """Learn a head on the frozen model from `shots` labelled records per class, and save both in `out`.

    The score is macro recall on records of groups that lent no label, over 20 draws of as many labels; the saved head
    is that of the first draw. A model that already tells some of these classes, such as one of another front-end, is
    scored on the same records as it came.

    Args:
        model: packaged model or model folder.
        data: store or file of labelled windows, with groups.
        shots: labelled records per class.
        out: the new model folder.
        learner: name in `LEARNERS`.
        seed: of the draws.
        options: how to read `data`: `sample_rate_hz`, `iq`, `label`, `group`, `classes`.

    Raises:
        OutputExistsError: `out` exists.
        DataError: `data` has no labelled windows.
        GroundwaveError: a learner that answers all queries together, which no saved head can.
        SplitError: too few labels or groups.
    """
    if out.exists():
        raise OutputExistsError(out)
    make: Any = lookup(LEARNERS, learner, "learner")
    if make.transductive:
        raise GroundwaveError(
            got=f"learner {learner}, which looks at all queries together",
            expected="a learner whose head answers each record by itself",
            do="choose another, such as prototypes",
        )
    base = Model.load(model)
    source = open_any(data, **(options or {}))
    if isinstance(source, Recording) or not (source.labels >= 0).any():
        raise DataError(
            got=f"{data} without labelled records",
            expected="labels to learn from",
            do="name the array of labels of a .npz with --label, or ingest with --label KEY",
        )
    classes, rows = _rows(source.labels, max(MAX_PER_CLASS, PER_SHOT * shots), seed)
    label = torch.searchsorted(classes, source.labels[rows])
    names = tuple(source.classes[c] for c in classes.tolist())
    record = read(source, rows)
    features, came = base.embed(record), _answers(base, record, names)
    drawn = episodes(
        label,
        source.groups[rows],
        num_shots=shots,
        num_episodes=NUM_EPISODES,
        generator=generator(seed, "adapt", "episodes"),
    )
    learners, recalls, befores = [], [], []
    for support, query in drawn:
        learners.append(make().fit({"features": features[support], "label": label[support]}))
        prediction = learners[-1].predict({"features": features[query]}).argmax(dim=-1)
        recalls.append(macro_recall(prediction, label[query]))
        befores += [] if came is None else [macro_recall(came[query], label[query])]
    adapted = base.with_head(learners[0].head_name, learners[0].head, learners[0].head_args(), names)
    recall = interval(recalls).of_shares()
    before = interval(befores).of_shares() if befores else None
    adapted.card = f"{base.card}\n{_card(data, shots, learner, names, recall, before)}"
    adapted.save(out)
    return Adapted(adapted, recall, shots * len(names), before)


def _answers(model: Model, record: Record, names: Sequence[str]) -> Tensor | None:
    """Return what a model's own head answers, as positions in `names` (-1: another class); None where it has none."""
    if model.head is None or isinstance(model.head, Decoder) or not set(model.classes) & set(names):
        return None
    position = torch.tensor([names.index(name) if name in names else -1 for name in model.classes])
    answers: Tensor = position[model.predict(record).argmax(dim=-1)]
    return answers


def _rows(labels: Tensor, most: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return the classes that have labels and at most `most` random rows of each."""
    classes = labels[labels >= 0].unique()
    stream = generator(seed, "adapt", "rows")
    kept = []
    for c in classes:
        rows = (labels == c).nonzero().squeeze(1)
        kept.append(rows[torch.randperm(len(rows), generator=stream)[:most]])
    return classes, torch.cat(kept).sort().values


def _card(
    data: Any, shots: int, learner: str, classes: Sequence[str], recall: Interval, before: Interval | None
) -> str:
    percent = f"{100 * recall.mean:.1f} % ({100 * recall.low:.1f} to {100 * recall.high:.1f}, {recall.n} draws)"
    percent += f", {100 * before.mean:.1f} % with the head before" if before else ""
    labels = f"{shots} labels for each of {len(classes)} classes of {data}"
    return f"## Head\n\nLearner {learner}, {labels}. Macro recall on other groups: {percent}.\n"
