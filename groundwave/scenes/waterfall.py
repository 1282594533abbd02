"""A record in the making as a spectrum monitor shows it: each column the mean power of many windows, end to end.

Emitters are made at the low rate of their own band and only while they send. What each adds to the short-time spectra
of the record is added there, so that a record of millions of samples is never made.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

from groundwave.scenes.knobs import Check
from groundwave.scenes.wideband import MOST_CLASSES, own_keys
from groundwave.signal.multipath import draw_paths, frequency_response, path_gains
from groundwave.signal.noise import noise_like
from groundwave.signal.profiles import Profile
from groundwave.signal.render import band_stft, centre_dc_
from groundwave.signal.spectrum import squared_magnitude

_PIECE = 1 << 17
_FLOOR = 1e-12


@dataclass(frozen=True)
class Screen:
    """Cells of a waterfall: `num_averaged` windows of `num_freqs` samples, end to end, make a column."""

    num_freqs: int
    num_frames: int
    num_averaged: int

    @property
    def num_windows(self) -> int:
        """Windows in a record."""
        return self.num_frames * self.num_averaged

    @property
    def num_samples(self) -> int:
        """Samples in a record."""
        return self.num_windows * self.num_freqs

    def checks(self) -> list[Check]:
        """Return what `knobs.require` has to check."""
        freqs = self.num_freqs
        return [
            ("num_freqs", freqs, freqs >= 16 and freqs.bit_count() == 1, "a power of two, 16 or more"),
            ("num_frames", self.num_frames, self.num_frames >= 1, "at least 1"),
            ("num_averaged", self.num_averaged, self.num_averaged >= 1, "at least 1"),
        ]


@dataclass(frozen=True)
class Emission:
    """What an emitter sends in one go, complex64 `[time]`, in a band of its own.

    Args:
        x: samples, `width` of them in a window of the record.
        width: cells of the band, even; the sample rate as a share of the record's is `width` / `num_freqs`.
        start: the sample of the band at which `x` begins, 0 where the record does; may be negative.
        centre: of the band, in cycles per sample of the record.
    """

    x: Tensor
    width: int
    start: int = 0
    centre: float = 0.0


class Waterfall:
    """One record: emitters are added one by one, then a receiver hears them all.

    Args:
        screen: its cells.

    Attributes:
        heard: complex64 `[windows, freq]`, the short-time spectra without noise, whose power is 1 in each cell.
        keys: int32 `[frames, freq]`: the bits of the strongest emitter's power, its class + 1 in the last eight.
    """

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.heard = torch.zeros(screen.num_windows, screen.num_freqs, dtype=torch.complex64)
        self.keys = torch.zeros(screen.num_frames, screen.num_freqs, dtype=torch.int32)

    def add(
        self, sent: Iterable[Emission], label: int, snr_db: float, bandwidth: float, response: Tensor | None = None
    ) -> Tensor:
        """Add an emitter that sends at unit mean power over `bandwidth` (cycles per sample of the record).

        Args:
            sent: its emissions.
            label: its class.
            snr_db: its SNR over that bandwidth, while it sends.
            bandwidth: see above.
            response: what its channel multiplies each cell by, `[windows, freq]`.

        Returns:
            The cells that it would own if it was alone, bool `[frames, freq]`.
        """
        screen, snr = self.screen, 10 ** (snr_db / 10)
        power = torch.zeros(screen.num_frames, screen.num_freqs)
        for emission in sent:
            self._place(emission, math.sqrt(snr * bandwidth), response, power)
        keys = own_keys(power[None], torch.tensor([snr]), torch.tensor([label]))[0]
        torch.maximum(self.keys, keys, out=self.keys)
        return keys > 0

    def add_spur(self, level_db: float) -> None:
        """Add a receiver's DC offset, `level_db` over the noise floor in the middle cell; it is nobody's."""
        amplitude, middle = 10 ** (level_db / 20), self.screen.num_freqs // 2
        for cell, share in ((-1, -0.5), (0, 1.0), (1, -0.5)):  # the transform of a Hann window
            self.heard[:, middle + cell] += share * amplitude

    def snr_db(self) -> float:
        """Return the mean power of all that was added, over the record, over the noise in the full band."""
        return (
            10 * math.log10(max(float(squared_magnitude(self.heard).mean()), 1e-37)) if self.keys.any() else -math.inf
        )

    def noise_free(self) -> Tensor:
        """Return the power of each cell without noise, float32 `[freq, frames]`."""
        return squared_magnitude(self.heard).view(-1, self.screen.num_averaged, self.screen.num_freqs).mean(1).T

    def receive(self, *, generator: Generator) -> Tensor:
        """Return decibels over the noise floor, whose mean is 0 dB in each cell: float32 `[freq, frames]`."""
        num_freqs, num_averaged = self.screen.num_freqs, self.screen.num_averaged
        window = torch.hann_window(num_freqs)
        window /= window.square().sum().sqrt()
        columns = self.heard.view(-1, num_averaged, num_freqs)
        power = torch.empty(len(columns), num_freqs)
        size = max(1, _PIECE // (num_averaged * num_freqs))  # pieces that fit the cache
        for out, heard in zip(power.split(size), columns.split(size), strict=True):
            noise = torch.fft.fft(noise_like(heard, generator=generator).mul_(window))
            torch.mean(squared_magnitude(noise.add_(heard)), 1, out=out)
        return power.clamp_(min=_FLOOR).log10_().mul_(10).T

    def mask(self) -> Tensor:
        """Return the class + 1 of each cell's strongest emitter, 0 where there is none: uint8 `[freq, frames]`."""
        return (self.keys & MOST_CLASSES).byte().T

    def _place(self, emission: Emission, amplitude: float, response: Tensor | None, power: Tensor) -> None:
        """Add an emission to what is heard, and its power to the emitter's."""
        screen, width = self.screen, emission.width
        first = emission.start // width
        stop = -(-(emission.start + len(emission.x)) // width)
        begin, end = max(first, 0), min(stop, screen.num_windows)
        cells = round(emission.centre * screen.num_freqs)
        lowest = screen.num_freqs // 2 + cells - width // 2
        low, high = max(lowest, 0), min(lowest + width, screen.num_freqs)
        if begin >= end or low >= high:
            return
        before = begin * width - emission.start  # samples of the band before its first window; negative: silence
        x = emission.x[max(before, 0) : end * width - emission.start]
        x = pad(x, (max(-before, 0), (end - begin) * width - len(x) - max(-before, 0)))
        shift = emission.centre * screen.num_freqs - cells
        spectra = band_stft(centre_dc_(x), width, shift, screen.num_freqs, begin)[:, low - lowest : high - lowest]
        spectra *= amplitude
        if response is not None:
            spectra *= response[begin:end, low:high]
        self.heard[begin:end, low:high] += spectra
        column = torch.arange(begin, end).div(screen.num_averaged, rounding_mode="floor")
        power[:, low:high].index_add_(0, column, squared_magnitude(spectra), alpha=1 / screen.num_averaged)


def draw_response(
    screen: Screen,
    profile: Profile,
    *,
    sample_rate_hz: float,
    delay_spread_s: float | None,
    doppler_hz: float,
    generator: Generator,
) -> Tensor:
    """Draw what a channel of unit mean power multiplies each window's cells by: complex64 `[windows, freq]`."""
    paths = draw_paths(
        profile,
        1,
        screen.num_windows,
        sample_rate_hz=sample_rate_hz / screen.num_freqs,
        delay_spread_s=delay_spread_s,
        doppler_hz=doppler_hz,
        generator=generator,
    )
    frequency = torch.arange(screen.num_freqs) - 0.5 * screen.num_freqs  # in cells: cycles per window
    gains = path_gains(paths, screen.num_windows)
    return frequency_response(gains, paths.delays, frequency)[0].expand(screen.num_windows, -1)
