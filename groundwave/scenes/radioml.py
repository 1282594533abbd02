"""RadioML 2016.10a: eleven modulations through a fading channel, as published and put right.

`fixed` keeps the recipe's transmitters and channel and repairs what its critics found (radioML/dataset issues 19, 38):
a true signal-to-noise ratio, unit power, a real single sideband, audio that is never silent, random symbol timing, and
a channel of its own for each record. `as-published` keeps the defects, so that results compare with the literature.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record
from groundwave.errors import UnknownNameError, lookup
from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.channel import RECIPE, Channel
from groundwave.scenes.knobs import require
from groundwave.scenes.published import Passes
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.signal.noise import noise_like, noise_power, power, unit_power

SNRS_DB = tuple(range(-20, 20, 2))
# By name: a modulation that is added to WAVEFORMS must not change what a seed of this scene gives.
CLASSES = ("8PSK", "AM-DSB", "AM-SSB", "BPSK", "CPFSK", "GFSK", "PAM4", "QAM16", "QAM64", "QPSK", "WBFM")
VERSIONS = ("fixed", "as-published")
_PIECE = 1 << 15


class RadioML:
    """The eleven-class scene of RadioML 2016.10a.

    A block holds every class at every SNR `records_per_cell` times: each run of `len(classes)` rows holds each class
    once and each run of `len(classes) * len(snrs_db)` rows each pair once, in random order. Records carry `iq`,
    `label`, `snr_db`, `group`, `index`; those `as-published` also `true_snr_db` (measured; -inf for AM-SSB, which is
    noise alone), as there `snr_db` is the published label.

    Args:
        version: `fixed` or `as-published`.
        num_samples: samples per record (published: 128), at 200 kHz nominal.
        snrs_db: the labels to generate.
        classes: names in `WAVEFORMS`, by default the published eleven; `label` indexes it.
        records_per_cell: records per class and SNR in a block.
        seed: another seed is another, independent scene.
        samples_per_symbol: of the digital modulations (published: 8).
        channel: the channel's settings; `channel.CLEAR` leaves symbol timing and a random phase.
    """

    def __init__(
        self,
        version: Literal["fixed", "as-published"] = "fixed",
        *,
        num_samples: int = 128,
        snrs_db: Sequence[float] = SNRS_DB,
        classes: Sequence[str] = CLASSES,
        records_per_cell: int = 10,
        seed: int = 0,
        samples_per_symbol: int = 8,
        channel: Channel = RECIPE,
    ) -> None:
        if version not in VERSIONS:
            raise UnknownNameError("version of radioml", version, VERSIONS)
        for name in classes:
            lookup(WAVEFORMS, name, "modulation")
        require(
            ("num_samples", num_samples, num_samples >= 1, "at least 1"),
            ("records_per_cell", records_per_cell, records_per_cell >= 1, "at least 1"),
            ("samples_per_symbol", samples_per_symbol, samples_per_symbol >= 2, "at least 2"),
            ("classes", classes, len(classes) > 0, "at least one"),
            ("snrs_db", snrs_db, len(snrs_db) > 0, "at least one"),
            ("snrs_db", snrs_db, all(map(math.isfinite, snrs_db)), "finite numbers in dB"),
            *channel.checks(),
        )
        self.version, self.seed = version, seed
        self.classes: Sequence[str] = tuple(classes)
        self.snrs_db = tuple(float(s) for s in snrs_db)
        self.num_samples, self.records_per_cell = num_samples, records_per_cell
        self.air = Air(samples_per_symbol)
        self.channel = channel
        self.num_per_block = len(self.classes) * len(self.snrs_db) * records_per_cell

    def block(self, b: int) -> Record:
        """Return block `b`, a pure function of (version, seed, settings, b)."""
        clean, noise, order, record = self._rows(b)
        iq = torch.empty_like(clean)
        num_rows = max(1, _PIECE // self.num_samples)
        for out, rows in zip(iq.split(num_rows), order.split(num_rows), strict=True):  # pieces that fit the cache
            out.copy_(self._normalise(clean[rows].add_(noise[rows])))
        if self.version == "as-published":
            record["true_snr_db"] = (10 * torch.log10(power(clean) / power(noise)))[order]
        return {"iq": iq, **record}

    def clean_and_noise(self, b: int) -> tuple[Tensor, Tensor]:
        """Return the noise-free records (after the channel) and the noise of block `b`, before normalisation."""
        clean, noise, order, _ = self._rows(b)
        return clean[order], noise[order]

    def _normalise(self, iq: Tensor) -> Tensor:
        # the published "energy" is the sum of magnitudes
        return unit_power(iq) if self.version == "fixed" else iq.div_(iq.abs().sum(-1, keepdim=True))

    def _rows(self, b: int) -> tuple[Tensor, Tensor, Tensor, Record]:
        """Return clean records and noise class by class, the block's order, and what is known about each in order."""
        draw = generator(self.seed, "radioml", self.version, "block", b)
        per_class = len(self.snrs_db) * self.records_per_cell
        label = torch.arange(len(self.classes)).repeat_interleave(per_class)
        snr_db = torch.tensor(self.snrs_db).repeat_interleave(self.records_per_cell).repeat(len(self.classes))
        if self.version == "fixed":
            group = torch.arange(self.num_per_block)
            clean = self._fixed(per_class, draw)
            scale = noise_power(clean, snr_db).sqrt()
        else:
            passes = Passes(self.classes, self.air, self.channel, self.num_samples, self.seed)
            clean, group = passes.windows(len(self.snrs_db), self.records_per_cell, draw)
            scale = 10 ** (-snr_db / 10)  # the published slip: an amplitude that should have been 10^(-snr/20)
        noise = noise_like(clean, generator=draw).mul_(scale[:, None])
        order = self._order(draw)
        record = {
            "label": label[order],
            "snr_db": snr_db[order],
            "group": b * self.num_per_block + group[order],
            "index": b * self.num_per_block + torch.arange(self.num_per_block),
        }
        return clean, noise, order, record

    def _fixed(self, per_class: int, draw: Generator) -> Tensor:
        """Return clean records, class by class, each through its own channel and with its own symbol timing."""
        timing = self.air.samples_per_symbol
        num_sent = self.num_samples + self.channel.margin(self.num_samples) + timing
        drawn = self.channel.draw(
            per_class * len(self.classes), self.num_samples, timing=timing, settled=True, generator=draw
        )
        sent = (WAVEFORMS[name](per_class, num_sent, self.air, draw) for name in self.classes)
        return torch.cat([self.channel.apply(x, d) for x, d in zip(sent, drawn.split(per_class), strict=True)])

    def _order(self, draw: Generator) -> Tensor:
        """Return a random permutation that spreads classes and SNRs evenly, so that every prefix is balanced."""
        shape = (self.records_per_cell, len(self.snrs_db), len(self.classes))
        label = torch.rand(shape, generator=draw).argsort(2)
        snr = torch.rand(shape, generator=draw).argsort(1).gather(2, label)
        cell = label * len(self.snrs_db) + snr
        return (cell * self.records_per_cell + torch.arange(self.records_per_cell)[:, None, None]).flatten()
