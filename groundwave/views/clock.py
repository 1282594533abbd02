"""Views along time: cut, reverse, resample."""

from dataclasses import dataclass

import torch
from torch import Generator

from groundwave.contracts import Record
from groundwave.errors import ContractError, GroundwaveError
from groundwave.views.answers import keeping
from groundwave.views.draw import per_sample, uniform


@dataclass(frozen=True)
class Crop:
    """A stretch of `num_samples` with a uniform start, one start per record (the same for all its antennas)."""

    num_samples: int
    keeps, maps, destroys = keeping()

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record cut to `num_samples`; raises `ContractError` on shorter records."""
        iq = record["iq"]
        spare = iq.shape[-1] - self.num_samples
        if spare < 0:
            raise ContractError(
                f"records of {iq.shape[-1]} samples", f"at least {self.num_samples}", "crop to fewer samples"
            )
        start = torch.randint(spare + 1, (len(iq),), generator=generator, device=generator.device)
        window = iq.unfold(-1, self.num_samples, 1)  # a view: no copy until the rows are picked
        picked = window.movedim(-2, 1)[torch.arange(len(iq), device=iq.device), start]
        return {**record, "iq": picked}


@dataclass(frozen=True)
class TimeReverse:
    """Play each record backwards, with probability one half.

    Reversal mirrors the spectrum, so it swaps sidebands and the sense of a chirp; it also reverses the transients by
    which a device is known and the order of pulses by which its family is.
    """

    keeps, maps, destroys = keeping(maps={"sideband"}, destroys={"device", "family"})

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record with some rows reversed in time."""
        iq = record["iq"]
        flip = per_sample(torch.rand(len(iq), generator=generator, device=generator.device) < 0.5, iq)
        return {**record, "iq": torch.where(flip, iq.flip(-1), iq)}


@dataclass(frozen=True)
class Resample:
    """Stretch or squeeze time by a factor between 1 / `max_factor` and `max_factor` about the middle of the record.

    Straight lines between samples: meant for signals well inside the band. A squeezed record runs out of samples at its
    ends and goes on as its mirror image. Changes symbol rate and deviation, by which devices differ.
    """

    max_factor: float = 1.2
    keeps, maps, destroys = keeping(destroys={"device"})

    def __post_init__(self) -> None:
        if self.max_factor < 1:
            raise GroundwaveError(f"max_factor={self.max_factor}", "at least 1", "raise max_factor")

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record on another clock, as many samples as before."""
        iq = record["iq"]
        last = iq.shape[-1] - 1
        factor = self.max_factor ** uniform(record, -1, 1, generator)
        position = last / 2 + factor[:, None] * (torch.arange(last + 1, device=iq.device) - last / 2)
        position = last - ((position % (2 * last)) - last).abs() if last else position * 0
        floor = position.floor().clamp(max=max(last - 1, 0))
        shape = (len(iq), *([1] * (iq.ndim - 2)), last + 1)
        index = floor.long().reshape(shape).expand(iq.shape)
        left, right = iq.gather(-1, index), iq.gather(-1, (index + 1).clamp(max=last))
        return {**record, "iq": left + (position - floor).reshape(shape) * (right - left)}
