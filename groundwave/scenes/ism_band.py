"""Recordings of the 2.4 GHz band for pretraining: WiFi, Bluetooth, ZigBee, ovens and video links, freely mixed."""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record
from groundwave.errors import lookup
from groundwave.rng import generator
from groundwave.scenes.ism_emitters import EMITTERS, View
from groundwave.scenes.knobs import Check, require
from groundwave.scenes.waterfall import Screen, Waterfall, draw_response
from groundwave.signal.profiles import PROFILES

_BAND_MHZ = (2400.0, 2483.5)
_STEP_DB = (3.0, 15.0)
_PROFILE = "exponential"  # of rooms


class ISMBand:
    """Records as a receiver tuned anywhere in 2400 to 2483.5 MHz would make them, each of its own width.

    A record carries `spec` (decibels over the noise floor, whose mean is 0 dB until a gain step), `mask`, `snr_db` (the
    SNR contract) and `sample_rate_hz`. Emitters may meet; they come in turn, each class before any again. An emitter's
    SNR is over its own band while it sends (1 MHz for an oven's line); stations that answer are up to 15 dB weaker.
    Rates are those that a whole number of cells makes a megahertz of.

    Args:
        classes: names in `EMITTERS`.
        num_emitters: fewest and most in a record; those out of the receiver's sight count.
        emitter_snr_db: lowest and highest SNR of an emitter.
        bandwidth_mhz: narrowest and widest receiver.
        duration_s: length of a record, rounded to whole windows in a column.
        delay_spread_s: lowest and highest rms delay spread of the room between an emitter and the receiver; 0: none.
        doppler_hz: largest Doppler shift in it.
        spur_db: lowest and highest level of the receiver's DC offset over the noise floor in its cell.
        gain_steps: share of records in which the receiver's gain, and so noise and all, steps by 3 to 15 dB.
        num_freqs: cells in frequency, a power of two: the length of the Hann window.
        num_frames: cells in time.
        num_per_block: records that are made together.
        seed: another seed is another, independent scene.

    Raises:
        GroundwaveError: a setting that no record can have.
    """

    def __init__(
        self,
        *,
        classes: Sequence[str] = tuple(EMITTERS),
        num_emitters: tuple[int, int] = (1, 5),
        emitter_snr_db: tuple[float, float] = (0.0, 35.0),
        bandwidth_mhz: tuple[float, float] = (10.0, 60.0),
        duration_s: float = 16e-3,
        delay_spread_s: tuple[float, float] = (0.0, 150e-9),
        doppler_hz: float = 10.0,
        spur_db: tuple[float, float] = (-10.0, 25.0),
        gain_steps: float = 0.2,
        num_freqs: int = 256,
        num_frames: int = 256,
        num_per_block: int = 12,
        seed: int = 0,
    ) -> None:
        for name in classes:
            lookup(EMITTERS, name, "emitter")
        fewest, most = num_emitters
        require(
            *Screen(num_freqs, num_frames, 1).checks(),
            ("classes", classes, 0 < len(set(classes)) == len(classes), "at least one, each once"),
            ("num_emitters", num_emitters, 0 <= fewest <= most, "fewest, most: from 0 up"),
            ("duration_s", duration_s, 0 < duration_s <= 1, "a number above 0, no more than 1"),
            ("gain_steps", gain_steps, 0 <= gain_steps <= 1, "a share from 0 to 1"),
            ("doppler_hz", doppler_hz, 0 <= doppler_hz <= 1e3, "from 0 to 1000"),
            ("num_per_block", num_per_block, num_per_block >= 1, "at least 1"),
            _range("emitter_snr_db", emitter_snr_db, -100.0, 100.0),
            _range("spur_db", spur_db, -100.0, 100.0),
            _range("delay_spread_s", delay_spread_s, 0.0, 1e-6),
            _range("bandwidth_mhz", bandwidth_mhz, 1.0, 80.0),
        )
        narrow, wide = bandwidth_mhz
        self.cells_per_mhz = [n for n in range(1, num_freqs + 1) if narrow <= num_freqs / n <= wide]
        rates = f"a range with {num_freqs} MHz over a whole number in it"
        require(("bandwidth_mhz", bandwidth_mhz, len(self.cells_per_mhz) > 0, rates))
        self.classes: Sequence[str] = tuple(classes)
        self.bandwidth_mhz = bandwidth_mhz
        self.num_emitters, self.emitter_snr_db, self.duration_s = num_emitters, emitter_snr_db, duration_s
        self.delay_spread_s, self.doppler_hz = delay_spread_s, doppler_hz
        self.spur_db, self.gain_steps = spur_db, gain_steps
        self.num_freqs, self.num_frames = num_freqs, num_frames
        self.num_per_block, self.seed = num_per_block, seed

    def block(self, b: int) -> Record:
        """Return block `b`, a pure function of (seed, settings, b)."""
        draw = generator(self.seed, "ism-band", "block", b)
        receiver = generator(self.seed, "ism-band", "receiver", b)
        rows = [self._received(labels, draw, receiver) for labels in self._labels(draw)]
        number = b * self.num_per_block + torch.arange(self.num_per_block)
        return {**{key: torch.stack([row[key] for row in rows]) for key in rows[0]}, "group": number, "index": number}

    def _labels(self, draw: Generator) -> list[list[int]]:
        """Return the classes in each record: every class before any again."""
        fewest, most = self.num_emitters
        counts = torch.randint(fewest, most + 1, (self.num_per_block,), generator=draw).tolist()
        rounds = sum(counts) // len(self.classes) + 1
        turns = torch.cat([torch.randperm(len(self.classes), generator=draw) for _ in range(rounds)]).tolist()
        return [[turns.pop() for _ in range(count)] for count in counts]

    def _received(self, labels: list[int], draw: Generator, receiver: Generator) -> Record:
        view = self._view(draw)
        sample_rate_hz = view.span_mhz * 1e6
        waterfall = self._sent(labels, view, draw)
        snr_db = waterfall.snr_db()
        level, step, at, size = torch.rand(4, generator=receiver).tolist()
        waterfall.add_spur(self.spur_db[0] + (self.spur_db[1] - self.spur_db[0]) * level)
        spec = waterfall.receive(generator=receiver)
        if step < self.gain_steps:
            change = 2 * size - 1
            low, high = _STEP_DB
            spec[:, int(at * self.num_frames) :] += math.copysign(low + (high - low) * abs(change), change)
        return {
            "spec": spec,
            "mask": waterfall.mask(),
            "snr_db": torch.tensor(snr_db),
            "sample_rate_hz": torch.tensor(sample_rate_hz),
        }

    def _view(self, draw: Generator) -> View:
        """Draw a receiver whose middle lies in the band; its width is uniform, then the nearest there is."""
        widths = torch.tensor([self.num_freqs / n for n in self.cells_per_mhz])
        (low, high), (narrow, wide) = _BAND_MHZ, self.bandwidth_mhz
        place, width = torch.rand(2, generator=draw).tolist()
        centre = low + (high - low) * place
        cells_per_mhz = self.cells_per_mhz[int((widths - (narrow + (wide - narrow) * width)).abs().argmin())]
        rate_hz = self.num_freqs / cells_per_mhz * 1e6
        return View(round(centre, 1), cells_per_mhz, self.num_freqs, self.screen(rate_hz).num_samples / rate_hz)

    def screen(self, sample_rate_hz: float) -> Screen:
        """Return the cells of a record of this sample rate, as long as `duration_s` as can be."""
        num_averaged = max(1, round(self.duration_s * sample_rate_hz / (self.num_frames * self.num_freqs)))
        return Screen(self.num_freqs, self.num_frames, num_averaged)

    def _sent(self, labels: list[int], view: View, draw: Generator) -> Waterfall:
        """Return a record's emitters on their waterfall."""
        waterfall = Waterfall(self.screen(view.span_mhz * 1e6))
        low, high = self.emitter_snr_db
        for label in labels:
            snr_db = low + (high - low) * float(torch.rand((), generator=draw))
            sent, mhz = EMITTERS[self.classes[label]](view, draw)
            waterfall.add(sent, label, snr_db, mhz / view.span_mhz, self._room(waterfall.screen, view, draw))
        return waterfall

    def _room(self, screen: Screen, view: View, draw: Generator) -> Tensor | None:
        low, high = self.delay_spread_s
        spread_s = low + (high - low) * float(torch.rand((), generator=draw))
        if spread_s == 0:
            return None
        return draw_response(
            screen,
            PROFILES[_PROFILE],
            sample_rate_hz=view.span_mhz * 1e6,
            delay_spread_s=spread_s,
            doppler_hz=self.doppler_hz,
            generator=draw,
        )


def _range(name: str, value: tuple[float, float], least: float, most: float) -> Check:
    low, high = value
    return name, value, least <= low <= high <= most, f"lowest, highest: from {least:g} to {most:g}"
