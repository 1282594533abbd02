"""Which records may be copies of each other: nearest neighbours of fingerprints, then a correlation over all shifts.

A fingerprint is the magnitude of a whitened spectrum of half a record. Scale and rotation do not change it, and a shift
changes it little, as the halves of two records that overlap by most of a record have most of their samples in common.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, normalize

from groundwave.rng import generator

DIM = 192
BLOCK = 1024
LEAST_FREE = 48
FLOOR = 1e-5  # of the strongest bin: below it is rounding, which a copy does not share


def levelled(spectrum: Tensor, width: int, band: bool) -> Tensor:
    """Return magnitudes `[..., freq]` divided by the mean one of their block, at most 3, weighted as in `whitened`."""
    smooth, weight = weights(spectrum, width, band)
    return (spectrum.abs() * smooth.clamp(min=1e-30).rsqrt()).clamp(max=3.0) * weight


def whitened(spectrum: Tensor, width: int, band: bool) -> Tensor:
    """Return spectra `[..., freq]` of which the phase is left, so that a carrier counts no more than any other bin.

    Args:
        spectrum: complex, in the order of the FFT.
        width: bins in each block over which the power is averaged.
        band: weight each bin by the share of it that is above the noise floor, instead of all bins alike. Copies with
            noise of their own have in common only what is above it; copies of whole recordings share the noise, too.
    """
    return torch.sgn(spectrum) * weights(spectrum, width, band)[1]


def weights(spectrum: Tensor, width: int, band: bool) -> tuple[Tensor, Tensor]:
    """Return the power of spectra, averaged by blocks, `[..., freq]`, and how much each bin counts, from 0 to 1."""
    square = spectrum.abs().square()
    blocks = avg_pool1d(square.reshape(-1, 1, square.shape[-1]), width, ceil_mode=True)[:, 0]
    smooth = blocks.repeat_interleave(width, 1)[:, : square.shape[-1]].reshape(square.shape)
    if not band:
        return smooth, (smooth / (smooth + FLOOR * smooth.amax(-1, keepdim=True))).sqrt()
    floor = smooth.kthvalue(max(1, square.shape[-1] // 5), -1, keepdim=True).values
    return smooth, (1 - 2 * floor / smooth.clamp(min=1e-30)).clamp(min=0)


def free_values(left: Tensor, right: Tensor) -> Tensor:
    """Return how many free values a correlation of spectra `[m, freq]`, padded to twice the length, has."""
    weight = left.abs() * right.abs()
    free: Tensor = weight.sum(-1).square() / weight.square().sum(-1).clamp(min=1e-20) / 2
    return free


def tapered(num_samples: int) -> Tensor:
    """Return Tukey's window, flat over three quarters: without it a tone's edges are alike in all records."""
    edge = max(1, num_samples // 8)
    rise = 0.5 - 0.5 * torch.cos(torch.pi * (torch.arange(edge) + 0.5) / edge)
    return torch.cat([rise, torch.ones(num_samples - 2 * edge), rise.flip(0)])


def fingerprints(iq: Tensor, band: bool) -> Tensor:
    """Return unit vectors `[3, n, dim]` of the first, middle and last half of each record `[n, time]`."""
    half = max(8, iq.shape[-1] // 2)
    starts = (0, (iq.shape[-1] - half) // 2, iq.shape[-1] - half)
    window = torch.hann_window(half)
    project = torch.randn(half, DIM, generator=generator(0, "audit", "fingerprint")) if half > DIM else None
    found = []
    for start in starts:
        spectrum = torch.fft.fft(iq[:, start : start + half] * window)
        size = levelled(spectrum, max(5, half // 16), band)
        size = normalize(size - size.mean(-1, keepdim=True))
        found.append(size if project is None else normalize(size @ project))
    return torch.stack(found)


def nearest(prints: Tensor, group: Tensor) -> Tensor:
    """Return candidate pairs `[2, m]`: each record with its nearest, and with its nearest of another group."""
    num = prints.shape[1]
    grouped = bool((group >= 0).any()) and len(group.unique()) < num
    pairs = []
    for start in range(0, num, BLOCK):
        rows = torch.arange(start, min(start + BLOCK, num))
        near = prints[1, rows] @ prints[0].T
        for other in prints[1:]:
            torch.maximum(near, prints[1, rows] @ other.T, out=near)
        near[torch.arange(len(rows)), rows] = -1
        pairs.append(torch.stack([rows, near.argmax(1)]))
        if grouped:
            near.masked_fill_(group[rows, None] == group, -1)
            pairs.append(torch.stack([rows, near.argmax(1)]))
    found = torch.cat(pairs, 1).sort(0).values
    distinct: Tensor = found[:, found[0] != found[1]].unique(dim=1)
    return distinct


def correlation(a: Tensor, b: Tensor, band: bool) -> tuple[Tensor, Tensor]:
    """Return the largest normalised correlation of record pairs `[m, time]` over all shifts, and the shift.

    1 is a copy, whatever its scale and phase; windows that share a part have about that part. Pairs whose bands hold
    fewer than `LEAST_FREE` free values have 0: a dozen symbols are alike by chance too often.
    """
    num_samples = a.shape[-1]
    width = max(5, num_samples // 8)
    taper = tapered(num_samples)
    left, right = (whitened(torch.fft.fft(x * taper, 2 * num_samples), width, band) for x in (a, b))
    free = free_values(left, right)
    scale = (left.abs().square().sum(-1) * right.abs().square().sum(-1)).sqrt().clamp(min=1e-20) / (2 * num_samples)
    peak, lag = (torch.fft.ifft(left * right.conj()).abs() / scale[:, None]).max(-1)
    peak = torch.where(free >= LEAST_FREE, peak.clamp(max=1.0), 0.0)
    return peak, torch.where(lag >= num_samples, lag - 2 * num_samples, lag)
