"""Another record of the same group: what a recording, or a room, knows about itself without any label."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record, Source


class Partner:
    """A loader's transform that adds `partner_NAME` for each modality: what another record of the same group holds.

    A record that is alone in its group, or whose group is unknown, is its own partner.

    Args:
        source: where partners are read from.
        groups: group of each of its records, int64 `[N]`; -1 is unknown.
        indices: the records that may be partners, int64 `[M]`; all by default.
        modalities: what of it is meant, keys of the records such as `iq`, or `rgb` and `depth`.
    """

    def __init__(
        self, source: Source, groups: Tensor, indices: Tensor | None = None, modalities: Sequence[str] = ("iq",)
    ) -> None:
        self._source, self._groups, self._modalities = source, groups, modalities
        chosen = torch.arange(len(groups)) if indices is None else indices.sort().values
        self._members = chosen[groups[chosen].argsort(stable=True)]  # group by group, ascending within each
        by_group = groups[self._members]
        self._first = torch.searchsorted(by_group, groups)
        self._count = torch.searchsorted(by_group, groups, right=True) - self._first

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record with what its partner holds."""
        index = record["index"]
        first, count = self._first[index], self._count[index]
        others = (count - 1).clamp_min(1)
        drawn = first + (torch.rand(len(index), generator=generator) * others).long()
        # Members ascend, so stepping over the record itself leaves the others equally likely.
        drawn = drawn + (self._members[drawn.clamp_max(len(self._members) - 1)] >= index)
        alone = (count < 2) | (self._groups[index] < 0)
        partner = torch.where(alone, index, self._members[torch.where(alone, 0, drawn)])
        held = self._source[partner]
        return {**record, **{f"partner_{name}": held[name] for name in self._modalities}}
