"""Frames of a cellular band: LTE and NR downlinks, and radars beside them, with the class of each cell."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Literal

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record
from groundwave.errors import lookup
from groundwave.rng import generator
from groundwave.scenes.carriers import (
    RATE_STEP_HZ,
    Carrier,
    Fading,
    Radar,
    Traffic,
    carriers,
    transmit,
    transmit_filter,
)
from groundwave.scenes.knobs import Check, require
from groundwave.scenes.waterfall import Emission, Screen, Waterfall
from groundwave.signal.profiles import PROFILES

CLASSES = ("NR", "LTE", "radar")
_NARROWEST_HZ = {"NR": 10e6, "LTE": 5e6, "radar": 10e6}


@dataclass(frozen=True)
class _Emitter:
    """Who sends: its class, what it is, the width of its channel, and the channel's middle, 0 in the band's."""

    label: int
    what: Carrier | Radar
    width_hz: float
    centre_hz: float = 0.0


class Cellular:
    """Records of a band with one emitter of some of the classes, apart in frequency: all mixtures equally often.

    A record carries `spec` (decibels over the noise floor, whose mean is 0 dB), `mask`, `snr_db` (the SNR contract) and
    for each emitter a row of `boxes` (its band, all the time), `box_label`, `box_emitter` and `box_snr_db`: the power
    of an element that carries data over the noise in it (Es/N0), or of a radar's pulses over the noise in the band that
    they sweep, before fading. Channel, place, load and fading of each are drawn. LTE: 5 to 20 MHz (TS 36.101, 5.6); NR:
    10 to 50 MHz at 15 or 30 kHz (TS 38.101-1, 5.3), bursts of four synchronisation blocks every 20 ms; both with normal
    prefixes, filtered to their channel. Records begin anywhere in a frame.

    By default a record is as long as four radio frames at 61.44 MHz less 1 %, the setting of the MathWorks example
    "Spectrum Sensing with Deep Learning to Identify 5G and LTE Signals", whose frames hold 40 ms.

    Args:
        classes: of `NR`, `LTE` and `radar`, in the order of the mask's numbers.
        emitter_snr_db: lowest and highest SNR of an emitter.
        idle: lowest and highest share of a carrier's subframes that carry no data.
        load: lowest and highest share of the resource blocks that carry data in the others.
        tdd: share of NR carriers at 30 kHz that are silent during uplink slots (DDDSU).
        environments: channel profiles, drawn for each carrier; `none`: no fading. Radars do not fade.
        delay_spread_s: lowest and highest rms delay spread of profiles that leave it open.
        doppler_hz: lowest and highest largest Doppler shift.
        truth: `cells`: a cell is an emitter's where its noise-free power reaches the noise floor or is no more than
            10 dB below the SNR above (gaps as in `spectrogram`); `channels`: from its lowest to its highest subcarrier
            all the time, as the MathWorks example has it.
        sample_rate_hz: width of the band; 7.68 MHz is an even number of cells.
        num_freqs: cells in frequency, a power of two: the length of the Hann window.
        num_frames: cells in time.
        num_averaged: windows, end to end, whose mean power makes a column.
        num_per_block: records that are made together.
        seed: another seed is another, independent scene.

    Raises:
        GroundwaveError: a setting that no record can have.
    """

    def __init__(
        self,
        *,
        classes: Sequence[str] = ("NR", "LTE"),
        emitter_snr_db: tuple[float, float] = (0.0, 40.0),
        idle: tuple[float, float] = (0.0, 0.5),
        load: tuple[float, float] = (0.2, 1.0),
        tdd: float = 0.5,
        environments: Sequence[str] = ("none", "EPA", "EVA", "TDL-A", "TDL-C"),
        delay_spread_s: tuple[float, float] = (30e-9, 300e-9),
        doppler_hz: tuple[float, float] = (0.0, 500.0),
        truth: Literal["cells", "channels"] = "cells",
        sample_rate_hz: float = 61.44e6,
        num_freqs: int = 256,
        num_frames: int = 256,
        num_averaged: int = 37,
        num_per_block: int = 12,
        seed: int = 0,
    ) -> None:
        for name in classes:
            lookup({name: name for name in CLASSES}, name, "class")
        for name in environments:
            lookup({"none": None, **PROFILES}, name, "environment")
        self.screen = Screen(num_freqs, num_frames, num_averaged)
        require(
            *self.screen.checks(),
            ("classes", classes, 0 < len(set(classes)) == len(classes), "at least one, each once"),
            ("environments", environments, len(environments) > 0, "at least one"),
            ("sample_rate_hz", sample_rate_hz, 0 < sample_rate_hz < math.inf, "a positive number"),
            ("truth", truth, truth in ("cells", "channels"), "cells or channels"),
            ("tdd", tdd, 0 <= tdd <= 1, "a share from 0 to 1"),
            ("num_per_block", num_per_block, num_per_block >= 1, "at least 1"),
            _range("emitter_snr_db", emitter_snr_db, -100.0, 100.0),
            _range("idle", idle, 0.0, 1.0),
            _range("load", load, 0.0, 1.0),
            _range("delay_spread_s", delay_spread_s, 0.0, 1e-6),
            _range("doppler_hz", doppler_hz, 0.0, 1e3),
        )
        step, least = RATE_STEP_HZ / sample_rate_hz * num_freqs, sum(_NARROWEST_HZ[name] for name in classes)
        even = abs(step - 2 * round(step / 2)) < 1e-6 and step > 1
        require(
            ("sample_rate_hz", sample_rate_hz, even, "one of which 7.68 MHz is an even number of cells"),
            ("sample_rate_hz", sample_rate_hz, least <= sample_rate_hz, f"room for {', '.join(classes)}: {least:g}"),
        )
        self.classes: Sequence[str] = tuple(classes)
        self.step, self.sample_rate_hz, self.truth = round(step), sample_rate_hz, truth
        self.emitter_snr_db, self.traffic = emitter_snr_db, Traffic(idle, load, tdd)
        self.environments, self.delay_spread_s, self.doppler_hz = tuple(environments), delay_spread_s, doppler_hz
        self.num_per_block, self.seed = num_per_block, seed

    def block(self, b: int) -> Record:
        """Return block `b`, a pure function of (seed, settings, b)."""
        draw = generator(self.seed, "cellular", "block", b)
        noise = generator(self.seed, "cellular", "noise", b)
        rows = []
        for mixture in self._mixtures(draw):
            waterfall, truth = self._sent(mixture, draw)
            mask = waterfall.mask() if self.truth == "cells" else self._bands(truth)
            snr_db = torch.tensor(waterfall.snr_db())
            rows.append({"spec": waterfall.receive(generator=noise), "mask": mask, "snr_db": snr_db, **truth})
        number = b * self.num_per_block + torch.arange(self.num_per_block)
        return {**{key: torch.stack([row[key] for row in rows]) for key in rows[0]}, "group": number, "index": number}

    def noise_free(self, b: int) -> Tensor:
        """Return the power of each cell of block `b` without noise, over the noise's: float32 `[B, freq, time]`."""
        draw = generator(self.seed, "cellular", "block", b)
        return torch.stack([self._sent(mixture, draw)[0].noise_free() for mixture in self._mixtures(draw)])

    def _mixtures(self, draw: Generator) -> list[tuple[int, ...]]:
        """Return the classes in each record of a block: each mixture before any again."""
        known = range(len(self.classes))
        mixtures = [mixture for num in known for mixture in combinations(known, num + 1)]
        rounds = -(-self.num_per_block // len(mixtures))
        order = torch.cat([torch.randperm(len(mixtures), generator=draw) for _ in range(rounds)])
        return [mixtures[i] for i in order[: self.num_per_block].tolist()]

    def _sent(self, mixture: tuple[int, ...], draw: Generator) -> tuple[Waterfall, Record]:
        """Return a record's emitters on their waterfall, and their boxes."""
        waterfall = Waterfall(self.screen)
        emitters = self._placed(mixture, draw)
        low, high = self.emitter_snr_db
        snr_db = low + (high - low) * torch.rand(len(emitters), generator=draw)
        num = len(self.classes)
        boxes = torch.full((num, 4), math.nan)
        truth = {"box_label": torch.full((num,), -1), "box_emitter": torch.full((num,), -1)}
        levels = torch.full((num,), math.nan)
        for i, (emitter, level) in enumerate(zip(emitters, snr_db.tolist(), strict=True)):
            self._add(waterfall, emitter, level, draw)
            half = 0.5 * (emitter.what.bandwidth_hz if isinstance(emitter.what, Carrier) else emitter.width_hz)
            edges = ((emitter.centre_hz + side) / self.sample_rate_hz for side in (-half, half))
            boxes[i] = torch.tensor([0.0, self.screen.num_samples, *edges])
            truth["box_label"][i], truth["box_emitter"][i], levels[i] = emitter.label, i, level
        return waterfall, {"boxes": boxes, **truth, "box_snr_db": levels}

    def _placed(self, mixture: tuple[int, ...], draw: Generator) -> list[_Emitter]:
        """Draw channels that fit side by side, and share the room that is left at random among the gaps."""
        order = [mixture[i] for i in torch.randperm(len(mixture), generator=draw).tolist()]
        room, emitters = self.sample_rate_hz, []
        for i, label in enumerate(order):
            others = sum(_NARROWEST_HZ[self.classes[other]] for other in order[i + 1 :])
            emitters.append(self._drawn(label, room - others, draw))
            room -= emitters[-1].width_hz
        gaps = room * torch.rand(len(emitters), generator=draw).sort().values
        gaps = gaps.diff(prepend=torch.zeros(1))
        edge, placed = -0.5 * self.sample_rate_hz, []
        for emitter, gap in zip(emitters, gaps.tolist(), strict=True):
            centre_hz = edge + gap + 0.5 * emitter.width_hz
            placed.append(_Emitter(emitter.label, emitter.what, emitter.width_hz, centre_hz))
            edge = centre_hz + 0.5 * emitter.width_hz
        return placed

    def _drawn(self, label: int, room_hz: float, draw: Generator) -> _Emitter:
        """Draw an emitter of a class that is no wider than there is room."""
        name = self.classes[label]
        if name == "radar":
            radar = Radar.draw(generator=draw)
            return _Emitter(label, radar, radar.chirp_hz)
        known = [carrier for carrier in _carriers(name) if carrier.channel_mhz * 1e6 <= room_hz]
        carrier = known[int(torch.randint(len(known), (), generator=draw))]
        return _Emitter(label, carrier, carrier.channel_mhz * 1e6)

    def _add(self, waterfall: Waterfall, emitter: _Emitter, snr_db: float, draw: Generator) -> None:
        what, width = emitter.what, emitter.what.num_steps * self.step
        duration_s = self.screen.num_samples / self.sample_rate_hz
        centre = emitter.centre_hz / self.sample_rate_hz
        if isinstance(what, Radar):
            pulses = what.pulses(duration_s, width, centre, generator=draw)
            waterfall.add(pulses, emitter.label, snr_db, what.chirp_hz / self.sample_rate_hz)
            return
        x = transmit(what, duration_s, self.traffic, self._fading(draw), generator=draw)
        cell_hz = self.sample_rate_hz / self.screen.num_freqs
        frequency_hz = cell_hz * (torch.arange(self.screen.num_freqs) - self.screen.num_freqs // 2)
        filtered = transmit_filter(what, frequency_hz - emitter.centre_hz).expand(self.screen.num_windows, -1)
        share = what.num_steps * RATE_STEP_HZ / self.sample_rate_hz
        waterfall.add([Emission(x, width, 0, centre)], emitter.label, snr_db, share, filtered)

    def _fading(self, draw: Generator) -> Fading | None:
        name = self.environments[int(torch.randint(len(self.environments), (), generator=draw))]
        spread, doppler = torch.rand(2, generator=draw).tolist()
        if name == "none":
            return None
        profile = PROFILES[name]
        (least, most), (slow, fast) = self.delay_spread_s, self.doppler_hz
        delay_spread_s = least + (most - least) * spread if profile.normalised else None
        return Fading(profile, delay_spread_s, slow + (fast - slow) * doppler)

    def _bands(self, truth: Record) -> Tensor:
        """Return the mask of emitters that keep their band all the time."""
        frequency = torch.arange(self.screen.num_freqs) / self.screen.num_freqs - 0.5
        mask = torch.zeros(self.screen.num_freqs, self.screen.num_frames, dtype=torch.uint8)
        for (_, _, low, high), label in zip(truth["boxes"].tolist(), truth["box_label"].tolist(), strict=True):
            mask[(frequency >= low) & (frequency <= high)] = label + 1
        return mask


@cache
def _carriers(name: str) -> tuple[Carrier, ...]:
    return carriers(name)


def _range(name: str, value: tuple[float, float], least: float, most: float) -> Check:
    low, high = value
    return name, value, least <= low <= high <= most, f"lowest, highest: from {least:g} to {most:g}"
