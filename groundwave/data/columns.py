"""Columns: what each record has one value of (label, group, SNR, ...)."""

from collections.abc import Sequence
from typing import overload

from groundwave.errors import DataError


class Numerals(Sequence[str]):
    """The names "0", "1", ... of things that have numbers only, without a list of them."""

    def __init__(self, count: int) -> None:
        self._numbers = range(count)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, key: int) -> str: ...

    @overload
    def __getitem__(self, key: slice) -> Sequence[str]: ...

    def __getitem__(self, key: int | slice) -> str | Sequence[str]:
        """Return a name, or a list of some."""
        chosen = self._numbers[key]
        return str(chosen) if isinstance(chosen, int) else [str(number) for number in chosen]


def uneven(name: str, shape: Sequence[int], num_records: int) -> DataError:
    """Return the error of a column of this shape that does not have one value for each record."""
    return DataError(
        got=f"{name} values of shape {list(shape)} for {num_records} records",
        expected="one for each record",
        do=f"check that `{name}` and the others come from the same file",
    )
