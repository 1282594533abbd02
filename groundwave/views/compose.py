"""Views one after another."""

from collections.abc import Sequence

from torch import Generator

from groundwave.contracts import Record, View
from groundwave.views.answers import ANSWERS


class Compose:
    """Apply views in order, each drawing from the same generator.

    Destroys what any of them destroys; of the rest, maps what any of them maps; keeps the remainder.
    """

    def __init__(self, views: Sequence[View]) -> None:
        self.views = tuple(views)
        self.destroys = frozenset[str]().union(*(view.destroys for view in self.views))
        self.maps = frozenset[str]().union(*(view.maps for view in self.views)) - self.destroys
        self.keeps = ANSWERS - self.maps - self.destroys

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record after all views."""
        for view in self.views:
            record = view(record, generator)
        return dict(record)

    def __repr__(self) -> str:
        return f"Compose({list(self.views)})"
