"""Where a recipe keeps what it makes."""

from dataclasses import dataclass
from pathlib import Path

from groundwave.bench.cells import Sheet


@dataclass(frozen=True, kw_only=True)
class Place:
    """The file of rows and the folder of runs of a recipe; those of a rehearsal lie apart, and get into no table.

    Args:
        name: of the recipe and its file of rows.
        results: folder of the file of rows.
        runs: folder of whatever else is made: models, records, pictures.
        smoke: whether this is a rehearsal, as small as can be: all of it goes below RUNS/smoke.
    """

    name: str
    results: Path
    runs: Path
    smoke: bool

    @property
    def home(self) -> Path:
        """The folder of runs."""
        return self.runs / "smoke" if self.smoke else self.runs

    @property
    def path(self) -> Path:
        """The file of rows."""
        return (self.home / "results" if self.smoke else self.results) / f"{self.name}.jsonl"

    def sheet(self) -> Sheet:
        """Return the rows that there are, to be filled further."""
        return Sheet(self.path, self.name)
