"""Where signals come from, told by an array: several sources, narrow or wide bands, reflections, imperfect arrays."""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record
from groundwave.rng import generator
from groundwave.scenes.knobs import require
from groundwave.signal.array import planar_array, separation_rad, wideband_steering
from groundwave.signal.array_errors import coupling, draw_errors
from groundwave.signal.impair import phasor
from groundwave.signal.noise import noise_like

_TRIES = 32  # draws of directions, of which the first that are apart are taken
_LEAST_BAND = 0.02  # share of the sampled band that a signal fills at least


class Angles:
    """Records `array` `[antenna, time]` of what a uniform planar array hears, and `angle` `[source, 2]` of its sources.

    `angle` holds azimuth and elevation in radians by ascending azimuth; NaN where there are less sources. `label` is
    the number of sources less one. The array lies in the y-z plane and looks along x (see `signal/array.py`). Sources
    are Gaussian, of equal power but for `level_db`, independent of each other; their reflections are not. A block holds
    equally many records of each number of sources. `front_end` tells the array: elements' errors come from the seed,
    and are the same in all blocks. Signals have unit mean power over the array, noise not counted.

    Args:
        size: rows and columns of the array.
        spacing: of its elements in wavelengths.
        num_sources: least and most of them.
        azimuth_rad: leftmost and rightmost source.
        elevation_rad: lowest and highest source.
        separation_rad: least angle between two sources, where 32 draws find one.
        level_db: standard deviation of a source's level.
        snr_db: lowest and highest SNR, uniform in decibels: of all signals, at an element, over the sampled band.
        fractional_bandwidth: least and most that the sampled band is of the carrier; 0: narrow-band.
        occupied: least and most that a source fills of the sampled band; all of it is white.
        num_paths: of each source, the direct one and reflections.
        reflection_db: how much weaker than the direct path a reflection is.
        delay_spread: mean delay of reflections, in samples.
        num_front_ends: arrays, of which each record has one.
        severity: of the errors of elements (gain, phase, delay), as in `draw_errors`; 0: calibrated arrays.
        coupling_db: what an element hears of another half a wavelength away; minus infinity: nothing.
        num_samples: snapshots.
        records_per_class: of each number of sources in a block.
        provenance: tell what was drawn, as `drawn_...`.
        seed: another seed is another, independent scene with other arrays.

    Raises:
        GroundwaveError: a setting that no record can have.
    """

    def __init__(
        self,
        *,
        size: tuple[int, int] = (4, 4),
        spacing: float = 0.5,
        num_sources: tuple[int, int] = (1, 3),
        azimuth_rad: tuple[float, float] = (-1.05, 1.05),
        elevation_rad: tuple[float, float] = (-0.7, 0.7),
        separation_rad: float = 0.3,
        level_db: float = 1.0,
        snr_db: tuple[float, float] = (-10.0, 20.0),
        fractional_bandwidth: tuple[float, float] = (0.0, 0.1),
        occupied: tuple[float, float] = (0.1, 1.0),
        num_paths: int = 2,
        reflection_db: float = 15.0,
        delay_spread: float = 4.0,
        num_front_ends: int = 4,
        severity: float = 1.0,
        coupling_db: float = -20.0,
        num_samples: int = 256,
        records_per_class: int = 16,
        provenance: bool = False,
        seed: int = 0,
    ) -> None:
        (least, most), antennas = num_sources, math.prod(size)
        counts = {
            "num_paths": num_paths,
            "num_front_ends": num_front_ends,
            "num_samples": num_samples,
            "records_per_class": records_per_class,
        }
        sides = {"azimuth_rad": azimuth_rad, "elevation_rad": elevation_rad}
        require(
            ("num_sources", num_sources, 1 <= least <= most < antennas, f"least, then most, from 1 to {antennas - 1}"),
            *((name, value, value >= 1, "at least 1") for name, value in counts.items()),
            *(
                (name, (low, high), -math.pi / 2 < low <= high < math.pi / 2, "lowest, then highest, both in front")
                for name, (low, high) in sides.items()
            ),
            ("separation_rad", separation_rad, 0 <= separation_rad < math.inf, "a finite number, no less than 0"),
            ("level_db", level_db, 0 <= level_db < math.inf, "a finite number, no less than 0"),
            ("snr_db", snr_db, -math.inf < snr_db[0] <= snr_db[1] < math.inf, "lowest, then highest, both finite"),
            (
                "fractional_bandwidth",
                fractional_bandwidth,
                0 <= fractional_bandwidth[0] <= fractional_bandwidth[1] < 2,
                "least, then most, from 0 to less than 2",
            ),
            ("occupied", occupied, 0 < occupied[0] <= occupied[1] <= 1, "least, then most, above 0, up to 1"),
            ("reflection_db", reflection_db, 0 <= reflection_db < math.inf, "a finite number, no less than 0"),
            ("delay_spread", delay_spread, 0 <= delay_spread < math.inf, "a finite number, no less than 0"),
            ("severity", severity, 0 <= severity < math.inf, "a finite number, no less than 0"),
            ("coupling_db", coupling_db, coupling_db <= 0, "decibels, at most 0"),
        )
        self.size, self.spacing, self.positions = size, spacing, planar_array(*size, spacing)
        self.classes: Sequence[str] = tuple(f"{n} source" + "s" * (n > 1) for n in range(least, most + 1))
        self.num_sources, self.sides = num_sources, (azimuth_rad, elevation_rad)
        self.separation_rad, self.level_db, self.snr_db = separation_rad, level_db, snr_db
        self.fractional_bandwidth, self.occupied = fractional_bandwidth, occupied
        self.num_paths, self.reflection_db, self.delay_spread = num_paths, reflection_db, delay_spread
        self.num_samples, self.num_per_block = num_samples, len(self.classes) * records_per_class
        self.provenance, self.seed = provenance, seed
        hardware = generator(seed, "angles", "front-ends")
        self.errors = draw_errors(num_front_ends, antennas, severity=severity, generator=hardware)
        self.coupled = coupling(self.positions, coupling_db)

    def block(self, b: int) -> Record:
        """Return block `b`, a pure function of (seed, settings, b)."""
        draw, num = generator(self.seed, "angles", "block", b), self.num_per_block
        label = torch.randperm(num, generator=draw) % len(self.classes)
        there = torch.arange(self.num_sources[1]) < label[:, None] + self.num_sources[0]
        angle = self._directions(there, draw)
        front_end = torch.randint(len(self.errors.delay), (num,), generator=draw)
        band = self._uniform(self.fractional_bandwidth, draw, num)
        start = self._uniform((0.0, 1.0), draw, num, there.shape[1])
        clean = self._heard(there, angle, front_end, band, start, draw)
        snr_db = self._uniform(self.snr_db, draw, num)
        array = clean + 10 ** (-snr_db / 20)[:, None, None] * noise_like(clean, generator=draw)
        number = b * num + torch.arange(num)
        drawn = {"start": start, "fractional_bandwidth": band}
        return {
            "array": array,
            "angle": angle.masked_fill(~there[..., None], torch.nan),
            "label": label,
            "snr_db": snr_db,
            "front_end": front_end,
            "group": number,
            "index": number,
            **({f"drawn_{name}": values for name, values in drawn.items()} if self.provenance else {}),
        }

    def _uniform(self, ends: tuple[float, float], draw: Generator, *shape: int) -> Tensor:
        return ends[0] + (ends[1] - ends[0]) * torch.rand(shape, generator=draw)

    def _directions(self, there: Tensor, draw: Generator) -> Tensor:
        """Return directions apart from each other by ascending azimuth, those of no source last."""
        num, most = there.shape
        drawn = torch.stack([self._uniform(side, draw, num, _TRIES, most) for side in self.sides], -1)
        apart = separation_rad(drawn[..., :, None, :], drawn[..., None, :, :])
        pairs = (there[:, :, None] & there[:, None, :]).triu(1)[:, None]
        nearest = apart.masked_fill(~pairs, torch.inf).flatten(2).amin(-1)
        fits = (nearest >= self.separation_rad).int().argmax(1)
        chosen = drawn[torch.arange(num), fits]
        order = chosen[..., 0].masked_fill(~there, torch.inf).argsort(1)
        return chosen.gather(1, order[..., None].expand(chosen.shape))

    def _heard(
        self, there: Tensor, angle: Tensor, front_end: Tensor, band: Tensor, start: Tensor, draw: Generator
    ) -> Tensor:
        """Return what the elements hear of all sources without noise, of unit mean power `[record, antenna, time]`."""
        num, most = there.shape
        frequency = torch.fft.fftfreq(2 * self.num_samples)
        detuning = band[:, None] * frequency
        spectra = self._spectra(num, most, frequency, draw)
        level = 10 ** (self.level_db * torch.randn((num, most), generator=draw) / 20) * there
        errors = self.errors.pick(front_end)
        total = torch.zeros(num, len(frequency), len(self.positions), dtype=torch.complex64)
        for path in range(self.num_paths):
            towards, gain, late = (angle, level, start) if path == 0 else self._reflection(level, start, draw)
            turn = torch.rand((num, most), generator=draw)[..., None] - frequency * late[..., None]
            sent = spectra * gain[..., None] * phasor(2 * math.pi * turn)
            for source in range(most):
                vectors = wideband_steering(self.positions, towards[:, source], detuning)
                total += sent[:, source, :, None] * vectors
        chains = errors.chain[:, None] * phasor(-2 * math.pi * detuning[..., None] * errors.delay[:, None])
        heard = torch.fft.ifft((total @ self.coupled.mT * chains).mT)[..., : self.num_samples]
        array: Tensor = heard / heard.abs().square().mean((1, 2), keepdim=True).sqrt()
        return array

    def _spectra(self, num: int, most: int, frequency: Tensor, draw: Generator) -> Tensor:
        """Return spectra of Gaussian signals of equal power `[record, source, freq]`, each in a band of its own."""
        width = self._uniform(self.occupied, draw, num, most).clamp(min=_LEAST_BAND)
        centre = (1 - width) * self._uniform((-0.5, 0.5), draw, num, most)
        inside = (frequency - centre[..., None]).abs() <= width[..., None] / 2
        white = torch.randn((num, most, len(frequency)), dtype=torch.complex64, generator=draw)
        return white * inside / inside.float().mean(-1, keepdim=True).sqrt()

    def _reflection(self, level: Tensor, start: Tensor, draw: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return direction, level and delay of one reflection of each source."""
        towards = torch.stack([self._uniform(side, draw, *level.shape) for side in self.sides], -1)
        delay = -self.delay_spread * (1 - torch.rand(level.shape, generator=draw)).log()
        return towards, level * 10 ** (-self.reflection_db / 20), start + delay
