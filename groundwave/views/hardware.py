"""A view through other hardware: beams as another front-end would have coloured them."""

from dataclasses import dataclass

import torch
from torch import Generator

from groundwave.contracts import Record
from groundwave.signal.ripple import apply_ripple, draw_ripple
from groundwave.views.answers import keeping


@dataclass(frozen=True)
class OtherFrontEnd:
    """Filter the records of each `label` of a batch alike, as if another front-end had sent them.

    What tells beams apart on one front-end is what its elements make of each of them, so another front-end colours each
    beam in a way of its own. Records without a label have a filter each. Filters are draws of `draw_ripple` whose size
    is uniform from none to `ripple_db`; convolution is circular. An objective that learns from episodes meets new
    front-ends that way; one that learns what a label looks like would be told of another label each time.

    Args:
        ripple_db: how far gains may rise above 0 dB.
        num_echoes: of each filter, half of them early; delays are 1 to half of them samples.
    """

    ripple_db: float = 3.0
    num_echoes: int = 16
    keeps, maps, destroys = keeping(maps={"beam"}, destroys={"device"})

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record through the filters of a front-end that is drawn for this batch."""
        iq = record["iq"]
        label = record.get("label", torch.full((len(iq),), -1, device=iq.device))
        alike = (label[:, None] == label) & (label >= 0) | torch.eye(len(iq), dtype=torch.bool, device=iq.device)
        first = alike.int().argmax(dim=1)  # of the records of its label; its filter is that of all of them
        size = self.ripple_db * torch.rand(len(iq), generator=generator, device=generator.device)
        taps = draw_ripple(size, self.num_echoes, generator=generator).to(iq.device)[first]
        half = self.num_echoes // 2
        around = torch.cat([iq[..., -half:], iq, iq[..., :half]], dim=-1)
        return {**record, "iq": apply_ripple(around, taps.reshape(len(iq), *[1] * (iq.ndim - 2), -1))}
