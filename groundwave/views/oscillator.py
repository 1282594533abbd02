"""Views that a receiver's oscillator could have caused: phase, frequency, mirror."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record
from groundwave.signal.impair import rotate, shift_frequency
from groundwave.views.answers import keeping
from groundwave.views.draw import per_antenna, per_sample, uniform


@dataclass(frozen=True)
class Rotate:
    """Turn each record by a phase uniform in [0, 2 pi), the same for all its antennas."""

    keeps, maps, destroys = keeping()

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record turned."""
        angle = uniform(record, 0, 2 * math.pi, generator)
        return {**record, "iq": rotate(record["iq"], per_antenna(angle, record["iq"]))}


def quarter_turn(iq: Tensor, turns: Tensor) -> Tensor:
    """Turn samples by a number of quarters, without rounding: `turns` int64 0 to 3, broadcast against `iq`."""
    return iq * torch.tensor([1, 1j, -1, -1j], dtype=iq.dtype, device=iq.device)[turns.to(iq.device)]


@dataclass(frozen=True)
class QuarterTurns:
    """Turn by 0, 90, 180 or 270 degrees, the same for all antennas: each record its own, or all of a batch alike.

    SemiAMC (Liu et al., 2021) draws one turn for a batch.
    """

    per_batch: bool = False
    keeps, maps, destroys = keeping()

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record turned."""
        iq = record["iq"]
        num_turns = 1 if self.per_batch else len(iq)
        turns = torch.randint(4, (num_turns,), generator=generator, device=generator.device).expand(len(iq))
        return {**record, "iq": quarter_turn(iq, per_sample(turns, iq))}


@dataclass(frozen=True)
class FrequencyShift:
    """Shift each record by a frequency uniform within +-`max_cycles_per_sample`; a device's own offset is lost."""

    max_cycles_per_sample: float = 0.01
    keeps, maps, destroys = keeping(destroys={"device"})

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record shifted in frequency."""
        cycles = uniform(record, -self.max_cycles_per_sample, self.max_cycles_per_sample, generator)
        return {**record, "iq": shift_frequency(record["iq"], per_antenna(cycles, record["iq"]))}


@dataclass(frozen=True)
class Conjugate:
    """Mirror the spectrum (swap I and Q up to a turn) with probability one half: sidebands, angles and beams mirror."""

    keeps, maps, destroys = keeping(maps={"sideband", "angle", "beam"})

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record with some rows conjugated."""
        iq = record["iq"]
        flip = per_sample(torch.rand(len(iq), generator=generator, device=generator.device) < 0.5, iq)
        return {**record, "iq": torch.where(flip, iq.conj(), iq)}
