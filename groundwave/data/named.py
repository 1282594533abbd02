"""A source that knows the names of its classes and groups: what every reader gives."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from groundwave.contracts import Record


class NamedSource(Protocol):
    """A source that knows its group names."""

    @property
    def classes(self) -> Sequence[str]:
        """Class names."""
        ...

    @property
    def group_names(self) -> Sequence[str]:
        """Group names."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Tensor) -> Record: ...
