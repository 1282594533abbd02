"""Wideband spectrograms: several emitters in one band over time, with a class for each cell and a box for each burst.

Each emitter is made at the low rate of its own band and placed by its spectrum; what its spectrogram alone would be
tells which cells are its own. So the truth is that of the emitters as made, not of their plan.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record
from groundwave.errors import lookup
from groundwave.rng import generator
from groundwave.scenes.emitters import ACTIVITIES, MAX_BURSTS, Plan, Tracks
from groundwave.scenes.environment import Environment
from groundwave.scenes.knobs import Check, check_surroundings, require
from groundwave.scenes.modulations import ALIASES
from groundwave.scenes.transmitters import transmissions
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.scenes.wideband import MOST_CLASSES, SAMPLES_PER_SYMBOL, Canvas, Grid, band_bursts
from groundwave.signal.noise import noise_like
from groundwave.signal.render import centre_dc_
from groundwave.signal.spectrum import spectrogram_db, squared_magnitude

CLASSES = tuple(name for name in WAVEFORMS if name not in ALIASES)


def _range(name: str, value: tuple[float, float], least: float, most: float) -> Check:
    low, high = value
    fits = least <= low <= high <= most and -math.inf < low and high < math.inf
    return name, value, fits, f"lowest, highest: finite, {least:g} to {most:g}"


class Spectrogram:
    """Records of a wide band with several emitters, each with its own waveform, place, bandwidth and times.

    A record carries `spec` (decibels over the noise floor, whose mean is 0 dB in each cell), `mask`, and for each burst
    a row of `boxes`, `box_label`, `box_emitter` and `box_snr_db`. `snr_db` keeps the SNR contract: the mean power of
    all emitters over the record, over the noise in the full band (-inf where there is none). `box_snr_db` is the mean
    power of an emitter while it sends, over the noise in the bandwidth that holds 99 % of its power (at least a cell).

    A cell of `mask` belongs to an emitter where its noise-free power reaches the noise floor, or is no more than 10 dB
    below its mean over its time and band; gaps in which no 3 x 3 cells fit are filled, and the strongest takes the
    cell. A box holds 99 % of a burst's energy in time and of its emitter's power in frequency. Frame t begins at sample
    t * `hop` and is `num_freqs` long; row f is centred on f / `num_freqs` - 1/2 cycles per sample.

    Args:
        classes: waveforms to draw from; by default all, but for second names of the same waveform.
        num_emitters: fewest and most in a record; (0, 0) is noise alone.
        bandwidth: narrowest and widest emitter, nominal (symbol rate or its like), as a share of the band. A range too
            narrow to hold a bandwidth whose FFT is fast takes the next one above.
        duration: shortest and longest, as a share of the record; continuous emitters last longer than it.
        emitter_snr_db: lowest and highest SNR of an emitter over its own time and band.
        activities: how emitters use their time, names in `ACTIVITIES`.
        overlap: whether emitters may meet; if not, each keeps 1.5 times its nominal bandwidth for itself, and one that
            finds no free place is left out.
        environment: the fading of each emitter, a channel profile such as `TDL-A`; `none`: none.
        delay_spread_s: rms delay spread of profiles that leave it open.
        doppler_hz: largest Doppler shift; 0: nothing moves.
        sample_rate_hz: width of the band; it counts for fading alone.
        num_freqs: cells in frequency, a power of two: the length of the Hann window.
        num_frames: cells in time.
        hop: samples from one window to the next: `num_freqs` (the default), half, a quarter or an eighth of it.
        with_iq: give `iq`, too.
        num_per_block: records that are made together.
        seed: another seed is another, independent scene.

    Raises:
        GroundwaveError: a setting that no record can have.
    """

    def __init__(
        self,
        *,
        classes: Sequence[str] = CLASSES,
        num_emitters: tuple[int, int] = (1, 5),
        bandwidth: tuple[float, float] = (1 / 64, 1 / 8),
        duration: tuple[float, float] = (0.1, 0.8),
        emitter_snr_db: tuple[float, float] = (0.0, 30.0),
        activities: Sequence[str] = tuple(ACTIVITIES),
        overlap: bool = False,
        environment: str = "none",
        delay_spread_s: float = 100e-9,
        doppler_hz: float = 0.0,
        sample_rate_hz: float = 20e6,
        num_freqs: int = 256,
        num_frames: int = 256,
        hop: int | None = None,
        with_iq: bool = False,
        num_per_block: int = 48,
        seed: int = 0,
    ) -> None:
        for name in classes:
            lookup(WAVEFORMS, name, "waveform")
        for name in activities:
            lookup(ACTIVITIES, name, "activity")
        hop = num_freqs if hop is None else hop
        hops = [num_freqs // share for share in (1, 2, 4, 8)]
        fewest, most = num_emitters
        require(
            ("classes", classes, 0 < len(set(classes)) == len(classes) <= MOST_CLASSES, "1 to 255, each once"),
            ("activities", activities, len(activities) > 0, "at least one"),
            ("num_freqs", num_freqs, num_freqs >= 16 and num_freqs.bit_count() == 1, "a power of two, 16 or more"),
            ("num_frames", num_frames, num_frames >= 1, "at least 1"),
            ("hop", hop, hop in hops, f"one of {hops}"),
            ("num_emitters", num_emitters, 0 <= fewest <= most, "fewest, most: from 0 up"),
            ("num_per_block", num_per_block, num_per_block >= 1, "at least 1"),
            _range("bandwidth", bandwidth, 1 / num_freqs, 1.0),
            _range("duration", duration, 0.0, 1.0),
            _range("emitter_snr_db", emitter_snr_db, -math.inf, math.inf),
            *check_surroundings(environment, delay_spread_s, doppler_hz, sample_rate_hz),
        )
        self.classes: Sequence[str] = tuple(classes)
        self.grid = Grid(num_freqs, num_frames, hop)
        self.plan = Plan(
            num_classes=len(self.classes),
            num_samples=self.grid.num_samples,
            margin=num_freqs,
            shortest=num_freqs,
            num_emitters=num_emitters,
            bandwidths=self.grid.bandwidths(bandwidth),
            duration=duration,
            snr_db=emitter_snr_db,
            activities=tuple(activities),
            overlap=overlap,
        )
        self.environment = Environment(environment, delay_spread_s, doppler_hz, sample_rate_hz)
        self.environment.check(SAMPLES_PER_SYMBOL * self.plan.bandwidths[0])
        self.with_iq, self.num_per_block, self.seed = with_iq, num_per_block, seed

    def block(self, b: int) -> Record:
        """Return block `b`, a pure function of (seed, settings, b)."""
        canvas, boxes, draw = self._drawn(b)
        number = b * self.num_per_block + torch.arange(self.num_per_block)
        return {**self._heard(canvas, draw), "mask": canvas.mask(), **boxes, "group": number, "index": number}

    def clean_and_noise(self, b: int) -> tuple[Tensor, Tensor]:
        """Return the noise-free records of block `b` and their noise, whose power is 1."""
        canvas, _, draw = self._drawn(b)
        clean, noise = zip(*self._received(canvas, draw), strict=True)
        return torch.stack(clean), torch.stack(noise)

    def _drawn(self, b: int) -> tuple[Canvas, Record, Generator]:
        """Return the block's emitters on a canvas, their boxes, and the generator, ready for the noise."""
        draw = generator(self.seed, "spectrogram", "block", b)
        tracks = self.plan.draw(self.num_per_block, draw)
        canvas = Canvas(self.grid, self.num_per_block)
        width = self.grid.width(tracks.bandwidth)
        count = band_bursts(tracks.bursts, width[:, None, None], self.grid.num_freqs).diff(dim=-1).sum((1, 2))
        sent = transmissions(self.classes, tracks.label, count, SAMPLES_PER_SYMBOL, generator=draw)
        channel = partial(self.environment.transfer, generator=draw)
        spans, edges = torch.zeros_like(tracks.bursts), torch.zeros(len(tracks), 2)
        for size in width.unique().tolist():
            rows = (width == size).nonzero().squeeze(1)
            spans[rows], edges[rows] = canvas.add(size, tracks[rows], [sent[row] for row in rows.tolist()], channel)
        return canvas, self._boxes(tracks, spans, edges), draw

    def _received(self, canvas: Canvas, draw: Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each record without noise, and its noise: one at a time, as a record just fits the cache."""
        first, num = self.grid.num_freqs, self.grid.num_samples
        for spectrum in canvas.spectra:
            clean = centre_dc_(torch.fft.ifft(spectrum)[first : first + num])
            yield clean, noise_like(clean, generator=draw)

    def _heard(self, canvas: Canvas, draw: Generator) -> Record:
        """Return what a receiver with a noise floor of 1 hears."""
        grid, num = self.grid, self.num_per_block
        snr_db, spec = torch.empty(num), torch.empty(num, grid.num_freqs, grid.num_frames)
        iq = torch.empty(num if self.with_iq else 0, grid.num_samples, dtype=torch.complex64)
        for row, (clean, noise) in enumerate(self._received(canvas, draw)):
            snr_db[row] = 10 * torch.log10(squared_magnitude(clean).mean())
            record = noise.add_(clean)
            spec[row] = spectrogram_db(record, grid.num_freqs, grid.hop)
            if self.with_iq:
                iq[row] = record
        return {**({"iq": iq} if self.with_iq else {}), "spec": spec, "snr_db": snr_db}

    def _boxes(self, tracks: Tracks, spans: Tensor, edges: Tensor) -> Record:
        """Return a box for each burst that the record holds, in the order of emitters, channels and time."""
        spans = spans.clamp(0, self.grid.num_samples)
        track, burst = (spans.diff(dim=-1).squeeze(-1) > 0).nonzero().unbind(1)
        scene = tracks.scene[track]
        place = scene, torch.arange(len(scene)) - torch.searchsorted(scene, scene)
        boxes = torch.cat((spans[track, burst], edges[track].clamp(-0.5, 0.5)), 1)

        def padded(values: Tensor, missing: float) -> Tensor:
            shape = (self.num_per_block, self.plan.num_emitters[1] * MAX_BURSTS, *values.shape[1:])
            return torch.full(shape, missing, dtype=values.dtype).index_put_(place, values)

        return {
            "boxes": padded(boxes, math.nan),
            "box_label": padded(tracks.label[track], -1),
            "box_emitter": padded(tracks.emitter[track], -1),
            "box_snr_db": padded(tracks.snr_db[track], math.nan),
        }
