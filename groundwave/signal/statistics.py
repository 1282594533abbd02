"""Classical features of a record: higher-order cumulants and what experts look at. Pure, batched, parameter-free."""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn.functional import interpolate

from groundwave.signal.filters import fir
from groundwave.signal.impair import shift_frequency
from groundwave.signal.noise import power, unit_power
from groundwave.signal.spectrum import power_spectrum, spectral_centroid

CUMULANTS = ("C20", "C40", "C41", "C42", "C60", "C61", "C62", "C63")
_BOXCARS = (1, 4, 16)
_NUM_BINS = 64
_NUM_QUANTILES = 32
_MAX_SORTED = 4096


def cumulant(
    x: Complex[Tensor, "*batch time"], noise_power: Float[Tensor, "*batch"] | None = None
) -> dict[str, Complex[Tensor, "*batch"]]:
    """Return the cumulants of zero-mean records, those of order 2n divided by C21^n (Swami and Sadler 2000, eq. 3-10).

    Gaussian noise has no cumulants above the second order, so with `noise_power` (taken off C21) the estimates are
    those of the noise-free signal. The sixth-order ones are from the moments-to-cumulants formula for x and conj(x).
    """
    x = x - x.mean(-1, keepdim=True)
    square, magnitude = x * x, x.abs().square()
    m20, m21 = square.mean(-1), magnitude.mean(-1).to(x.dtype)
    m40, m41, m42 = (square * square).mean(-1), (square * magnitude).mean(-1), magnitude.square().mean(-1).to(x.dtype)
    m60, m61 = (square * square * square).mean(-1), (square * square * magnitude).mean(-1)
    m62, m63 = (square * magnitude.square()).mean(-1), (magnitude**3).mean(-1).to(x.dtype)
    n20 = m20.conj()
    c40, c41 = m40 - 3 * m20**2, m41 - 3 * m20 * m21
    c42 = m42 - m20.abs().square() - 2 * m21**2
    c60 = m60 - 15 * m20 * m40 + 30 * m20**3
    c61 = m61 - 5 * m21 * m40 - 10 * m20 * m41 + 30 * m20**2 * m21
    c62 = m62 - 6 * m20 * m42 - 8 * m21 * m41 - n20 * m40 + 6 * m20**2 * n20 + 24 * m21**2 * m20
    c63 = m63 - 9 * m21 * m42 - 3 * (m20 * m41.conj() + n20 * m41) + 18 * m20 * n20 * m21 + 12 * m21**3
    signal = m21.real if noise_power is None else (m21.real - noise_power)
    scale = signal.clamp(min=torch.finfo(torch.float32).tiny ** 0.25)
    fourth, sixth = scale**2, scale**3
    return {
        "C20": m20 / scale,
        **dict(zip(("C40", "C41", "C42"), (c / fourth for c in (c40, c41, c42)), strict=True)),
        **dict(zip(("C60", "C61", "C62", "C63"), (c / sixth for c in (c60, c61, c62, c63)), strict=True)),
    }


def _cumulant_magnitudes(x: Tensor) -> Tensor:
    """Return |c|^(2 / order) of the eight cumulants `[batch, 8]`: compressed so that no order drowns the others."""
    return torch.stack([value.abs() ** (2 / int(name[1])) for name, value in cumulant(x).items()], -1)


def cumulants(iq: Complex[Tensor, "batch time"]) -> Float[Tensor, "batch 35"]:
    """Return cumulant features that gain and phase leave alone, for records of 16 samples or more.

    Magnitudes of the eight cumulants of the record as received; then moved to its centre frequency (an offset averages
    C20, C40 and the like away) at three bandwidths (boxcars of 1, 4 and 16 samples, because noise outside the signal's
    band hides its cumulants), with the power that a boxcar keeps; and the centre frequency itself.
    """
    iq = unit_power(iq)
    centre = spectral_centroid(iq)
    features = [_cumulant_magnitudes(iq), centre[:, None]]
    x = shift_frequency(iq, -centre)
    for width in _BOXCARS:
        narrow = fir(x, torch.full((width,), 1 / width))
        if width > 1:
            features.append((power(narrow) + 1e-4).log()[:, None])
            narrow = shift_frequency(narrow, -spectral_centroid(narrow))  # with less noise the centre is better known
        features.append(_cumulant_magnitudes(narrow))
    return torch.cat(features, -1)


def _quantiles(x: Tensor, num: int) -> Tensor:
    """Return `num` evenly spaced order statistics of each row (rows are thinned evenly to at most 4096 values)."""
    step = math.ceil(x.shape[-1] / _MAX_SORTED)
    ordered = x[..., ::step].sort(-1).values
    return interpolate(ordered[:, None], num, mode="linear", align_corners=True)[:, 0]


def _moments(x: Tensor) -> Tensor:
    """Return mean, standard deviation, skewness and kurtosis of each row `[batch, 4]`."""
    mean, std = x.mean(-1), x.std(-1, correction=0).clamp(min=1e-6)
    z = (x - mean[:, None]) / std[:, None]
    return torch.stack([mean, std, z.pow(3).mean(-1), z.pow(4).mean(-1).clamp(min=1).log()], -1)


def log_spectrum(iq: Complex[Tensor, "batch time"]) -> Float[Tensor, "batch 64"]:
    """Return the log power spectrum of each record in 64 bins, DC in the middle; natural log, floor at -60 dB."""
    return (power_spectrum(iq, _NUM_BINS) + 1e-6).log()


def envelope_features(iq: Complex[Tensor, "batch time"]) -> Float[Tensor, "batch 38"]:
    """Return 32 quantiles of |x|, its four moments, and two measures of how fast it changes."""
    envelope = iq.abs()
    change = envelope.diff(dim=-1).abs().mean(-1)
    tone = torch.fft.rfft(envelope - envelope.mean(-1, keepdim=True)).abs().square()
    peak = (tone.amax(-1) / tone.sum(-1).clamp(min=1e-6)).clamp(min=1e-6)
    extra = torch.stack([(change + 1e-6).log(), peak.log()], -1)
    return torch.cat([_quantiles(envelope, _NUM_QUANTILES), _moments(envelope), extra], -1)


def phase_features(iq: Complex[Tensor, "batch time"]) -> Float[Tensor, "batch 72"]:
    """Return 32 quantiles and four moments of the phase's increments, over one sample and over four samples.

    The longer step tells slow keying from noise, whose increments do not add up.
    """
    features = []
    for lag in (1, 4):
        step = (iq[..., lag:] * iq[..., :-lag].conj()).angle()
        features += [_quantiles(step, _NUM_QUANTILES), _moments(step)]
    return torch.cat(features, -1)


def expert_features(iq: Complex[Tensor, "batch time"]) -> Float[Tensor, "batch 273"]:
    """Return the features of a careful classical baseline; as many for every record length from 16 samples up.

    Log spectrum as received and about its centroid, sorted envelope, phase increments, cumulants, centre frequency.
    Records are brought to unit power first; the level is no feature.
    """
    iq = unit_power(iq)
    centred = shift_frequency(iq, -spectral_centroid(iq))
    return torch.cat(
        [
            log_spectrum(iq),
            log_spectrum(centred),
            envelope_features(iq),
            phase_features(centred),
            cumulants(iq),
        ],
        -1,
    )
