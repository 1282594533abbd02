"""RML22: ten modulations at two samples per symbol through ETU70 fading (Sathyanarayanan, Gerstoft, El Gamal 2023).

The successor of RadioML 2016.10a whose authors put the noise amplitude right. Where its generator does something odd
without saying why, we keep the intention and tell the difference:

- Its noise has the stated power, but its channel has a mean power gain of 8 dB and fades on top. Here the label is the
  measured ratio of each record.
- It cuts fifty windows from each pass. Here each record has a channel, a crystal, bits and symbol timing of its own.
- It turns windows by (frequency now) x (time) instead of the frequency's integral. Here it is the integral.
- Its broadcast FM is made at the audio's 44.1 kHz, where a deviation of 75 kHz is 1.7 cycles per sample, and read as if
  it were at the common rate. So is ours: loud speech wraps round the sampled band.
- Its audio skips the silence at the start of a podcast; ours is synthetic speech without silence.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record
from groundwave.errors import UnknownNameError
from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.cells import Cells, check_cells, received, unit_magnitude_sum
from groundwave.scenes.channel import Clocks
from groundwave.scenes.knobs import Check, require
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.signal import modulate, profiles, pulse
from groundwave.signal.filters import FARROW_TAPS, sample_drifting
from groundwave.signal.impair import apply_phase, draw_walk
from groundwave.signal.multipath import Paths, draw_paths, margin, propagate
from groundwave.signal.noise import noise_like, noise_power, unit_power

SNRS_DB = tuple(range(-20, 21, 2))
CLASSES = ("8PSK", "AM-DSB", "BPSK", "CPFSK", "GFSK", "PAM4", "QAM16", "QAM64", "QPSK", "WBFM")
SYMBOL_S = 66.67e-6  # that of LTE
NORMALISATIONS = ("magnitudes", "power")
_AUDIO_RATE_HZ = 44.1e3
_GFSK_BT, _GFSK_SPAN = 0.3, 4
_GFSK_RAD_PER_SAMPLE = 1.57
_KNOT = 256


@dataclass(frozen=True)
class Crystal:
    """The crystal of a receiver, from which sample clock and carrier both take their error.

    Args:
        frequency_hz: nominal.
        max_error_hz: its error begins anywhere within +- this and stays there.
        step_hz: standard deviation of the error's step from sample to sample.
        carrier_hz: what the crystal is multiplied up to; 5 Hz at 10 MHz is 500 Hz at 1 GHz.
    """

    frequency_hz: float = 10e6
    max_error_hz: float = 5.0
    step_hz: float = 1e-4
    carrier_hz: float = 1e9

    def checks(self) -> list[Check]:
        """Return what `knobs.require` has to check of the settings at a scene's door."""
        most = 1e-3 * self.frequency_hz
        return [
            ("crystal.frequency_hz", self.frequency_hz, 0 < self.frequency_hz < math.inf, "a positive number"),
            ("crystal.max_error_hz", self.max_error_hz, 0 < self.max_error_hz <= most, f"above 0, at most {most:g}"),
            ("crystal.step_hz", self.step_hz, 0 <= self.step_hz < math.inf, "a finite number, no less than 0"),
            ("crystal.carrier_hz", self.carrier_hz, 0 <= self.carrier_hz < math.inf, "a finite number, no less than 0"),
        ]

    def max_drift(self, num_samples: int) -> int:
        """Return by how many samples the clock may be early or late after `num_samples`."""
        return math.ceil(num_samples * self.max_error_hz / self.frequency_hz)

    def draw(self, num_records: int, num_samples: int, rate_hz: float, timing: float, draw: Generator) -> Clocks:
        """Draw clocks at `rate_hz`; the first sample falls uniformly in [0, timing)."""
        uniform = torch.rand((3, num_records), generator=draw, dtype=torch.float64)
        num_knots = 2 + num_samples // _KNOT
        step = self.step_hz * math.sqrt(num_samples / (num_knots - 1))
        begin = self.max_error_hz * (2 * uniform[0].float() - 1)
        error = draw_walk(begin, num_knots, step, self.max_error_hz, generator=draw).double() / self.frequency_hz
        start = FARROW_TAPS // 2 + self.max_drift(num_samples) + timing * uniform[1]
        return Clocks(num_samples, start, error, error * self.carrier_hz / rate_hz, uniform[2])


def _gfsk(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    """Binary GFSK of the recipe: its 1.57 rad per sample make the index 1 at two samples per symbol."""
    sps = air.samples_per_symbol
    taps = pulse.gaussian_frequency(sps, _GFSK_SPAN, _GFSK_BT)
    num_symbols = math.ceil((num_samples + len(taps)) / sps) + 1
    levels = 2.0 * torch.randint(2, (num_records, num_symbols), generator=generator) - 1
    x = modulate.frequency_shift_keying(levels, taps, sps, 2 * _GFSK_RAD_PER_SAMPLE / math.pi)
    return x[:, :num_samples]


class RML22:
    """The ten-class scene RML22.

    A block holds every class at every SNR `records_per_cell` times, balanced as in `RadioML`. Clean records pass
    through the sample clock, the fading, the carrier offset and its phase, in that order; then noise is added.

    Args:
        num_samples: samples per record (published: 128).
        snrs_db: the labels to generate.
        classes: names in `WAVEFORMS`, by default the published ten; GFSK is the recipe's own.
        records_per_cell: records per class and SNR in a block.
        seed: another seed is another, independent scene.
        samples_per_symbol: of the digital modulations (published: 2); a symbol lasts 66.67 us.
        normalisation: `magnitudes` (published: their sum is 1) or `power` (mean power 1).
        profile: delays and powers of the paths, in `signal.profiles` (published: ETU).
        doppler_hz: largest Doppler shift (published: 70).
        crystal: of the receiver.
        provenance: add everything that was drawn for a record's channel to it, under keys that begin with `drawn_`.

    Raises:
        GroundwaveError: a setting that no record can have, or an unknown name.
    """

    def __init__(
        self,
        *,
        num_samples: int = 128,
        snrs_db: Sequence[float] = SNRS_DB,
        classes: Sequence[str] = CLASSES,
        records_per_cell: int = 10,
        seed: int = 0,
        samples_per_symbol: int = 2,
        normalisation: Literal["magnitudes", "power"] = "magnitudes",
        profile: str = "ETU",
        doppler_hz: float = 70.0,
        crystal: Crystal = Crystal(),
        provenance: bool = False,
    ) -> None:
        if normalisation not in NORMALISATIONS:
            raise UnknownNameError("normalisation of rml22", normalisation, NORMALISATIONS)
        rate, paths = max(samples_per_symbol, 1) / SYMBOL_S, profiles.profile(profile)
        require(
            *check_cells(classes, snrs_db, records_per_cell),
            ("num_samples", num_samples, num_samples >= 1, "at least 1"),
            ("samples_per_symbol", samples_per_symbol, samples_per_symbol >= 2, "at least 2"),
            ("doppler_hz", doppler_hz, 0 <= doppler_hz < rate / 2, f"0 up to {rate / 2:.0f}, half the sample rate"),
            ("profile", profile, not paths.normalised, "one with delays in seconds, such as EPA, EVA or ETU"),
            *crystal.checks(),
        )
        self.classes: Sequence[str] = tuple(classes)
        self.cells = Cells(tuple(classes), tuple(float(s) for s in snrs_db), records_per_cell)
        self.num_samples, self.num_per_block, self.seed = num_samples, self.cells.num, seed
        self.air = Air(samples_per_symbol, rate)
        self.profile, self.doppler_hz, self.crystal = paths, doppler_hz, crystal
        self.provenance = provenance
        self.margin = margin(self.profile, sample_rate_hz=rate)
        self._normalise = unit_magnitude_sum if normalisation == "magnitudes" else unit_power

    def block(self, b: int) -> Record:
        """Return block `b`, a pure function of (seed, settings, b)."""
        clean, noise, order, drawn = self._rows(b)
        record = self.cells.record(b, order, torch.arange(self.num_per_block))
        if self.provenance:
            record |= {f"drawn_{name}": values[order] for name, values in drawn.items()}
        return {"iq": received(clean, noise, order, self._normalise), **record}

    def clean_and_noise(self, b: int) -> tuple[Tensor, Tensor]:
        """Return the noise-free records (after the channel) and the noise of block `b`, before normalisation."""
        clean, noise, order, _ = self._rows(b)
        return clean[order], noise[order]

    def _rows(self, b: int) -> tuple[Tensor, Tensor, Tensor, Record]:
        """Return clean records and noise class by class, the order that the block has them in, and the draws."""
        draw = generator(self.seed, "rml22", "block", b)
        pieces = [self._clean(name, draw) for name in self.classes]
        clean = torch.cat([piece for piece, _ in pieces])
        noise = noise_like(clean, generator=draw).mul_(noise_power(clean, self.cells.snr_db()).sqrt()[:, None])
        drawn = {name: torch.cat([row[name] for _, row in pieces]) for name in pieces[0][1]}
        return clean, noise, self.cells.order(draw), drawn

    def _clean(self, name: str, draw: Generator) -> tuple[Tensor, Record]:
        """Return the records of one class after their channels, and the draws of the channels."""
        num, timing, rate = self.cells.per_class, self.air.samples_per_symbol, self.air.sample_rate_hz
        num_faded = self.num_samples + self.margin
        num_sent = num_faded + FARROW_TAPS + 2 * self.crystal.max_drift(num_faded) + timing
        clocks = self.crystal.draw(num, num_faded, rate, timing, draw)
        paths = draw_paths(
            self.profile, num, self.num_samples, sample_rate_hz=rate, doppler_hz=self.doppler_hz, generator=draw
        )
        sent = self._sent(name, num_sent, draw)
        return self._passed(sent, clocks, paths), {**clocks.drawn(), "path_gains": paths.gains}

    def _sent(self, name: str, num_samples: int, draw: Generator) -> Tensor:
        if name == "GFSK":
            return _gfsk(self.cells.per_class, num_samples, self.air, draw)
        air = replace(self.air, sample_rate_hz=_AUDIO_RATE_HZ) if name == "WBFM" else self.air
        return WAVEFORMS[name](self.cells.per_class, num_samples, air, draw)

    def _passed(self, x: Tensor, clocks: Clocks, paths: Paths) -> Tensor:
        """Pass records through the sample clock, the fading and the carrier's offset, in this order."""
        faded = propagate(sample_drifting(x, clocks.offset()), paths)
        return apply_phase(faded, clocks.phase_rad()[:, -self.num_samples :])
