"""What a label should not follow from: level, centre, bandwidth and length; and all the rest, with those taken out."""

import torch
from torch import Tensor

from groundwave.signal.impair import shift_frequency
from groundwave.signal.noise import power, unit_power
from groundwave.signal.spectrum import power_spectrum, spectral_centroid
from groundwave.signal.statistics import envelope_features, expert_features

NUISANCES = ("level", "length", "centre", "bandwidth")
SHAPE_BINS, WIDTH_BINS = 24, 64
LEVEL_STEP_DB, WIDTH_STEP = 0.02, 1e-4  # rounding of records brought to one level is no difference


def nuisances(iq: Tensor) -> Tensor:
    """Return level (dB), length (share from the first sample that is not zero to the last), centre, bandwidth `[n, 4]`.

    Centre and bandwidth are in cycles per sample.
    """
    level = 10 * torch.log10(power(iq).clamp(min=1e-30))
    present = iq.abs() > 0
    last = iq.shape[-1] - present.flip(-1).int().argmax(-1)
    first = present.int().argmax(-1)
    length = (last - first) / iq.shape[-1]
    centre, width = spectral_centroid(iq), bandwidth(iq)
    steps = ((level, LEVEL_STEP_DB), (length, WIDTH_STEP), (centre, WIDTH_STEP), (width, WIDTH_STEP))
    return torch.stack([(value / step).round() * step for value, step in steps], -1)


def bandwidth(iq: Tensor) -> Tensor:
    """Return the root-mean-square width of each record's spectrum about its centre, its noise floor taken off `[n]`."""
    spectrum = power_spectrum(shift_frequency(iq, -spectral_centroid(iq)), WIDTH_BINS)
    floor = spectrum.kthvalue(WIDTH_BINS // 5, -1, keepdim=True).values
    above = (spectrum - 2 * floor).clamp(min=0)
    frequency = torch.linspace(-0.5, 0.5, WIDTH_BINS + 1)[:-1]
    width: Tensor = ((above * frequency**2).sum(-1) / above.sum(-1).clamp(min=1e-20)).sqrt()
    return width


def features(iq: Tensor) -> Tensor:
    """Return all that hand-made features see in records `[n, time]`; the level is no feature."""
    return torch.cat([expert_features(iq), symmetry_lines(unit_power(iq))], -1)


def normalised_features(iq: Tensor) -> Tensor:
    """Return features that neither level nor centre nor bandwidth changes, but for the noise.

    The sorted envelope, the lines of its powers, and the spectrum about its centre on an axis of its own bandwidth.
    """
    iq = unit_power(iq)
    centred = shift_frequency(iq, -spectral_centroid(iq))
    # the last two features of the envelope tell how fast it changes, and so the bandwidth
    return torch.cat([envelope_features(iq)[:, :-2], symmetry_lines(centred), shape(centred)], -1)


def symmetry_lines(iq: Tensor) -> Tensor:
    """Return how far the strongest line of x^2, x^4 and x^8 stands out `[n, 3]`: the symmetry of a constellation."""
    lines = []
    for order in (2, 4, 8):
        line = torch.fft.fft(iq**order, 2 * iq.shape[-1]).abs()
        lines.append((line.amax(-1) / (iq.abs() ** order).sum(-1).clamp(min=1e-20)).clamp(min=1e-6).log())
    return torch.stack(lines, -1)


def shape(iq: Tensor) -> Tensor:
    """Return where a centred spectrum's power lies in units of its root-mean-square width `[n, bins]`, summing to 1."""
    spectrum = torch.fft.fftshift(torch.fft.fft(iq).abs().square(), dim=-1)
    floor = spectrum.median(-1, keepdim=True).values
    above = (spectrum - 2 * floor).clamp(min=0)
    frequency = torch.linspace(-0.5, 0.5, iq.shape[-1] + 1)[:-1]
    total = above.sum(-1, keepdim=True).clamp(min=1e-20)
    width = ((above * frequency**2).sum(-1, keepdim=True) / total).sqrt().clamp(min=0.5 / iq.shape[-1])
    place = ((frequency / width + 3) / 6 * SHAPE_BINS).long().clamp(0, SHAPE_BINS - 1)
    found: Tensor = torch.zeros(len(iq), SHAPE_BINS).scatter_add_(1, place, above)
    share: Tensor = found / total
    return share
