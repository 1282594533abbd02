"""Progress of a long command in the terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class Rate(ProgressColumn):
    """How many a second, of late."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Return the text of this column."""
        return Text(f"{task.speed or 0:,.0f} {self._unit}s/s")


@contextmanager
def bar(title: str, unit: str = "record") -> Iterator[Callable[[int, int], None]]:
    """Show a bar while the block runs; yields what to call with (done, in all)."""
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), Rate(unit), TimeRemainingColumn())
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
