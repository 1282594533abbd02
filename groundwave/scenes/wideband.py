"""What a block of wideband records is drawn on: their spectra, the class of each cell, the edges of each burst."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from groundwave.scenes.emitters import Tracks
from groundwave.scenes.transmitters import SILENT
from groundwave.signal import render
from groundwave.signal.spectrum import (
    central_span,
    central_spans,
    fast_length,
    is_fast_length,
    squared_magnitude,
)

SAMPLES_PER_SYMBOL = 4  # in an emitter's band, which so holds four times its nominal bandwidth
_DEPTH = 0.1  # of an emitter's mean: a cell with less is its own only if that is above the noise floor
MOST_CLASSES = 0xFF


@dataclass(frozen=True)
class Grid:
    """Cells of a spectrogram and the stretch of time around them that a block is made on.

    The timeline begins one window before the record and ends at least one after it, so that what is periodic about an
    FFT stays outside. It holds `num_windows` times `num_freqs` samples.
    """

    num_freqs: int
    num_frames: int
    hop: int

    @property
    def num_samples(self) -> int:
        """Samples in a record."""
        return self.num_freqs + (self.num_frames - 1) * self.hop

    @property
    def num_windows(self) -> int:
        """Windows, end to end, in the timeline."""
        least = math.ceil(self.num_samples / self.num_freqs) + 2
        return fast_length(least)

    def bandwidths(self, limits: tuple[float, float]) -> tuple[float, ...]:
        """Return the nominal bandwidths there are in a range, at least one; their bands are even and fast to transform.

        A band of `width` cells has a whole number of samples in a hop, and holds 4 times the nominal bandwidth.
        """
        step = max(2, self.num_freqs // self.hop)
        low, high = (SAMPLES_PER_SYMBOL * self.num_freqs / step * edge for edge in limits)
        known = [n for n in range(math.ceil(low), 2 * math.ceil(high) + 1) if is_fast_length(n)]
        within = [n for n in known if n <= high] or known[:1]
        return tuple(n * step / SAMPLES_PER_SYMBOL / self.num_freqs for n in within)

    def width(self, bandwidth: Tensor) -> Tensor:
        """Return the width, in cells, of the bands that emitters of these nominal bandwidths are made in."""
        return (bandwidth * SAMPLES_PER_SYMBOL * self.num_freqs).round().long()


@dataclass
class Canvas:
    """A block in the making.

    Args:
        grid: cells and timeline.
        spectra: complex64 `[records, num_windows * num_freqs]`: FFTs of the timelines, DC in the middle.
        keys: int32 `[records, time, freq]`: the bits of the strongest emitter's power, its class + 1 in the last eight.
    """

    grid: Grid
    num_records: int
    spectra: Tensor = field(init=False)
    keys: Tensor = field(init=False)

    def __post_init__(self) -> None:
        grid = self.grid
        self.spectra = torch.zeros(self.num_records, grid.num_windows * grid.num_freqs, dtype=torch.complex64)
        self.keys = torch.zeros(self.num_records, grid.num_frames, grid.num_freqs, dtype=torch.int32)

    def mask(self) -> Tensor:
        """Return the class + 1 of each cell's strongest emitter, 0 where there is none: uint8 `[B, freq, time]`."""
        mask = torch.empty(self.keys.transpose(1, 2).shape, dtype=torch.uint8)
        for row, keys in zip(mask, self.keys, strict=True):
            row.copy_((keys & MOST_CLASSES).byte().T)
        return mask

    def add(
        self, width: int, tracks: Tracks, sent: Sequence[Tensor], channel: Callable[[Tensor, float], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Draw tracks of one width.

        Args:
            width: of their bands in cells.
            tracks: the tracks.
            sent: for each the clean IQ of all its bursts, end to end.
            channel: what happens to `[tracks, time]` on the way, at a rate that is a share of the record's.

        Returns:
            The first and last sample `[tracks, bursts, 2]`, in the record, and the lowest and highest frequency
            `[tracks, 2]`, in cycles per sample, between which 99 % of the energy lies. A burst that fell between an
            emitter's pulses or packets is empty.
        """
        grid, num_bins, rate = self.grid, self.spectra.shape[1], width / self.grid.num_freqs
        bursts = band_bursts(tracks.bursts, width, grid.num_freqs)
        x = _timelines(sent, bursts, width * grid.num_windows)
        x = render.centre_dc_(channel(render.ramp_bursts_(x, bursts, max(1, width // 4)), rate))
        spectrum = torch.fft.fft(x)
        spans, mean_power = _spans(x, bursts)
        edges = torch.stack(central_span(squared_magnitude(spectrum)), -1) / num_bins
        bandwidth = edges.diff(dim=-1).squeeze(-1).clamp(min=1 / grid.num_freqs)  # a tone's band is one cell
        snr = 10 ** (tracks.snr_db / 10)
        gain = snr * bandwidth / mean_power.clamp(min=SILENT)
        bins = (tracks.centre * num_bins).round()
        cells = (bins / grid.num_windows).round()
        power = self._spectrogram(x, width, bins / grid.num_windows - cells) * gain[:, None, None]
        keys = own_keys(power, snr, tracks.label)
        places = zip(
            tracks.scene.tolist(), bins.int().tolist(), cells.int().tolist(), gain.sqrt().tolist(), strict=True
        )
        for i, (row, bin_, cell, amplitude) in enumerate(places):  # each has its own slice of the record
            render.add_band(self.spectra[row], spectrum[i], bin_, amplitude)
            _keep_strongest(self.keys[row], keys[i], cell)
        return spans / rate - grid.num_freqs, edges - 0.5 * rate + bins[:, None] / num_bins

    def _spectrogram(self, x: Tensor, width: int, shift: Tensor) -> Tensor:
        """Return the power of each timeline in the frames of the record, as if it was alone there."""
        grid, hop = self.grid, width * self.grid.hop // self.grid.num_freqs
        recorded = x[:, width : 2 * width + (grid.num_frames - 1) * hop]
        return render.band_spectrogram(recorded, width, hop, shift, grid.num_freqs)


def band_bursts(bursts: Tensor, width: int | Tensor, num_freqs: int) -> Tensor:
    """Return starts and stops, given in samples of the record, in samples of a band's timeline."""
    return torch.where(bursts.diff(dim=-1) > 0, (bursts + num_freqs) * (width / num_freqs), 0.0).round().long()


def _timelines(sent: Sequence[Tensor], bursts: Tensor, num_samples: int) -> Tensor:
    """Lay out what is sent in bursts; an emitter pauses between them."""
    x = torch.zeros(len(bursts), num_samples, dtype=torch.complex64)
    lengths = bursts.diff(dim=-1).squeeze(-1)
    track, burst = lengths.nonzero().unbind(1)
    pieces = zip(track.tolist(), bursts[track, burst].tolist(), lengths.cumsum(1)[track, burst].tolist(), strict=True)
    for row, (start, stop), done in pieces:
        x[row, start:stop] = sent[row][done - stop + start : done]
    return x


def _spans(x: Tensor, bursts: Tensor) -> tuple[Tensor, Tensor]:
    """Return where 99 % of each burst's energy lies, zeros for one without, and each track's mean power in bursts."""
    spans, energy = central_spans(squared_magnitude(x), bursts)
    lengths = bursts.diff(dim=-1).squeeze(-1)
    silent = energy <= SILENT * lengths
    return spans.masked_fill(silent[..., None], 0.0), energy.sum(1) / lengths.sum(1)


def own_keys(power: Tensor, snr: Tensor, label: Tensor) -> Tensor:
    """Return keys that order cells by power, as the bits of positive floats do, and end with the class; 0: not own."""
    own = render.close_gaps(power >= (snr * _DEPTH).clamp(max=1.0)[:, None, None])
    keys = (power.view(torch.int32) & ~MOST_CLASSES) | (label.int() + 1)[:, None, None]
    return torch.where(own, keys, 0)


def _keep_strongest(keys: Tensor, band: Tensor, middle: int) -> None:
    """Write a band's keys `[time, cells]` over weaker ones, its DC `middle` cells above the record's."""
    num, width = keys.shape[1], band.shape[1]
    first = (num - width) // 2 + middle
    low, high = max(first, 0), min(first + width, num)
    if low < high:
        torch.maximum(keys[:, low:high], band[:, low - first : high - first], out=keys[:, low:high])
