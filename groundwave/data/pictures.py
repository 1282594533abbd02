"""Pictures in colour and depth as a source: read when they are asked for, brought to one size."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from groundwave.contracts import Record
from groundwave.errors import DataError
from groundwave.signal.depth_sensor import fill_missing

HEIGHT, WIDTH = 48, 64  # a tenth of what Kinects deliver
Colours = npt.NDArray[np.uint8]
Depths = npt.NDArray[np.float32]


class Pictures:
    """A `Source` of `rgb` `[B, 3, height, width]`, 0 to 1, and `depth` `[B, 1, height, width]` in metres.

    A picture of other proportions loses its edges. A pixel is the mean of those that it stands for, of depths the mean
    of those that are known; where none is, depth is NaN.

    Args:
        read: from a row to its colours `[rows, columns, 3]` and depths `[rows, columns]`, NaN where unknown.
        labels: class of each pair.
        groups: what a split must not tear apart.
        classes: names that labels index.
        group_names: names that groups index.
        size: rows and columns of the pictures that are given.
        fill: give what is unknown the mean of its neighbours.
    """

    def __init__(
        self,
        read: Callable[[int], tuple[Colours, Depths]],
        *,
        labels: npt.NDArray[Any],
        groups: npt.NDArray[Any],
        classes: Sequence[str],
        group_names: Sequence[str],
        size: tuple[int, int],
        fill: bool,
    ) -> None:
        if min(size) < 1:
            raise DataError(f"pictures of {size[1]} by {size[0]} pixels", "at least 1 by 1", "correct the size")
        self.labels, self.groups = torch.as_tensor(labels).long(), torch.as_tensor(groups).long()
        self.classes, self.group_names = tuple(classes), tuple(group_names)
        self._read, self._size, self._fill = read, size, fill

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the pairs at `indices` (int64 `[B]`); raises `DataError` for a broken one."""
        rows = indices.reshape(-1)
        pairs = [self._read(row) for row in rows.tolist()]
        empty = torch.empty(0, 1, *self._size)
        rgb = [shrunk(torch.from_numpy(colours).movedim(-1, 0) / 255, self._size) for colours, _ in pairs]
        depth = [shrunk(torch.from_numpy(depths)[None], self._size) for _, depths in pairs]
        known = torch.stack(depth) if depth else empty
        return {
            "rgb": torch.stack(rgb) if rgb else empty.expand(-1, 3, -1, -1),
            "depth": fill_missing(known) if self._fill else known,
            "label": self.labels[rows],
            "group": self.groups[rows],
            "snr_db": torch.full((len(rows),), torch.nan),
            "sample_rate_hz": torch.full((len(rows),), torch.nan, dtype=torch.float64),
            "index": rows,
        }


def shrunk(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Return `[channel, rows, columns]` in another size, the mean of what is known (not NaN) in each new pixel.

    What sticks out of the new proportions is cut away, as much on either side.
    """
    rows, columns = x.shape[-2:]
    height = min(rows, max(1, round(columns * size[0] / size[1])))
    width = min(columns, max(1, round(rows * size[1] / size[0])))
    top, left = (rows - height) // 2, (columns - width) // 2
    part = x[..., top : top + height, left : left + width]
    share = functional.adaptive_avg_pool2d((~part.isnan()).to(part.dtype), size)
    total = functional.adaptive_avg_pool2d(part.nan_to_num(0), size)
    return torch.where(share > 0, total / share, torch.nan)
