"""The course of a tuning: after each epoch a point on validation, and the weights of the best one; both on disk."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors.torch import load_file, save

from groundwave.adapt.answering import Answering
from groundwave.atomic import write_atomically
from groundwave.contracts import Source

AT_ONCE = 32  # examples that are validated together


@dataclass(frozen=True)
class Point:
    """What was known after an epoch.

    Args:
        epoch: from 0.
        seconds: of training so far: what a frozen backbone computes once, and all steps; without validation.
        scores: on validation, by name.
    """

    epoch: int
    seconds: float
    scores: Mapping[str, float]


def best_of(points: Sequence[Point], score: str) -> Point:
    """Return the first point with the highest score; one that has none counts as lowest."""
    return max(points, key=lambda point: point.scores.get(score, -math.inf))


def read_curve(folder: Path) -> tuple[Point, ...]:
    """Return the points of a run so far."""
    path = folder / "curve.json"
    return tuple(Point(**entry) for entry in json.loads(path.read_text())) if path.exists() else ()


class Course:
    """Validates after each epoch and keeps the best weights.

    Args:
        objective: what is trained.
        check: the validation examples.
        folder: of the run.
        before: seconds of training before the first epoch.
        narrow: whether to multiply in bfloat16.
    """

    def __init__(self, objective: Answering, check: Source, folder: Path, before: float, narrow: bool) -> None:
        self._objective, self._check, self._folder = objective, check, folder
        self._before, self._narrow = before, narrow

    def note(self, epoch: int, seconds: float) -> None:
        """Add the point of an epoch, in place of what an interrupted run knew of it; keep its weights if best."""
        earlier = read_curve(self._folder)[:epoch]
        spent = (earlier[-1].seconds if earlier else self._before) + seconds
        scores = self._objective.scores(self._check, AT_ONCE, self._narrow)
        point = Point(epoch, round(spent, 3), {name: value for name, value in scores.items() if math.isfinite(value)})
        if best_of([*earlier, point], self._objective.task.chosen_by) is point:
            state = {name: value.contiguous().cpu() for name, value in self._objective.network.state_dict().items()}
            write_atomically(self._folder / "best.safetensors", save(state))
        text = json.dumps([asdict(p) for p in (*earlier, point)], indent=1)
        write_atomically(self._folder / "curve.json", text.encode())

    def recall(self) -> None:
        """Give the network the weights of the best epoch."""
        self._objective.network.load_state_dict(load_file(self._folder / "best.safetensors"))
