"""What the fields of a JSON object may hold: checked where it is opened, so that nothing later meets a wrong type."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groundwave.errors import DataError

_LARGEST = 1e300  # beyond any quantity, and a whole number of any length can be compared with it


@dataclass(frozen=True)
class Kind:
    """What a value must be, in words and as a test."""

    words: str
    fits: Callable[[Any], bool]

    def or_null(self) -> "Kind":
        """Return a kind that also takes null."""
        return Kind(f"{self.words}, or null", lambda value: value is None or self.fits(value))

    def each(self) -> "Kind":
        """Return the kind of a list of such values."""
        return Kind(
            f"a list, each entry {self.words}",
            lambda value: isinstance(value, list) and all(map(self.fits, value)),
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


TEXT = Kind("text", lambda value: isinstance(value, str))
OBJECT = Kind("an object", lambda value: isinstance(value, dict))
NUMBER = Kind("a finite number", _is_number)
POSITIVE = Kind("a positive number", lambda value: _is_number(value) and value > 0)
WHOLE = Kind("a whole number, at least 0", lambda value: _is_whole(value, 0))
COUNT = Kind("a whole number, at least 1", lambda value: _is_whole(value, 1))


def one_of(names: Sequence[str]) -> Kind:
    """Return the kind of text that is one of `names`."""
    return Kind(f"one of {', '.join(names)}", lambda value: value in names)


def check_fields(
    fields: Mapping[str, Any], kinds: Mapping[str, Kind], where: str, *, required: Sequence[str] = (), do: str
) -> None:
    """Raise `DataError` for the first field of `fields`, an object found at `where`, that is missing or of no kind."""
    for name, kind in kinds.items():
        if name not in fields and name not in required:
            continue
        if name not in fields or not kind.fits(fields[name]):
            found = f"{name} {fields[name]!r:.60}" if name in fields else f"no {name}"
            raise DataError(got=f"{where} with {found}", expected=kind.words, do=do)
