"""RadioML 2016.10a: eleven modulations through a fading channel, as published and put right.

`fixed` keeps the recipe's transmitters and channel and repairs what its critics found (radioML/dataset issues 19, 38):
a true signal-to-noise ratio, unit power, a real single sideband, audio that is never silent, random symbol timing, and
a channel of its own for each record. `as-published` keeps the defects, so that results compare with the literature.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record
from groundwave.errors import UnknownNameError
from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.cells import Cells, check_cells, received, unit_magnitude_sum
from groundwave.scenes.channel import RECIPE, Channel
from groundwave.scenes.knobs import require
from groundwave.scenes.published import Passes
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.signal.noise import noise_like, noise_power, power, unit_power

SNRS_DB = tuple(range(-20, 20, 2))
# By name: a modulation that is added to WAVEFORMS must not change what a seed of this scene gives.
CLASSES = ("8PSK", "AM-DSB", "AM-SSB", "BPSK", "CPFSK", "GFSK", "PAM4", "QAM16", "QAM64", "QPSK", "WBFM")
VERSIONS = ("fixed", "as-published")


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
        provenance: add what was drawn for a record's channel to it, under keys that begin with `drawn_` (`as-published`
            where in its pass the window begins, as all records share one channel).

    Raises:
        GroundwaveError: a setting that no record can have, or an unknown name.
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
        provenance: bool = False,
    ) -> None:
        if version not in VERSIONS:
            raise UnknownNameError("version of radioml", version, VERSIONS)
        require(
            *check_cells(classes, snrs_db, records_per_cell),
            ("num_samples", num_samples, num_samples >= 1, "at least 1"),
            ("samples_per_symbol", samples_per_symbol, samples_per_symbol >= 2, "at least 2"),
            *channel.checks(),
        )
        self.version, self.seed = version, seed
        self.classes: Sequence[str] = tuple(classes)
        self.cells = Cells(tuple(classes), tuple(float(s) for s in snrs_db), records_per_cell)
        self.num_samples, self.num_per_block = num_samples, self.cells.num
        self.air = Air(samples_per_symbol)
        self.channel, self.provenance = channel, provenance

    def block(self, b: int) -> Record:
        """Return block `b`, a pure function of (version, seed, settings, b)."""
        clean, noise, order, group, drawn = self._rows(b)
        record = self.cells.record(b, order, group)
        if self.provenance:
            record |= {f"drawn_{name}": values[order] for name, values in drawn.items()}
        if self.version == "fixed":
            return {"iq": received(clean, noise, order, unit_power), **record}
        measured = 10 * torch.log10(power(clean) / power(noise))
        return {"iq": received(clean, noise, order, unit_magnitude_sum), **record, "true_snr_db": measured[order]}

    def clean_and_noise(self, b: int) -> tuple[Tensor, Tensor]:
        """Return the noise-free records (after the channel) and the noise of block `b`, before normalisation."""
        clean, noise, order, *_ = self._rows(b)
        return clean[order], noise[order]

    def _rows(self, b: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Record]:
        """Return clean records and noise class by class, the block's order, and by class groups and draws."""
        draw = generator(self.seed, "radioml", self.version, "block", b)
        if self.version == "fixed":
            group = torch.arange(self.num_per_block)
            clean, drawn = self._fixed(draw)
            scale = noise_power(clean, self.cells.snr_db()).sqrt()
        else:
            passes = Passes(self.classes, self.air, self.channel, self.num_samples, self.seed)
            clean, group, start = passes.windows(len(self.cells.snrs_db), self.cells.records_per_cell, draw)
            drawn = {"start": start}
            scale = 10 ** (-self.cells.snr_db() / 10)  # the published slip: an amplitude should be 10^(-snr/20)
        noise = noise_like(clean, generator=draw).mul_(scale[:, None])
        return clean, noise, self.cells.order(draw), group, drawn

    def _fixed(self, draw: Generator) -> tuple[Tensor, Record]:
        """Return clean records, class by class, each through its own channel, and the draws of the channels."""
        timing, per_class = self.air.samples_per_symbol, self.cells.per_class
        num_sent = self.num_samples + self.channel.margin(self.num_samples) + timing
        drawn = self.channel.draw(self.num_per_block, self.num_samples, timing=timing, settled=True, generator=draw)
        sent = (WAVEFORMS[name](per_class, num_sent, self.air, draw) for name in self.classes)
        clean = torch.cat([self.channel.apply(x, d) for x, d in zip(sent, drawn.split(per_class), strict=True)])
        return clean, {**drawn.clocks.drawn(), "path_gains": drawn.gains}
