"""Records of several modalities in one batch."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from groundwave.contracts import Record, Source


class SideBySide:
    """A `Source` whose record i holds record i of each of several sources, one a modality; they share nothing else.

    It is as long as the longest; the others begin anew where they end.

    Args:
        sources: by modality, which is the key that is taken from each.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self.classes: Sequence[str] = ()
        self._sources = dict(sources)
        sizes = [size for source in sources.values() if (size := getattr(source, "num_per_chunk", None))]
        self.num_per_chunk = max(sizes, default=None)  # what is read together is best asked for together

    def __len__(self) -> int:
        return max(len(source) for source in self._sources.values())

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the records at `indices` (int64 `[B]`)."""
        rows = {name: source[indices % len(source)][name] for name, source in self._sources.items()}
        return {**rows, "index": torch.as_tensor(indices)}
