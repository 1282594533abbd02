"""Adapting a model to a question with a few labels, and saying honestly how well it answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundwave.adapt import LEARNERS
from groundwave.adapt.linear import FeatureLearner, Logistic
from groundwave.contracts import Record
from groundwave.data.episodes import episodes
from groundwave.data.recording import Recording
from groundwave.data.split import parted_classes
from groundwave.errors import DataError, GroundwaveError, OutputExistsError, lookup
from groundwave.metrics import Interval, interval, macro_recall
from groundwave.model import Model
from groundwave.nn.dense import Decoder
from groundwave.recipes.inputs import open_any, read
from groundwave.rng import generator
from groundwave.signal.statistics import expert_features

MAX_PER_CLASS = 300  # records embedded per class: enough to score a few shots, however large the store
PER_SHOT = 4  # of more shots: half of the groups lend the labels, and as many records again are left to choose from
NUM_EPISODES = 20


@dataclass(frozen=True)
class Adapted:
    """A model with a head, and what to expect of it: macro recall on other groups over episodes like its own.

    Attributes:
        model: with its head.
        recall: of the head.
        num_labels: that it learned from.
        before: of the head with which the model came, on the same records; None where it had none of these classes.
        beside: of what needs no model, with the same labels on the same records.
        left_out: classes whose records are all of one group, so that nothing could be asked.
    """

    model: Model
    recall: Interval
    num_labels: int
    before: Interval | None = None
    beside: Mapping[str, Interval] = field(default_factory=dict)
    left_out: Sequence[str] = ()


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
    is that of the first draw. Classes with records of one group only are left out. Beside it, for IQ of one antenna,
    stands logistic regression on hand-made features. A model that already tells some of these classes, such as one of
    another front-end, is scored on the same records as it came.

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
    classes, lonely = parted_classes(source.labels, source.groups)
    if len(classes) < 2:
        raise DataError(
            got=f"{data} with {len(classes)} classes that have records of two groups or more",
            expected="two such classes, so that labels and questions can come from different recordings",
            do="name the array of groups with --group, or gather more recordings of each class",
        )
    rows = _rows(source.labels, classes, max(MAX_PER_CLASS, PER_SHOT * shots), seed)
    label = torch.searchsorted(torch.tensor(classes), source.labels[rows])
    names = tuple(source.classes[c] for c in classes)
    drawn = list(
        episodes(
            label,
            source.groups[rows],
            num_shots=shots,
            num_episodes=NUM_EPISODES,
            generator=generator(seed, "adapt", "episodes"),
            names=names,
        )
    )
    record = read(source, rows)
    came = _answers(base, record, names)
    learners, recall = _taught(make, base.embed(record), label, drawn)
    before = None if came is None else _score([came[query] for _, query in drawn], label, drawn)
    adapted = base.with_head(learners[0].head_name, learners[0].head, learners[0].head_args(), names)
    adapted.card = f"{base.card}\n{_card(data, shots, learner, names, recall, before)}"
    adapted.save(out)
    left_out = [source.classes[c] for c in lonely]
    return Adapted(adapted, recall, shots * len(names), before, _beside(record, label, drawn), left_out)


def _taught(
    make: Callable[[], FeatureLearner], features: Tensor, label: Tensor, drawn: Sequence[tuple[Tensor, Tensor]]
) -> tuple[list[FeatureLearner], Interval]:
    """Return what learned from each draw's support, and how well it answers the queries."""
    learners = [make().fit({"features": features[support], "label": label[support]}) for support, _ in drawn]
    asked = zip(learners, drawn, strict=True)
    answers = [learner.predict({"features": features[query]}).argmax(dim=-1) for learner, (_, query) in asked]
    return learners, _score(answers, label, drawn)


def _score(answers: Sequence[Tensor], label: Tensor, drawn: Sequence[tuple[Tensor, Tensor]]) -> Interval:
    """Return the macro recall of the answers to each draw's queries."""
    asked = zip(answers, drawn, strict=True)
    return interval([macro_recall(answer, label[query]) for answer, (_, query) in asked]).of_shares()


def _beside(record: Record, label: Tensor, drawn: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Interval]:
    """Return how well the same labels do without a model: with hand-made features, where the records are of IQ."""
    iq = record.get("iq")
    if iq is None or iq.dim() != 2:
        return {}
    return {"features + logistic": _taught(Logistic, expert_features(iq), label, drawn)[1]}


def _answers(model: Model, record: Record, names: Sequence[str]) -> Tensor | None:
    """Return what a model's own head answers, as positions in `names` (-1: another class); None where it has none."""
    if model.head is None or isinstance(model.head, Decoder) or not set(model.classes) & set(names):
        return None
    position = torch.tensor([names.index(name) if name in names else -1 for name in model.classes])
    answers: Tensor = position[model.predict(record).argmax(dim=-1)]
    return answers


def _rows(labels: Tensor, classes: Sequence[int], most: int, seed: int) -> Tensor:
    """Return at most `most` random rows of each class, ascending."""
    stream = generator(seed, "adapt", "rows")
    kept = []
    for c in classes:
        rows = (labels == c).nonzero().squeeze(1)
        kept.append(rows[torch.randperm(len(rows), generator=stream)[:most]])
    return torch.cat(kept).sort().values


def _card(
    data: Any, shots: int, learner: str, classes: Sequence[str], recall: Interval, before: Interval | None
) -> str:
    percent = f"{100 * recall.mean:.1f} % ({100 * recall.low:.1f} to {100 * recall.high:.1f}, {recall.n} draws)"
    percent += f", {100 * before.mean:.1f} % with the head before" if before else ""
    labels = f"{shots} labels for each of {len(classes)} classes of {data}"
    return f"## Head\n\nLearner {learner}, {labels}. Macro recall on other groups: {percent}.\n"
