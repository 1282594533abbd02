"""Spectra and spectrograms: frequency ascending, DC in the middle, decibels."""

from collections.abc import Callable, Mapping
from functools import cache
from itertools import count

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from groundwave.errors import lookup

# Periodic windows, as spectral analysis wants them: shifted copies of all but the last sum to a constant.
WINDOWS: Mapping[str, Callable[..., Tensor]] = {
    "hann": torch.hann_window,
    "hamming": torch.hamming_window,
    "blackman": torch.blackman_window,
    "rectangular": torch.ones,
}


def is_fast_length(num: int) -> bool:
    """Return whether `num` has no prime factor above 5, so that an FFT of that length is fast."""
    for prime in (2, 3, 5):
        while num % prime == 0:
            num //= prime
    return num == 1


@cache
def fast_length(num: int) -> int:
    """Return the least length from `num` up that an FFT is fast for."""
    return next(n for n in count(num) if is_fast_length(n))


def squared_magnitude(x: Complex[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return |x|^2: several times faster than through `abs` or a sum over I and Q."""
    i_squared, q_squared = torch.view_as_real(x).square().unbind(-1)
    return i_squared + q_squared


def stft(
    x: Complex[Tensor, "*batch time"], num_freqs: int = 64, hop: int | None = None, window: str = "hann"
) -> Complex[Tensor, "*batch freq frames"]:
    """Return the short-time Fourier transform, frames that fit the record only; hop defaults to half a window.

    The window has unit energy, so that white noise of unit power has unit mean power in every bin. Frame t begins at
    sample t * hop, from where its phases count.
    """
    return frame_spectra(x.unfold(-1, num_freqs, hop or num_freqs // 2), window)


def frame_spectra(
    frames: Complex[Tensor, "*batch frames time"], window: str = "hann"
) -> Complex[Tensor, "*batch time frames"]:
    """Return the spectra of frames that have been cut already, as `stft` does."""
    weighted = frames * _unit_energy(window, frames.shape[-1], frames)
    spectra: Tensor = torch.fft.fftshift(torch.fft.fft(weighted), dim=-1)
    return spectra.transpose(-1, -2)


def istft(
    spectra: Complex[Tensor, "*batch freq frames"], hop: int | None = None, window: str = "hann"
) -> Complex[Tensor, "*batch time"]:
    """Return the signal whose `stft` is nearest to `spectra`, in least squares; where no window looked, it is zero.

    Griffin and Lim, "Signal estimation from modified short-time Fourier transform", 1984, equation 6: overlapping
    frames, windowed again, over the overlapping squares of the window.
    """
    num_freqs, num_frames = spectra.shape[-2:]
    step = hop or num_freqs // 2
    weight = _unit_energy(window, num_freqs, spectra)
    frames = torch.fft.ifft(torch.fft.ifftshift(spectra.transpose(-1, -2), dim=-1)) * weight
    places = (torch.arange(num_frames)[:, None] * step + torch.arange(num_freqs)).flatten().to(spectra.device)
    length = (num_frames - 1) * step + num_freqs
    signal = spectra.new_zeros((*spectra.shape[:-2], length)).index_add(-1, places, frames.flatten(-2))
    squares = weight.new_zeros(length).index_add(0, places, weight.square().repeat(num_frames))
    return torch.where(squares > 0, signal / squares.clamp_min(torch.finfo(squares.dtype).tiny), 0)


def _unit_energy(window: str, num_freqs: int, like: Tensor) -> Tensor:
    values = lookup(WINDOWS, window, "window")(num_freqs, device=like.device)
    return values / values.square().sum().sqrt()


def power_db(
    spectra: Complex[Tensor, "*batch freq windows"], num_averaged: int = 1, floor_db: float = -120.0
) -> Float[Tensor, "*batch freq frames"]:
    """Return 10 log10 of the mean of |spectra|^2 over each `num_averaged` windows in a row, never below `floor_db`."""
    power = squared_magnitude(spectra)
    if num_averaged > 1:
        power = power.unflatten(-1, (-1, num_averaged)).mean(-1)
    return power.log10_().mul_(10).clamp_(min=floor_db)


def spectrogram_db(
    x: Complex[Tensor, "*batch time"], num_freqs: int = 64, hop: int | None = None, floor_db: float = -120.0
) -> Float[Tensor, "*batch freq frames"]:
    """Return 10 log10 |stft|^2, never below `floor_db`."""
    return power_db(stft(x, num_freqs, hop), floor_db=floor_db)


def power_spectrum(x: Complex[Tensor, "*batch time"], num_freqs: int = 64) -> Float[Tensor, "*batch freq"]:
    """Return Welch's estimate of the power spectrum; its mean over frequency estimates the mean power.

    Records shorter than `num_freqs` are padded with zeros to one frame.
    """
    short = num_freqs - x.shape[-1]
    if short > 0:
        periodogram: Tensor = torch.fft.fftshift(torch.fft.fft(x, num_freqs).abs().square(), dim=-1) / x.shape[-1]
        return periodogram
    welch: Tensor = stft(x, num_freqs).abs().square().mean(-1)
    return welch


def occupied_bandwidth(x: Complex[Tensor, "*batch time"], fraction: float = 0.99) -> Float[Tensor, "*batch"]:
    """Return the width, in cycles per sample, that holds `fraction` of a record's power, as much left out on each side.

    The periodogram's cumulative sum, joined by straight lines (ITU-R SM.328: the beta/2 method).
    """
    spectrum = torch.fft.fftshift(torch.fft.fft(x).abs().square(), dim=-1)
    low, high = central_span(spectrum, fraction)
    return (high - low) / x.shape[-1]


def central_span(
    power: Float[Tensor, "*batch cells"], fraction: float = 0.99
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Return the cell edges, fractional, between which `fraction` of the power lies, as much left out on each side."""
    whole = torch.tensor([0, power.shape[-1]], device=power.device).expand(*power.shape[:-1], 1, 2)
    low, high = central_spans(power, whole, fraction)[0].squeeze(-2).unbind(-1)
    return low, high


def central_spans(
    power: Float[Tensor, "*batch cells"], parts: Int[Tensor, "*batch parts 2"], fraction: float = 0.99
) -> tuple[Float[Tensor, "*batch parts 2"], Float[Tensor, "*batch parts"]]:
    """Return where `fraction` of the power of each part (its first cell, the cell after its last) lies, and that power.

    Fractional cell edges, as much power left out on each side. A part without power keeps its own edges.
    """
    cumulative = power.new_zeros((*power.shape[:-1], power.shape[-1] + 1))
    torch.cumsum(power, -1, out=cumulative[..., 1:])
    before, after = cumulative.gather(-1, parts.flatten(-2)).reshape(parts.shape).unbind(-1)
    left_out = (after - before) * (1 - fraction) / 2
    inner = torch.stack((_crossing(cumulative, before + left_out), _crossing(cumulative, after - left_out)), -1)
    return torch.where((after > before)[..., None], inner, parts), after - before


def _crossing(cumulative: Tensor, levels: Tensor) -> Tensor:
    """Return where, in fractional cells, a curve that starts at zero passes each of `levels`."""
    above = torch.searchsorted(cumulative, levels.contiguous()).clamp(1, cumulative.shape[-1] - 1)
    low, high = cumulative.gather(-1, above - 1), cumulative.gather(-1, above)
    return above - 1 + (levels - low) / (high - low).clamp(min=torch.finfo(cumulative.dtype).tiny)


def spectral_centroid(x: Complex[Tensor, "*batch time"]) -> Float[Tensor, "*batch"]:
    """Return the power-weighted mean frequency in cycles per sample, as the angle of the lag-one autocorrelation.

    A circular mean: it does not depend on where the band is cut, unlike the first moment of the spectrum.
    """
    lag_one = (x[..., 1:] * x[..., :-1].conj()).sum(-1)
    return lag_one.angle() / (2 * torch.pi)
