"""Orthogonal frequency division multiplexing at the critical rate: resource grids to samples and back."""

import math
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from groundwave.signal.filters import lowpass

_BETA = 6.0  # of the Kaiser window: images 63 dB down ...
_WIDTH = 3.85  # ... with a transition of this many cycles over the filter's length


@dataclass(frozen=True)
class Numerology:
    """The sizes of an OFDM system.

    Args:
        num_fft: samples of a symbol without its cyclic prefix; the sample rate is `num_fft * spacing_hz`.
        num_subcarriers: width of a resource grid; its lowest subcarrier has index `lowest`, 0 is the carrier.
        lowest: index of the lowest subcarrier, negative.
        prefixes: cyclic prefix lengths in samples of consecutive symbols; the pattern repeats.
        spacing_hz: subcarrier spacing.
    """

    num_fft: int
    num_subcarriers: int
    lowest: int
    prefixes: tuple[int, ...]
    spacing_hz: float

    @property
    def sample_rate_hz(self) -> float:
        """The critical sample rate."""
        return self.num_fft * self.spacing_hz

    @property
    def period(self) -> int:
        """Samples after which the pattern of prefixes repeats."""
        return sum(self.prefixes) + len(self.prefixes) * self.num_fft

    @property
    def edge(self) -> float:
        """Outer edge of the outermost subcarrier, in cycles per sample."""
        return (max(-self.lowest, self.num_subcarriers + self.lowest - 1) + 0.5) / self.num_fft

    def num_symbols(self, num_samples: int) -> int:
        """Return how many symbols any `num_samples` samples can touch."""
        return -(-num_samples // (self.num_fft + min(self.prefixes))) + 1


@cache
def clock(numerology: Numerology) -> tuple[Int[Tensor, " period"], Int[Tensor, " period"]]:
    """Return, for each sample of a period, its symbol and its place in that symbol's FFT window."""
    lengths = torch.tensor([prefix + numerology.num_fft for prefix in numerology.prefixes])
    symbol = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    begin = lengths.cumsum(0) - numerology.num_fft
    place = (torch.arange(numerology.period) - begin[symbol]).remainder(numerology.num_fft)
    return symbol, place


def _bodies(grid: Tensor, numerology: Numerology) -> Tensor:
    """Return the symbols without prefixes, `[*batch, symbols, num_fft]`."""
    below = -numerology.lowest
    empty = grid.new_zeros((*grid.shape[:-1], numerology.num_fft - numerology.num_subcarriers))
    bodies: Tensor = torch.fft.ifft(torch.cat([grid[..., below:], empty, grid[..., :below]], -1), norm="ortho")
    return bodies


def stretch(
    grid: Complex[Tensor, "records symbols subcarriers"],
    numerology: Numerology,
    start: Int[Tensor, " records"],
    num_samples: int,
) -> Complex[Tensor, "records {num_samples}"]:
    """Modulate only what is needed: `num_samples` from sample `start` of a period on.

    `grid[:, 0]` is the symbol that `start` lies in. Unitary: a symbol's mean power is its grid's,
    summed over subcarriers and divided by `num_fft`.
    """
    symbol, place = (table.to(grid.device) for table in clock(numerology))
    position = start[:, None] + torch.arange(num_samples, device=grid.device)
    wrapped = position.remainder(numerology.period)
    turns = position.div(numerology.period, rounding_mode="floor") * len(numerology.prefixes)
    index = (symbol[wrapped] + turns - symbol[start][:, None]) * numerology.num_fft + place[wrapped]
    return _bodies(grid, numerology).flatten(-2).gather(-1, index)


def _windows(numerology: Numerology, first_symbol: int, num_symbols: int) -> tuple[list[int], int]:
    """Return where each symbol's FFT window begins, and the samples of all symbols."""
    begins, now = [], 0
    for k in range(first_symbol, first_symbol + num_symbols):
        begins.append(now + numerology.prefixes[k % len(numerology.prefixes)])
        now = begins[-1] + numerology.num_fft
    return begins, now


def modulate(
    grid: Complex[Tensor, "*batch symbols subcarriers"], numerology: Numerology, first_symbol: int = 0
) -> Complex[Tensor, "*batch time"]:
    """Modulate whole symbols: x[n] = sum_k X[k] exp(j 2 pi k n / N) / sqrt(N), its last samples repeated before it.

    `first_symbol` says where in the pattern of prefixes the grid begins. Subcarriers ascend in frequency.
    """
    bodies = _bodies(grid, numerology)
    parts = []
    for k, body in enumerate(bodies.unbind(-2)):
        prefix = numerology.prefixes[(first_symbol + k) % len(numerology.prefixes)]
        parts += [body[..., numerology.num_fft - prefix :], body]
    return torch.cat(parts, -1)


def demodulate(
    x: Complex[Tensor, "*batch time"], numerology: Numerology, num_symbols: int, first_symbol: int = 0
) -> Complex[Tensor, "*batch symbols subcarriers"]:
    """Return the resource grid of samples that begin with the prefix of symbol `first_symbol`."""
    begins, _ = _windows(numerology, first_symbol, num_symbols)
    bodies = torch.stack([x[..., b : b + numerology.num_fft] for b in begins], -2)
    bins = torch.fft.fft(bodies, norm="ortho")
    below = -numerology.lowest
    return torch.cat([bins[..., numerology.num_fft - below :], bins[..., : numerology.num_subcarriers - below]], -1)


def image_filter(numerology: Numerology, factor: int) -> Float[Tensor, " taps"]:
    """Return the taps that raise the critical rate `factor` times: flat over the subcarriers, no images beyond.

    As long as the guard band asks for, a whole number of critical samples.
    """
    span = math.ceil(_WIDTH / (1 - 2 * numerology.edge))
    return factor * lowpass(span * factor, 0.5 / factor, _BETA)
