"""How RadioML 2016.10a cut its records: windows that hop through a few long passes, all through one channel."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Generator, Tensor

from groundwave.errors import GroundwaveError
from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.channel import Channel, Course
from groundwave.scenes.published_fading import published_gains
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.signal.filters import FARROW_TAPS

_BITS_PER_PASS = {"QAM16": 20_000, "QAM64": 30_000}
_BITS_PER_SYMBOL = {"QPSK": 2, "8PSK": 3, "PAM4": 2, "QAM16": 4, "QAM64": 6}
_ANALOG = ("AM-DSB", "AM-SSB", "WBFM")
_AUDIO_PER_PASS = 10_000 / 44.1e3
_WBFM_RATE_HZ = 220.5e3  # the recipe never resampled it to 200 kHz
# the level of the podcast's opening: GNU Radio's AM-DSB has 99.6 % of its power in the carrier
_QUIET = (0.063, 0.063)
_CLOCK_SEED = 3846  # one course of the clocks for the whole data set, whatever the scene's seed


@lru_cache(maxsize=4)
def _course(channel: Channel, num_samples: int) -> Course:
    """Return the one course that the whole data set takes, its gains sample by sample."""
    address = generator(_CLOCK_SEED, "radioml", "as-published", "channel")
    clocks = channel.draw(1, num_samples, timing=0, settled=False, generator=address).clocks
    offset = clocks.offset()
    return Course(offset, clocks.phase_rad(), published_gains(channel, offset.shape[1]))


class Passes:
    """Passes of the published recipe: one audio message and one channel for all of them, new random bits for each."""

    def __init__(self, classes: Sequence[str], air: Air, channel: Channel, num_samples: int, seed: int) -> None:
        self.classes, self.num_samples, self.channel = classes, num_samples, channel
        self._address = (seed, "radioml", "as-published")
        self.air = replace(air, audio_rms=_QUIET)

    def length(self, name: str) -> int:
        """Return the samples in one pass of a class."""
        if name in _ANALOG:
            return int(_AUDIO_PER_PASS * self._air(name).sample_rate_hz)
        bits = _BITS_PER_PASS.get(name, 10_000)
        return bits * self.air.samples_per_symbol // _BITS_PER_SYMBOL.get(name, 1)

    def windows(self, num_snrs: int, records_per_cell: int, draw: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return clean windows ordered by (class, SNR, record), the number of each one's pass, and where in it."""
        course = _course(self.channel, max(self.length(name) for name in self.classes))
        clean, group, place = [], [], []
        for label, name in enumerate(self.classes):
            starts, which = self._starts(name, num_snrs * records_per_cell, records_per_cell, draw)
            group.append(which + label * num_snrs * records_per_cell)
            place.append(starts)
            clean.append(self._cut(name, starts, which, course, draw))
        return torch.cat(clean), torch.cat(group), torch.cat(place)

    def _air(self, name: str) -> Air:
        return replace(self.air, sample_rate_hz=_WBFM_RATE_HZ) if name == "WBFM" else self.air

    def _starts(self, name: str, num: int, per_cell: int, draw: Generator) -> tuple[Tensor, Tensor]:
        """Draw window starts and pass numbers, cell by cell: start U{50..500}, hops U{num_samples..5 % of the pass}.

        A cell whose pass is full goes on with the next; passes are numbered by the row that opens them. A block's cell
        is a stretch of the published cell's thousand: its first pass has begun before, anywhere.
        """
        length, n = self.length(name), self.num_samples
        if length < 500 + 2 * n:
            raise GroundwaveError(f"num_samples={n}", f"less than half of a pass of {length}", "lower num_samples")
        most = max(n + 1, int(0.05 * length))
        start = torch.empty(num, dtype=torch.long)
        opened = torch.zeros(num, dtype=torch.long)
        cells = torch.arange(0, num, per_cell)
        here = torch.randint(50, length, (len(cells),), generator=draw)
        which = cells.clone()
        for i in range(per_cell):  # few steps, vectorised over cells: whether a pass is full depends on the last hop
            first = torch.randint(50, 501, (len(cells),), generator=draw)
            here = here + torch.randint(n, most, (len(cells),), generator=draw)
            full = here + n > length
            here, which = torch.where(full, first, here), torch.where(full, cells + i, which)
            start[cells + i], opened[cells + i] = here, which
        return start, opened

    def _cut(self, name: str, starts: Tensor, which: Tensor, course: Course, draw: Generator) -> Tensor:
        """Modulate the passes of a class and pass the windows through the shared channel at their own times."""
        if name == "AM-SSB":  # the recipe's carrier is a sine at 0 Hz, so the class is silent
            return torch.zeros(len(starts), self.num_samples, dtype=torch.complex64)
        # the course begins where the longest pass needs it to
        num_sent = self.length(name) + self.channel.margin(course.offset.shape[1])
        passes, row = torch.unique(which, return_inverse=True)
        if name in _ANALOG:  # the same podcast from its start in every pass
            source, passes, row = generator(*self._address, "audio", name), passes[:1], torch.zeros_like(row)
        else:
            source = draw
        sent = WAVEFORMS[name](len(passes), num_sent, self._air(name), source)
        num_inner = self.num_samples + self.channel.num_taps - 1
        at = starts[:, None] + torch.arange(num_inner)
        offset = course.offset[0, at]
        ahead = offset[:, :1].floor() - FARROW_TAPS // 2
        first = starts[:, None] + ahead.long()
        pieces = sent[row[:, None], first + torch.arange(self.channel.margin(self.num_samples) + self.num_samples)]
        gains = course.gains[0][:, at[:, : self.num_samples]].transpose(0, 1)
        return self.channel.follow(pieces, Course(offset - ahead, course.phase_rad[0, at], gains))
