"""Boxes of a mask against flood fill, cell by cell; and piece by piece against the whole."""

import numpy as np
import pytest

from groundwave.deploy.boxes import Box, GrowingBoxes, boxes_from_mask


def flood(mask: np.ndarray, confidence: np.ndarray, min_cells: int, corners: bool = True) -> list[Box]:
    """Return the boxes by looking at one cell after another."""
    left, found = {(f, t) for f, t in np.argwhere(mask > 0).tolist()}, []
    steps = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0) and (corners or a * b == 0)]
    while left:
        patch, queue = [], [left.pop()]
        while queue:
            f, t = queue.pop()
            patch.append((f, t))
            for near in [(f + a, t + b) for a, b in steps]:
                if near in left and mask[near] == mask[f, t]:
                    left.remove(near)
                    queue.append(near)
        rows, frames = zip(*patch, strict=True)
        if len(patch) >= min_cells:
            size = (min(rows), max(rows) + 1, min(frames), max(frames) + 1)
            mean = float(np.mean([confidence[cell] for cell in patch]))
            found.append(Box(int(mask[patch[0]]), *size, len(patch), mean))
    return in_order(found)


def in_order(boxes: list[Box]) -> list[tuple[object, ...]]:  # type: ignore[type-arg]
    rounded = [(b.start, b.low, b.label, b.stop, b.high, b.num_cells, round(b.confidence, 9)) for b in boxes]
    return sorted(rounded)


def drawn(seed: int, density: float, num_classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    mask = draw.integers(1, num_classes + 1, (14, 40)) * (draw.random((14, 40)) < density)
    return mask.astype(np.uint8), draw.random((14, 40))


@pytest.mark.parametrize("min_cells", [1, 4])
@pytest.mark.parametrize("density", [0.2, 0.45, 0.7])
@pytest.mark.parametrize("seed", range(3))
def test_they_are_those_of_flood_fill(seed: int, density: float, min_cells: int) -> None:
    mask, confidence = drawn(seed, density)
    assert in_order(boxes_from_mask(mask, confidence, min_cells=min_cells)) == flood(mask, confidence, min_cells)


@pytest.mark.parametrize("width", [1, 2, 7, 39])
@pytest.mark.parametrize("density", [0.2, 0.45, 0.7])
@pytest.mark.parametrize("seed", range(3))
def test_piece_by_piece_they_are_those_of_the_whole(seed: int, density: float, width: int) -> None:
    mask, confidence = drawn(seed, density)
    growing, found = GrowingBoxes(min_cells=3), []
    for first in range(0, 40, width):
        found += growing.add(mask[:, first : first + width], confidence[:, first : first + width])
    found += growing.end()
    assert in_order(found) == flood(mask, confidence, 3)


def test_a_twin_without_corners_is_caught() -> None:
    mask, confidence = drawn(0, 0.45)
    assert in_order(boxes_from_mask(mask, confidence, min_cells=1)) != flood(mask, confidence, 1, corners=False)


def test_legs_that_meet_later_are_one_patch_and_specks_are_dropped() -> None:
    mask = np.zeros((9, 20), dtype=np.uint8)
    mask[2:4, 3:12] = mask[6:8, 3:12] = 1
    mask[2:8, 12:14] = 1
    mask[0, 17] = 2
    (box,) = boxes_from_mask(mask)
    assert (box.label, box.low, box.high, box.start, box.stop, box.num_cells) == (1, 2, 8, 3, 14, 48)
    assert box.confidence == 1
    growing = GrowingBoxes()
    pieces = [growing.add(mask[:, first : first + 5]) for first in range(0, 20, 5)]
    assert [len(piece) for piece in pieces] == [0, 0, 1, 0]
    assert growing.end() == []


def test_a_mask_of_noise_has_no_box() -> None:
    assert boxes_from_mask(np.zeros((4, 5), dtype=np.uint8)) == []
