"""From the class of each cell to boxes: connected cells of a class, joined from one stretch of time to the next."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

MIN_CELLS = 9  # three by three: smaller patches are more often an error than an emitter

Cells = npt.NDArray[np.integer]
NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class Box:
    """The cells that a patch of a class spans: rows `low` to `high` - 1, frames `start` to `stop` - 1.

    Args:
        label: its class.
        low: its lowest row.
        high: the row above its highest.
        start: its first frame.
        stop: the frame after its last.
        num_cells: how many cells it holds.
        confidence: mean over them.
    """

    label: int
    low: int
    high: int
    start: int
    stop: int
    num_cells: int
    confidence: float

    def joined(self, other: "Box") -> "Box":
        """Return the box of both patches together."""
        num_cells = self.num_cells + other.num_cells
        total = self.num_cells * self.confidence + other.num_cells * other.confidence
        return Box(
            label=self.label,
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            start=min(self.start, other.start),
            stop=max(self.stop, other.stop),
            num_cells=num_cells,
            confidence=total / num_cells,
        )


def boxes_from_mask(
    mask: Cells, confidence: npt.NDArray[np.floating] | None = None, *, min_cells: int = MIN_CELLS
) -> list[Box]:
    """Return the boxes of a mask `[freq, frames]`: one for each patch of at least `min_cells` cells of a class.

    Cells that touch, if only at a corner, are one patch. Class 0 is noise and has no boxes. They come ordered by start,
    then by frequency.

    Args:
        mask: class of each cell.
        confidence: of each cell; 1 by default.
        min_cells: smaller patches are dropped.
    """
    growing = GrowingBoxes(min_cells)
    return sorted([*growing.add(mask, confidence), *growing.end()], key=lambda box: (box.start, box.low, box.label))


class GrowingBoxes:
    """Boxes of a mask that comes piece by piece in time; they are those of the whole, but nothing of it is kept.

    Args:
        min_cells: smaller patches are dropped.
    """

    def __init__(self, min_cells: int = MIN_CELLS) -> None:
        self.min_cells = min_cells
        self._num_frames = 0
        self._edge: list[int] = []  # the patch of each row in the last frame, by its number; -1: none
        self._classes: Cells = np.zeros(0, dtype=np.uint8)  # the last frame
        self._open: dict[int, Box] = {}  # patches that reach into the last frame
        self._next = 0

    def add(self, mask: Cells, confidence: npt.NDArray[np.floating] | None = None) -> list[Box]:
        """Take the next frames `[freq, frames]` and return the boxes of the patches that have ended."""
        if not len(self._classes):
            self._classes, self._edge = np.zeros(len(mask), mask.dtype), [-1] * len(mask)
        weight = np.ones(mask.shape) if confidence is None else np.asarray(confidence, dtype=np.float64)
        before, edge = self._open, [-1] * len(mask)
        self._open = {}
        grown: dict[int, int] = {}  # where a patch of before, or of now, has gone
        patches: dict[int, Box] = dict(before)
        joined = np.concatenate([self._classes[:, None], mask], axis=1)
        for label in np.unique(joined[joined > 0]).tolist():
            numbers, _ = ndimage.label(joined == label, NEIGHBOURS)
            names = self._measure(label, numbers[:, 1:], weight, patches)
            for row in np.flatnonzero(numbers[:, 0]).tolist():
                name = names.get(int(numbers[row, 0]))
                if name is not None:
                    _unite(patches, grown, name, self._edge[row])
            for row in np.flatnonzero(numbers[:, -1]).tolist():
                edge[row] = names[int(numbers[row, -1])]
        self._edge = [_find(grown, name) if name >= 0 else -1 for name in edge]
        self._open = {name: patches.pop(name) for name in set(self._edge) - {-1}}
        self._classes, self._num_frames = mask[:, -1], self._num_frames + mask.shape[1]
        return self._large(patches.values())

    def end(self) -> list[Box]:
        """Return the boxes of the patches that the last frame has cut off."""
        return self._large(self._open.values())

    def _large(self, boxes: Iterable[Box]) -> list[Box]:
        return [box for box in boxes if box.num_cells >= self.min_cells]

    def _measure(
        self, label: int, numbers: Cells, weight: npt.NDArray[np.float64], patches: dict[int, Box]
    ) -> dict[int, int]:
        """Add the boxes of numbered patches of a class, and return the names that they go by."""
        counts = np.bincount(numbers.ravel())
        totals = np.bincount(numbers.ravel(), weight.ravel())
        names = {}
        for number, place in _places(numbers):
            rows, frames = place
            first = self._num_frames
            patches[self._next] = Box(
                label=label,
                low=rows.start,
                high=rows.stop,
                start=first + frames.start,
                stop=first + frames.stop,
                num_cells=int(counts[number]),
                confidence=float(totals[number] / counts[number]),
            )
            names[number] = self._next
            self._next += 1
        return names


def _places(numbers: Cells) -> Iterator[tuple[int, tuple[slice, slice]]]:
    for number, place in enumerate(ndimage.find_objects(numbers), start=1):
        if place is not None:
            yield number, place


def _find(grown: dict[int, int], name: int) -> int:
    """Return the name of the patch that `name` is part of by now."""
    while name in grown:
        name = grown[name]
    return name


def _unite(patches: dict[int, Box], grown: dict[int, int], one: int, other: int) -> None:
    """Make one patch of two, unless they are one already."""
    one, other = _find(grown, one), _find(grown, other)
    if one != other:
        patches[one] = patches[one].joined(patches.pop(other))
        grown[other] = one
