"""What the methods of a recipe answer to the same few records, kept on disk until it is drawn side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import load_file, save
from torch import Tensor

from groundwave.atomic import write_atomically
from groundwave.bench.cells import Cell
from groundwave.bench.contest import Setting
from groundwave.bench.tuning import Answer
from groundwave.contracts import Record, Task
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
        """Keep what a method answers to the first test records; answers of other seeds and counts pass by."""
        if (setting.seed, cell.shots) != (self.field.seeds[0], self.count):
            return
        record = setting.source[setting.plan.query[:NUM]]
        target = self.task.target(record)
        seen = self.task.observed(record)["spec"]
        self._write("records", {"spec": seen, "target": target})
        self._write(cell.method, {"answer": self.taken(answer(self.task.observed(record)).float().cpu())})

    def hang(self, titles: Sequence[str], draw: "Callable[[Tensor, Mapping[str, Tensor]], Figure]") -> None:
        """Draw the truth and all answers that there are, in the order of the titles, and hang up the picture."""
        answers = {title: load_file(path)["answer"] for title in titles if (path := self._path(title)).exists()}
        if answers:
            records = load_file(self._path("records"))
            self.field.hang("answers", draw(records["spec"], {"truth": records["target"], **answers}))

    def _path(self, title: str) -> Path:
        return self.field.home / "answers" / self.field.name / f"{title}.safetensors"

    def _write(self, title: str, record: Record) -> None:
        path = self._path(title)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save({name: x.contiguous() for name, x in record.items()}))
