"""IQ and its spectrogram as two modalities of the same signal."""

from collections.abc import Sequence

import torch
from torch import Tensor

from groundwave.contracts import Record, Source
from groundwave.data.spectrograms import Transform
from groundwave.errors import DataError


class TwoLooks:
    """A `Source` that shows each record of IQ of another one also as `spec`, made of the same samples.

    Whatever a store, a scene or a reader gives, as long as it holds `iq`.

    Args:
        source: of IQ.
        transform: how `spec` is made; `Transform.chosen` checks one.

    Raises:
        DataError: records without IQ, or shorter than the transform needs.
    """

    def __init__(self, source: Source, transform: Transform) -> None:
        self.classes: Sequence[str] = source.classes
        self.group_names: Sequence[str] = getattr(source, "group_names", ())
        self._source, self._transform = source, transform
        size = getattr(source, "num_per_chunk", None)
        if size is not None:
            self.num_per_chunk = size  # what is read together is best asked for together
        record = source[torch.tensor([0])]
        if "iq" not in record or record["iq"].shape[-1] < transform.num_samples:
            held = f"{record['iq'].shape[-1]} samples" if "iq" in record else ", ".join(record)
            raise DataError(
                got=f"records of {held}",
                expected=f"IQ of at least {transform.num_samples} samples",
                do="ask for fewer frames or a smaller hop, or choose records of IQ",
            )

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the records at `indices` (int64 `[B]`); what is left at the end of a long one is in `iq` alone."""
        record = self._source[indices]
        return {**record, **self._transform.cells(record["iq"][..., : self._transform.num_samples])}
