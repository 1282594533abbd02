"""Furnishings of rooms: which boxes stand where. The table `FURNISHINGS`."""

from collections.abc import Callable, Mapping

import torch
from torch import Generator, Tensor

from groundwave.signal.raycast import Boxes

MOST_PIECES = 10

Piece = tuple[object, ...]  # x, y, z of the centre, half width, length and height, and the turn: numbers or `[room]`


def furnish(kind: Tensor, size: Tensor, draw: Generator) -> Boxes:
    """Return the furniture of rooms: as many boxes for each, those that a furnishing does not need without size.

    Args:
        kind: number of each room's furnishing in `FURNISHINGS`, `[room]`.
        size: of each room, `[room, 3]`; the camera looks from y = 0 to the far wall.
        draw: where pieces stand, and how large they are.
    """
    drawn = torch.rand((len(kind), MOST_PIECES), generator=draw)  # the same draws whatever stands there
    table = torch.zeros(len(FURNISHINGS), len(kind), MOST_PIECES, 7)
    for number, layout in enumerate(FURNISHINGS.values()):
        for place, piece in enumerate(layout(size, drawn)):
            for column, value in enumerate(piece):
                table[number, :, place, column] = torch.as_tensor(value)
    chosen = table[kind, torch.arange(len(kind))]
    return Boxes(chosen[..., :3], chosen[..., 3:6], chosen[..., 6])


def _between(low: float, high: float, share: Tensor) -> Tensor:
    return low + (high - low) * share


def _bed(size: Tensor, u: Tensor) -> list[Piece]:
    """Return a bed with its head at the far wall, pillows, two night tables, a chest at a side wall, and a bench."""
    x, far = _between(0.35, 0.65, u[:, 0]) * size[:, 0], size[:, 1]
    half, length = _between(0.7, 1.0, u[:, 1]), _between(0.95, 1.1, u[:, 2])
    beside = half + 0.35
    side = torch.where(u[:, 3] < 0.5, 0.25, size[:, 0] - 0.25)
    return [
        (x, far - length - 0.1, 0.27, half, length, 0.27, 0),
        (x, far - 0.05, 0.55, half + 0.05, 0.05, 0.55, 0),
        (x - half / 2, far - 0.35, 0.6, 0.3, 0.2, 0.08, 0),
        (x + half / 2, far - 0.35, 0.6, 0.3, 0.2, 0.08, 0),
        (x - beside, far - 0.25, 0.28, 0.25, 0.22, 0.28, 0),
        (x + beside, far - 0.25, 0.28, 0.25, 0.22, 0.28, 0),
        (side, far - _between(1.2, 2.0, u[:, 4]), 0.45, 0.25, 0.5, 0.45, 0),
        (x, far - 2 * length - 0.4, 0.22, 0.5, 0.2, 0.22, 0),
    ]


def _shelves(size: Tensor, u: Tensor) -> list[Piece]:
    """Return tall units along both side walls and an island in the middle."""
    wide, far = size[:, 0], size[:, 1]
    high = _between(0.8, 1.05, u[:, 0])
    along = [far - 0.6 - 1.15 * n for n in range(3)]
    left = [(0.2, y, high, 0.18, 0.5, high, 0) for y in along]
    right = [(wide - 0.2, y, high, 0.18, 0.5, high, 0) for y in along]
    x, turn = _between(0.4, 0.6, u[:, 1]) * wide, _between(-0.3, 0.3, u[:, 2])
    return [*left, *right, (x, far - _between(1.2, 1.9, u[:, 3]), 0.65, 0.2, 0.6, 0.65, turn)]


def _table(size: Tensor, u: Tensor) -> list[Piece]:
    """Return a table in the middle with four chairs at it."""
    x, y = _between(0.4, 0.6, u[:, 0]) * size[:, 0], size[:, 1] - _between(1.5, 2.0, u[:, 1])
    half, length = _between(0.7, 1.0, u[:, 2]), _between(0.4, 0.55, u[:, 3])
    pieces: list[Piece] = [(x, y, 0.73, half, length, 0.03, 0), (x, y, 0.35, 0.15, 0.15, 0.35, 0)]
    for place, side in enumerate((-0.5, 0.5)):
        for row in (-1, 1):
            slip = _between(0.1, 0.35, u[:, 4 + place])
            at = y + row * (length + slip)
            pieces += [(x + side * half, at, 0.23, 0.2, 0.2, 0.23, 0)]
            pieces += [(x + side * half, at + 0.18 * row, 0.68, 0.2, 0.03, 0.24, 0)]
    return pieces


def _counter(size: Tensor, u: Tensor) -> list[Piece]:
    """Return a counter along the far wall and one side, cupboards above it, and a tall cabinet in the other corner."""
    wide, far = size[:, 0], size[:, 1]
    half, right = 0.5 * wide - 0.4, u[:, 0] < 0.5
    shift = torch.where(right, 0.35, -0.35)
    corner, side = torch.where(right, 0.35, wide - 0.35), torch.where(right, wide - 0.3, 0.3)
    deep = _between(0.6, 0.9, u[:, 1])
    return [
        (wide / 2 + shift, far - 0.3, 0.45, half, 0.3, 0.45, 0),
        (wide / 2 + shift, far - 0.17, _between(1.75, 1.9, u[:, 2]), half * 0.8, 0.17, 0.28, 0),
        (corner, far - 0.35, 0.95, 0.33, 0.33, 0.95, 0),
        (side, far - 0.6 - deep, 0.45, 0.3, deep, 0.45, 0),
        (wide / 2, far - _between(1.7, 2.1, u[:, 3]), 0.45, 0.6, 0.3, 0.45, 0),
    ]


def _rows(size: Tensor, u: Tensor) -> list[Piece]:
    """Return three rows of benches across the room, with a back each, and a desk before the far wall."""
    wide, far = size[:, 0], size[:, 1]
    half, step = 0.5 * wide - _between(0.5, 0.8, u[:, 0]), _between(0.7, 0.8, u[:, 1])
    pieces: list[Piece] = [(_between(0.35, 0.65, u[:, 2]) * wide, far - 0.45, 0.5, 0.5, 0.25, 0.5, 0)]
    for n in range(3):
        y = far - 1.15 - n * step
        pieces += [(wide / 2, y, 0.22, half, 0.18, 0.22, 0), (wide / 2, y - 0.2, 0.45, half, 0.03, 0.45, 0)]
    return pieces


FURNISHINGS: Mapping[str, Callable[[Tensor, Tensor], list[Piece]]] = {
    "bed": _bed,
    "shelves": _shelves,
    "table": _table,
    "counter": _counter,
    "rows": _rows,
}
