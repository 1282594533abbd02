"""Every waveform of the table, at any length, through whatever hardware and channel a domain has."""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record
from groundwave.errors import lookup
from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.domain import IDEAL, Domain, Passage
from groundwave.scenes.knobs import device_of, require
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.signal.impair import shift_frequency
from groundwave.signal.noise import noise_like, noise_power, unit_power

# AM-SSB is the upper sideband under RadioML's name, CPFSK is MSK: a second name is not a second class
ALIASES = ("AM-SSB", "CPFSK")
_TOGETHER = 128  # records that pass through a domain at once: fewer waste time, more leave the processor's cache


class Modulations:
    """Records of every waveform, equally wide on average, so that neither level nor bandwidth tells the class.

    A block holds each class `records_per_class` times in random order. Within a block the records of one class share
    their symbol length, and some classes the kind of signal that interferes; everything else is drawn for each record.
    Group: the receiving device where the domain has devices, otherwise each record is its own.

    Args:
        classes: names in `WAVEFORMS`; by default all, but for second names of the same waveform.
        num_samples: samples per record.
        snr_db: lowest and highest SNR over the full sampled band, uniform in decibels; infinity twice: no noise
            (`.inf .inf`). The converter comes after the noise and may change it by some hundredths of a decibel.
        samples_per_symbol: what symbol lengths are drawn from; the inverse of the nominal bandwidth.
        max_offset: centre frequencies are uniform within +- this, in cycles per sample.
        records_per_class: records of a class in a block.
        domain: hardware, environment, mobility, interference; by default none of them.
        provenance: add what was drawn for a record to it, under keys that begin with `drawn_`: symbol length, start,
            offset, radio, channel, interference; not the message.
        seed: another seed is another, independent scene.
        device: where records are made, such as `cpu` or `cuda`; each has its own random stream.

    Raises:
        GroundwaveError: a setting that no record can have, an unknown name, a device that is not there.
    """

    def __init__(
        self,
        *,
        classes: Sequence[str] | None = None,
        num_samples: int = 1024,
        snr_db: tuple[float, float] = (0.0, 30.0),
        samples_per_symbol: Sequence[int] = (4, 6, 8, 12, 16),
        max_offset: float = 0.01,
        records_per_class: int = 32,
        domain: Domain = IDEAL,
        provenance: bool = False,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        named = [name for name in WAVEFORMS if name not in ALIASES] if classes is None else classes
        self.classes: Sequence[str] = tuple(named)
        for name in self.classes:
            lookup(WAVEFORMS, name, "waveform")
        low, high = snr_db
        require(
            ("classes", self.classes, len(set(self.classes)) == len(self.classes) > 0, "at least one class, each once"),
            ("num_samples", num_samples, num_samples >= 1, "at least 1"),
            (
                "snr_db",
                snr_db,
                -math.inf < low <= high and (high < math.inf or low == high),
                "lowest, then highest; or inf twice",
            ),
            ("samples_per_symbol", samples_per_symbol, min(samples_per_symbol, default=0) >= 2, "integers from 2 up"),
            ("max_offset", max_offset, 0 <= max_offset <= 0.5, "0 to 0.5 cycles per sample"),
            ("records_per_class", records_per_class, records_per_class >= 1, "at least 1"),
        )
        self.num_samples, self.snr_db, self.max_offset = num_samples, (low, high), max_offset
        self.samples_per_symbol, self.records_per_class = tuple(samples_per_symbol), records_per_class
        self.domain, self.provenance, self.seed, self.device = domain, provenance, seed, device_of(device)
        self.num_per_block = len(self.classes) * records_per_class

    def block(self, b: int) -> Record:
        """Return block `b`, a pure function of (seed, settings, b)."""
        return self._shuffled([self._records(*self._received(labels, b)) for labels in self._batches()], b)

    def clean_and_noise(self, b: int) -> tuple[Tensor, Tensor]:
        """Return the noise-free records and the noise of block `b`, before the converter and normalisation."""
        received = [self._received(labels, b) for labels in self._batches()]
        both = self._shuffled([{"clean": clean, "noise": noise} for _, clean, noise, _ in received], b)
        return both["clean"], both["noise"]

    def _batches(self) -> list[range]:
        """Return the classes that pass through a domain together."""
        step = max(1, _TOGETHER // self.records_per_class)
        return [range(first, min(first + step, len(self.classes))) for first in range(0, len(self.classes), step)]

    def _shuffled(self, pieces: Sequence[Record], b: int) -> Record:
        """Join batches in a random order in which each run of as many rows as classes holds each class once."""
        draw = generator(self.seed, "modulations", "order", b, device=self.device)
        label = torch.rand((self.records_per_class, len(self.classes)), generator=draw, device=self.device).argsort(1)
        row = torch.arange(self.records_per_class, device=self.device)[:, None]
        order = (label * self.records_per_class + row).flatten()
        record = {key: values[order] for key, values in _joined(pieces).items()}
        index = b * self.num_per_block + torch.arange(self.num_per_block, device=self.device)
        return {"group": index, **record, "index": index}

    def _received(self, labels: range, b: int) -> tuple[Passage, Tensor, Tensor, Record]:
        """Return the passage of some classes to the converter, what arrives without noise, the noise, and the truth."""
        draw = generator(self.seed, "modulations", "domain", labels[0], b, device=self.device)
        passage = self.domain.passage(len(labels) * self.records_per_class, self.num_samples, generator=draw)
        truth = _joined([self._sent(label, passage.num_sent, b) for label in labels])
        clean = passage.transfer(truth.pop("sent"))
        noise = noise_power(clean, truth["snr_db"]).sqrt()[:, None] * noise_like(clean, generator=draw)
        return passage, clean, noise, truth

    def _sent(self, label: int, num_samples: int, b: int) -> Record:
        """Draw what the transmitters of one class send; it does not depend on which other classes there are."""
        name, num = self.classes[label], self.records_per_class
        draw = generator(self.seed, "modulations", name, b, device=self.device)
        air = self._air(name, draw)
        timing, offset, level = torch.rand((3, num), generator=draw, device=self.device)
        start = (air.samples_per_symbol * timing).long()
        offset = self.max_offset * (2 * offset - 1)
        low, high = self.snr_db
        x = WAVEFORMS[name](num, num_samples + air.samples_per_symbol - 1, air, draw)
        return {
            "sent": shift_frequency(_cut(x, start, num_samples), offset),
            "label": torch.full((num,), label, device=self.device),
            "snr_db": low + (high - low if low < high else 0.0) * level,  # inf - inf is no width
            "drawn_samples_per_symbol": torch.full((num,), air.samples_per_symbol, device=self.device),
            "drawn_start": start,
            "drawn_offset": offset,
        }

    def _records(self, passage: Passage, clean: Tensor, noise: Tensor, truth: Record) -> Record:
        """Return records as a receiver's file has them."""
        record = {"iq": unit_power(passage.digitise(passage.disturb(clean) + noise)), **truth}
        if passage.device is not None:
            record["group"] = passage.device
        if self.provenance:
            return record | {f"drawn_{key}": values for key, values in passage.drawn().items()}
        return {key: values for key, values in record.items() if not key.startswith("drawn_")}

    def _air(self, name: str, draw: Generator) -> Air:
        """Draw a symbol length; an analog waveform is sampled at as many times its own bandwidth."""
        which = torch.randint(len(self.samples_per_symbol), (), generator=draw, device=self.device)
        length = self.samples_per_symbol[int(which)]
        return Air(length, length * (WAVEFORMS[name].bandwidth_hz or 1.0))


def _joined(pieces: Sequence[Record]) -> Record:
    return {key: torch.cat([piece[key] for piece in pieces]) for key in pieces[0]}


def _cut(x: Tensor, start: Tensor, count: int) -> Tensor:
    """Cut `count` samples from each row, from its own start on."""
    return x.gather(1, start[:, None] + torch.arange(count, device=x.device))
