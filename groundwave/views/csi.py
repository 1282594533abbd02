"""Views of channel state information (`csi`)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record
from groundwave.errors import ContractError
from groundwave.views.answers import keeping


@dataclass(frozen=True)
class CropGains:
    """A part of each record's subcarriers and packets, alike for all its antennas.

    All records of a batch are cut to one of the sizes, which is drawn; each record has a place of its own.

    Args:
        sizes: subcarriers and packets that may be left.
    """

    sizes: Sequence[tuple[int, int]]
    keeps, maps, destroys = keeping()

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record cut; raises `ContractError` on smaller records."""
        csi = record["csi"]
        drawn = torch.randint(len(self.sizes), (), generator=generator, device=generator.device)
        rows, columns = self.sizes[int(drawn)]
        if csi.shape[2] < rows or csi.shape[3] < columns:
            raise ContractError(
                got=f"{csi.shape[2]} subcarriers by {csi.shape[3]} packets",
                expected=f"at least {rows} by {columns}",
                do="crop to less",
            )
        subcarriers, packets = _stretch(csi, 2, rows, generator), _stretch(csi, 3, columns, generator)
        some = csi.take_along_dim(subcarriers[:, None, :, None], 2)
        return {**record, "csi": some.take_along_dim(packets[:, None, None], 3)}


def _stretch(x: Tensor, axis: int, length: int, generator: Generator) -> Tensor:
    """Return the places of a stretch along an axis of each record, int64 `[B, length]`."""
    spare = x.shape[axis] - length
    start = torch.randint(spare + 1, (len(x), 1), generator=generator, device=generator.device)
    return start + torch.arange(length, device=start.device)
