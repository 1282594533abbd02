"""Emitters into a wide band: each lives at its own low rate and is placed by adding its spectrum into the scene's.

An emitter's *band* is `width` cells of the scene's spectrogram wide and sampled at that rate: `width` samples of it
last as long as `num_freqs` samples of the scene. Its DC lies in the middle: its samples are multiplied by (-1)^n, so
that its spectrum, its spectrogram and the scene's spectrum all ascend in frequency.
"""

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from groundwave.signal.spectrum import squared_magnitude


def ramp_bursts_(
    x: Complex[Tensor, "tracks time"], bursts: Int[Tensor, "tracks bursts 2"], ramp: int
) -> Complex[Tensor, "tracks time"]:
    """Put raised-cosine ramps over the first and last `ramp` samples of each burst (start, stop; or empty), in place.

    A transmitter's power rises and falls within a time; an edge of no width would splash over the whole band.
    """
    track, burst = (bursts[..., 1] > bursts[..., 0]).nonzero().unbind(1)
    step = torch.arange(ramp, device=x.device)
    gain = torch.sin(0.5 * torch.pi * (step + 0.5) / ramp).square()
    start, stop = bursts[track, burst, :, None].unbind(1)
    for at in (start + step, stop - 1 - step):
        x[track[:, None], at] *= gain
    return x


def centre_dc_(x: Complex[Tensor, "*batch time"]) -> Complex[Tensor, "*batch time"]:
    """Multiply `x` by (-1)^n, in place: its DC moves to the middle of its spectrum, or back."""
    x[..., 1::2].neg_()
    return x


def add_band(wide: Complex[Tensor, " wide"], band: Complex[Tensor, " narrow"], centre: int, amplitude: float) -> None:
    """Add an emitter's spectrum to the scene's, in place, `centre` bins up; what then lies beyond the edges is lost.

    Both are unnormalised FFTs of the same stretch of time, ascending, DC in the middle. The inverse FFT of the sum
    holds the emitter interpolated without error, as all of it lies inside its band, and shifted in frequency.
    """
    first = len(wide) // 2 + centre - len(band) // 2
    low, high = max(first, 0), min(first + len(band), len(wide))
    if low < high:
        wide[low:high].add_(band[low - first : high - first], alpha=amplitude * len(wide) / len(band))


def band_spectrogram(
    x: Complex[Tensor, "tracks time"], width: int, hop: int, shift: Float[Tensor, " tracks"], num_freqs: int
) -> Float[Tensor, "tracks frames {width}"]:
    """Return what `|stft|^2` of the scene would hold of each emitter alone in the cells of its band, frame by frame.

    A window of `width` samples of the band spans the scene's window of `num_freqs`; `hop` is in samples of the band and
    `shift`, in cells, moves each emitter up inside its band.
    """
    turn = 2 * torch.pi / width * shift[:, None] * torch.arange(width, device=x.device)
    window = _window(width, num_freqs, x.device)
    frames = x.unfold(1, width, hop) * torch.polar(window.expand_as(turn), turn)[:, None]
    return squared_magnitude(torch.fft.fft(frames))


def band_stft(
    x: Complex[Tensor, " time"], width: int, shift: float, num_freqs: int, first: int = 0
) -> Complex[Tensor, "windows cells"]:
    """Return what the scene's STFT would hold of an emitter in the cells of its band, its windows end to end.

    `x` begins with window `first` of the scene and is a whole number of windows of `width` samples long; `shift`, in
    cells, moves the emitter up inside its band.
    """
    windows = x.unflatten(0, (-1, width)) * _window(width, num_freqs, x.device)
    if shift:
        turn = 2 * torch.pi * shift
        within = turn / width * torch.arange(width, device=x.device)
        since = turn * torch.arange(first, first + len(windows), device=x.device)
        windows *= torch.polar(torch.ones_like(within), within)
        windows *= torch.polar(torch.ones_like(since), since)[:, None]
    spectra: Tensor = torch.fft.fft(windows)
    return spectra


def _window(width: int, num_freqs: int, device: torch.device) -> Tensor:
    """Return a band's Hann window, scaled so that its STFT is that of the scene, whose window has unit energy."""
    window = torch.hann_window(width, device=device)
    return window * (num_freqs / (width * window.square().sum())).sqrt()


def close_gaps(mask: Bool[Tensor, "*batch rows columns"]) -> Bool[Tensor, "*batch rows columns"]:
    """Fill what no 3 x 3 square of empty cells fits into: a morphological closing (Serra 1982)."""
    grown = pad(mask, (2, 2, 2, 2))
    for dim in (-1, -2):
        grown = _before(grown, dim) | _middle(grown, dim) | _after(grown, dim)
    for dim in (-1, -2):
        grown = _before(grown, dim) & _middle(grown, dim) & _after(grown, dim)
    return grown


def _before(x: Tensor, dim: int) -> Tensor:
    return x.narrow(dim, 0, x.shape[dim] - 2)


def _middle(x: Tensor, dim: int) -> Tensor:
    return x.narrow(dim, 1, x.shape[dim] - 2)


def _after(x: Tensor, dim: int) -> Tensor:
    return x.narrow(dim, 2, x.shape[dim] - 2)
