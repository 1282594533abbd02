"""Cyclic moments: what lies at the symbol rate, whatever the carrier, its phase and the timing.

A digital modulation repeats its statistics with every symbol. A product of samples some lag apart has lost the carrier
and keeps lines at multiples of the symbol rate (Gardner, 1991); its powers tell how many phases there are.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional as F

from groundwave.errors import ContractError
from groundwave.signal.noise import unit_power

SCALES, LAGS, POWERS = (1, 4, 8), (1, 4, 8, 16), (1, 2, 4)
NUM_BANDS = 128  # of the whole sampled band: what a band holds does not depend on the length of a record
LOW_BANDS = 20  # from no frequency upwards: symbol rates are low when signals are oversampled
TOP_BANDS = 16
FLOOR = 1e-2  # of unit power: what lies below is noise


def num_moments(scales: Sequence[int] = SCALES, lags: Sequence[int] = LAGS) -> int:
    """Return how many moments a signal has."""
    return len(scales) * (LOW_BANDS * (len(POWERS) * len(lags) + 1) + len(POWERS) * TOP_BANDS + 2)


def cyclic_moments(
    x: Complex[Tensor, "*batch time"], scales: Sequence[int] = SCALES, lags: Sequence[int] = LAGS
) -> Float[Tensor, "*batch moments"]:
    """Return the log line spectra of lag products, of the envelope and of powers of a signal, smoothed at each scale.

    For y the signal after a Hann window of `scale` samples at unit power, and d(n) = y(n) y*(n - lag): the spectra of
    |d|^1/2 (d/|d|)^p, p = 1, 2, 4, at low frequencies of either sign; the spectrum of |y|^2 there; the highest lines of
    y^p wherever they are; E|y|^4 and E|y|^6. Smoothing takes out noise beside the signal before powers mix it in.

    Raises:
        ContractError: a record too short for the longest lag.
    """
    needed = max(scales) + max(lags) + 1
    if x.shape[-1] < needed:
        raise ContractError(f"records of {x.shape[-1]} samples", f"at least {needed}", "give longer records")
    parts = [part for scale in scales for part in _moments(smooth(x, scale), lags)]
    return (torch.cat(parts, dim=-1) + FLOOR).log()


def smooth(signal: Complex[Tensor, "*batch time"], scale: int) -> Complex[Tensor, "*batch shorter"]:
    """Return the signal after a Hann window of `scale` samples, whole windows only, at unit power."""
    if scale > 1:
        window = torch.hann_window(scale + 2, periodic=False, device=signal.device)[1:-1]
        kernel = (window / window.sum())[None, None]
        rows = (part.reshape(-1, 1, part.shape[-1]) for part in (signal.real, signal.imag))
        real, imag = (F.conv1d(part, kernel).reshape(*signal.shape[:-1], -1) for part in rows)
        signal = torch.complex(real, imag)
    return unit_power(signal)


def _moments(y: Tensor, lags: Sequence[int]) -> Iterator[Tensor]:
    """Yield the moments of smoothed signals; all lags and powers go through one transform, which keeps graphs small."""
    num_samples = y.shape[-1]
    lines, counts = [], []
    for lag in lags:
        product = y[..., lag:] * y[..., : num_samples - lag].conj()
        size = product.abs()
        lines += [padded(size.sqrt() * phases, num_samples) for phases in raised(product / (size + FLOOR))]
        counts += [num_samples - lag] * len(POWERS)
    power = y.real.square() + y.imag.square()
    lines.append((power - power.mean(dim=-1, keepdim=True)).to(y.dtype))
    yield low_lines(torch.stack(lines, dim=-2), [*counts, num_samples]).flatten(-2)
    carriers = bands(torch.stack(list(raised(y)), dim=-2), [num_samples] * len(POWERS))
    yield carriers.topk(TOP_BANDS, dim=-1).values.flatten(-2)
    yield torch.stack([power.square().mean(dim=-1), power.pow(3).mean(dim=-1)], dim=-1)


def raised(y: Tensor) -> Iterator[Tensor]:
    """Yield y^p for p in `POWERS`, by products, because a complex power goes through a logarithm."""
    square = y * y
    yield from (y, square, square * square)


def padded(y: Complex[Tensor, "*batch time"], length: int) -> Complex[Tensor, "*batch longer"]:
    """Return a signal with zeros behind it; parts are padded one by one because ONNX cannot pad complex numbers."""
    missing = (0, length - y.shape[-1])
    if missing == (0, 0):
        return y
    return torch.complex(F.pad(y.real, missing), F.pad(y.imag, missing))


def bands(y: Complex[Tensor, "*batch lines time"], counts: Sequence[int]) -> Float[Tensor, "*batch lines bands"]:
    """Return the height of the highest line in each band, band 0 about zero frequency.

    Args:
        y: signals, zeros behind the shorter ones.
        counts: samples of each before the zeros; a line's height is the mean over those.
    """
    per_band = -(-y.shape[-1] // NUM_BANDS)
    spectrum = torch.fft.fft(padded(y, per_band * NUM_BANDS))
    samples = torch.tensor(counts, dtype=torch.float32, device=y.device)[:, None]
    height = (spectrum.real.square() + spectrum.imag.square()).sqrt() / samples
    highest: Tensor = height.roll(per_band // 2, -1).unflatten(-1, (NUM_BANDS, per_band)).amax(dim=-1)
    return highest


def low_lines(y: Complex[Tensor, "*batch lines time"], counts: Sequence[int]) -> Float[Tensor, "*batch lines low"]:
    """Return the heights of the lowest bands, the mean of either sign of frequency; see `bands`."""
    height = bands(y, counts)
    mirrored = torch.cat([height[..., :1], height.flip(-1)[..., : LOW_BANDS - 1]], dim=-1)
    return (height[..., :LOW_BANDS] + mirrored) / 2
