"""What a check of a data set returns: findings, notes, tables, pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from groundwave.page import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Finding:
    """Something wrong with the data, or with what it says about itself.

    Args:
        what: in one sentence.
        evidence: the measurement behind it, in words, with units.
        value: the measurement as a number.
        limit: what `value` must not pass; how is said in docs/audit.md.
        why: what it does to a model or to its score.
        do: the remedy.
        about: classes, or pairs of classes, that are concerned; empty for all.
    """

    what: str
    evidence: str
    value: float
    limit: float
    why: str
    do: str
    about: Sequence[str] = ()


@dataclass(frozen=True)
class Outcome:
    """What one check has to say.

    Args:
        findings: what is wrong; empty for sound data.
        notes: facts, and what could not be measured and why.
        tables: the measurements.
        figures: by caption.
    """

    findings: Sequence[Finding] = ()
    notes: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Mapping[str, "Figure"] = field(default_factory=dict)


def names(items: Sequence[str], most: int = 6) -> str:
    """Return some names in words: the first ones, and how many more there are."""
    rest = len(items) - most
    return ", ".join(items[:most]) + (f" and {rest} more" if rest > 0 else "")
