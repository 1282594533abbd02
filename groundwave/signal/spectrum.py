"""Spectra and spectrograms: frequency ascending, DC in the middle, decibels."""

import torch
from jaxtyping import Complex, Float
from torch import Tensor


def stft(
    x: Complex[Tensor, "*batch time"], num_freqs: int = 64, hop: int | None = None
) -> Complex[Tensor, "*batch freq frames"]:
    """Return the Hann-windowed short-time Fourier transform, frames that fit the record only; hop defaults to half.

    The window has unit energy, so that white noise of unit power has unit mean power in every bin.
    """
    window = torch.hann_window(num_freqs, device=x.device)
    frames = x.unfold(-1, num_freqs, hop or num_freqs // 2) * (window / window.square().sum().sqrt())
    spectra: Tensor = torch.fft.fftshift(torch.fft.fft(frames), dim=-1)
    return spectra.transpose(-1, -2)


def spectrogram_db(
    x: Complex[Tensor, "*batch time"], num_freqs: int = 64, hop: int | None = None, floor_db: float = -120.0
) -> Float[Tensor, "*batch freq frames"]:
    """Return 10 log10 |stft|^2, never below `floor_db`."""
    return (10 * torch.log10(stft(x, num_freqs, hop).abs().square())).clamp(min=floor_db)


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
    cumulative = spectrum.cumsum(-1) / spectrum.sum(-1, keepdim=True)
    low, high = (_crossing(cumulative, level) for level in ((1 - fraction) / 2, (1 + fraction) / 2))
    return (high - low) / x.shape[-1]


def _crossing(cumulative: Tensor, level: float) -> Tensor:
    """Return the fractional bin where each cumulative curve passes `level`."""
    last = cumulative.shape[-1] - 1
    bin_ = torch.searchsorted(cumulative, torch.full_like(cumulative[..., :1], level)).clamp(max=last)
    above = cumulative.gather(-1, bin_)
    below = torch.where(bin_ > 0, cumulative.gather(-1, (bin_ - 1).clamp(min=0)), 0.0)
    return (bin_ + (level - below) / (above - below).clamp(min=1e-12)).squeeze(-1)


def spectral_centroid(x: Complex[Tensor, "*batch time"]) -> Float[Tensor, "*batch"]:
    """Return the power-weighted mean frequency in cycles per sample, as the angle of the lag-one autocorrelation.

    A circular mean: it does not depend on where the band is cut, unlike the first moment of the spectrum.
    """
    lag_one = (x[..., 1:] * x[..., :-1].conj()).sum(-1)
    return lag_one.angle() / (2 * torch.pi)
