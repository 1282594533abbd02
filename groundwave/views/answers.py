"""What a view may do to an answer, and the check that refuses a view which destroys the one we are after."""

from collections.abc import Iterable

from groundwave.contracts import View
from groundwave.errors import GroundwaveError

# `device` is one transmitter, known by its own offset and distortion; `family` is its kind, known by rates and pulses.
ANSWERS = frozenset({"modulation", "device", "family", "angle", "beam", "sideband", "snr"})


def keeping(*, maps: Iterable[str] = (), destroys: Iterable[str] = ()) -> tuple[frozenset[str], ...]:
    """Return (keeps, maps, destroys): every answer that is not named is kept."""
    mapped, destroyed = frozenset(maps), frozenset(destroys)
    return ANSWERS - mapped - destroyed, mapped, destroyed


def check_views(views: Iterable[View], answer: str) -> None:
    """Raise `GroundwaveError` if a view destroys `answer`, or changes it in a way that labels do not follow."""
    if answer not in ANSWERS:
        raise GroundwaveError(f"answer {answer!r}", f"one of {', '.join(sorted(ANSWERS))}", "name one of those")
    for view in views:
        for verb, answers in (("destroys", view.destroys), ("changes", view.maps)):
            if answer in answers:
                raise GroundwaveError(
                    got=f"view {type(view).__name__}, which {verb} {answer}",
                    expected=f"views that keep {answer}",
                    do=f"leave {type(view).__name__} out",
                )
