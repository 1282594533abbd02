"""Views of level: gain, noise, normalisation."""

from dataclasses import dataclass

import torch
from torch import Generator

from groundwave.contracts import Record
from groundwave.signal.noise import noise_like, power
from groundwave.views.answers import keeping
from groundwave.views.draw import per_sample, uniform


@dataclass(frozen=True)
class Gain:
    """Scale each record by a gain uniform in decibels within +-`max_db`, the same for all its antennas."""

    max_db: float = 6.0
    keeps, maps, destroys = keeping()

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record scaled."""
        gain = 10 ** (uniform(record, -self.max_db, self.max_db, generator) / 20)
        return {**record, "iq": record["iq"] * per_sample(gain, record["iq"])}


@dataclass(frozen=True)
class Amplitude:
    """Scale each record by a factor uniform from `low` to `high`, the same for all its antennas (ProtoBeam, 2024)."""

    low: float = 0.5
    high: float = 1.4
    keeps, maps, destroys = keeping()

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record scaled."""
        factor = uniform(record, self.low, self.high, generator)
        return {**record, "iq": record["iq"] * per_sample(factor, record["iq"])}


@dataclass(frozen=True)
class AddNoise:
    """Add white noise at a ratio (received power over added noise) uniform in decibels in `snr_db`.

    The record's own `snr_db`, where present, is brought up to date: it stays the ratio of signal to all noise.
    """

    snr_db: tuple[float, float] = (0.0, 30.0)
    keeps, maps, destroys = keeping(maps={"snr"})

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record with noise added, and its new `snr_db`."""
        iq = record["iq"]
        added = 10 ** (-uniform(record, *self.snr_db, generator) / 10)  # relative to the received power
        received = power(iq) if iq.ndim == 2 else power(iq).mean(-1)
        noise = per_sample((received * added).sqrt(), iq) * noise_like(iq, generator=generator)
        out = {**record, "iq": iq + noise}
        if "snr_db" in record:
            snr = 10 ** (record["snr_db"] / 10)
            # with S + N = 1, N is 1 / (1 + snr), and the new ratio is S / (N + added)
            out["snr_db"] = 10 * torch.log10(snr / (1 + added * (1 + snr)))
        return out


@dataclass(frozen=True)
class Normalise:
    """Scale each record to unit mean power over all its antennas; nothing is drawn."""

    keeps, maps, destroys = keeping()

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record at unit power."""
        iq = record["iq"]
        mean = power(iq) if iq.ndim == 2 else power(iq).mean(-1)
        return {**record, "iq": iq * per_sample(mean.clamp(min=torch.finfo(torch.float32).tiny).rsqrt(), iq)}
