"""What the methods of a recipe answer to the same few records, kept on disk until it is drawn side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from groundwave.atomic import write_atomically
from groundwave.bench.cells import Cell
from groundwave.bench.contest import Setting
from groundwave.bench.rows import hash_config
from groundwave.bench.tuning import Answer
from groundwave.contracts import Task
from groundwave.recipes.spectrogram_sets import Field

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUM = 3  # records


@dataclass(frozen=True)
class Exhibit:
    """The answers of one seed and one number of labels.

    Args:
        field: of the recipe.
        task: what is asked.
        count: how many labels were learned from, where methods differ in that.
        taken: from probabilities `[B, classes, freq, time]` to what is drawn of them.
    """

    field: Field
    task: Task
    count: int | None
    taken: Callable[[Tensor], Tensor]

    def note(self, cell: Cell, answer: Answer, setting: Setting) -> None:
        """Keep what a method answers to a few test records; answers of other seeds and counts pass by."""
        if self._shows(cell):
            rows = self._rows(setting)
            answers = self.taken(answer(self.task.observed(setting.source[rows])).float().cpu())
            path = self._path(cell, setting, rows)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, save({"answer": answers.contiguous()}))

    def hang(
        self, cells: Sequence[Cell], setting: Setting, draw: "Callable[[Tensor, Mapping[str, Tensor]], Figure]"
    ) -> None:
        """Draw the truth and the answers of these cells that there are, in their order, and hang up the picture."""
        rows = self._rows(setting)
        paths = {cell.method: self._path(cell, setting, rows) for cell in cells if self._shows(cell)}
        answers = {method: load_file(path)["answer"] for method, path in paths.items() if path.exists()}
        if answers:
            record = setting.source[rows]
            seen = self.task.observed(record)["spec"]
            self.field.hang("answers", draw(seen, {"truth": self.task.target(record), **answers}))

    def _shows(self, cell: Cell) -> bool:
        return (cell.seed, cell.shots) == (self.field.seeds[0], self.count)

    def _rows(self, setting: Setting) -> Tensor:
        """Return the test records to draw: the first ones that show most of the classes, most of the others, ..."""
        targets = self.task.target(setting.source[setting.plan.query])
        return setting.plan.query[varied(targets, len(self.task.classes), NUM)]

    def _path(self, cell: Cell, setting: Setting, rows: Tensor) -> Path:
        """Return where an answer lies, by all that shaped it: settings, labels, seed and the records that are asked."""
        shaped = hash_config({"cell": cell.key(), "plan": setting.plan.hash(), "rows": rows.tolist()})
        name = f"{cell.method}-seed-{cell.seed}-{shaped}.safetensors"
        return self.field.home / "answers" / self.field.name / name


def varied(targets: Tensor, num_classes: int, num: int) -> Tensor:
    """Return the places of `num` targets `[B, ...]` that together show as many classes as can be, and often."""
    shown = torch.stack([(targets == c).flatten(1).any(dim=1) for c in range(num_classes)], dim=1)
    times, chosen = torch.zeros(num_classes), list[int]()
    for _ in range(min(num, len(targets))):
        worth = (shown / 2.0**times).sum(dim=1)  # a class is worth half of what it was each time that it was shown
        worth[chosen] = -1.0
        chosen.append(int(worth.argmax()))
        times += shown[chosen[-1]]
    return torch.tensor(chosen)
