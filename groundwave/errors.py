"""Errors that word their own remedy: *got ...; expected ...; do ...*.

Everything a user can do wrong is a `GroundwaveError`, which is a `ValueError`; the command line prints its text without
a traceback. `assert` is kept for our own invariants.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")


class GroundwaveError(ValueError):
    """A user's mistake or a broken input, told as what we got, what we expected and what to do."""

    def __init__(self, got: str, expected: str, do: str) -> None:
        super().__init__(got, expected, do)
        self.got, self.expected, self.do = got, expected, do

    def __str__(self) -> str:
        return f"got {self.got}; expected {self.expected}; {self.do}"


class DataError(GroundwaveError):
    """A file or an array does not hold what it should."""


class BusyError(DataError):
    """A folder that another process is writing to."""

    def __init__(self, path: object) -> None:
        super().__init__(
            got=f"{path}, which another process is writing to",
            expected="one writer at a time",
            do="wait for it to end, or stop it",
        )


class SplitError(GroundwaveError):
    """A split or an episode that cannot be drawn honestly."""


class ContractError(GroundwaveError):
    """An input that a model's input contract refuses."""


class ModelError(GroundwaveError):
    """A model folder that cannot be trusted or rebuilt."""


class UnknownNameError(GroundwaveError):
    """A name that no table holds; the nearest names are offered."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        nearest = get_close_matches(name, names, n=3, cutoff=0.4)
        super().__init__(
            got=f"unknown {kind} {name!r}",
            expected=f"one of {', '.join(names) or '(none)'}",
            do=f"did you mean {' or '.join(repr(n) for n in nearest)}?" if nearest else "choose one of those",
        )


class OutputExistsError(GroundwaveError):
    """An output path that already holds something we will not overwrite."""

    def __init__(self, path: object) -> None:
        super().__init__(
            got=f"{path}, which already exists",
            expected="a path that does not exist yet",
            do="choose another output path or move the old one away",
        )


def lookup(table: Mapping[str, T], name: str, kind: str) -> T:
    """Return `table[name]`, or raise `UnknownNameError` offering the nearest names."""
    if name not in table:
        raise UnknownNameError(kind, name, table)
    return table[name]
