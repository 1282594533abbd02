"""Encoders of averaged spectra: where in the band a signal is, and at which rates its envelope beats.

Unlike `SpectrumEncoder` they keep position: a device is known by its carrier and by its symbol rate.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundwave.nn.complex import num_signals, to_complex
from groundwave.signal.noise import unit_power

NUM_BINS = 128
NUM_BANDS = 40
LONGEST_PERIOD = 2048  # samples; slower beats than this are left to the first band
_FLOOR = 1e-3  # of unit power: what lies below is receiver noise


def welch_spectrum(x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch signals bins"]:
    """Return the log power spectrum averaged over Hann segments that overlap by half (Welch, 1967), DC in the middle.

    A record shorter than a segment is one segment, whose spectrum is interpolated.
    """
    size = min(NUM_BINS, x.shape[-1])
    signal = unit_power(to_complex(x.float()))
    # Parts are cut apart and joined again because ONNX knows no sliding window over complex numbers.
    real, imag = (part.unfold(-1, size, size // 2) for part in (signal.real, signal.imag))
    segments = torch.complex(real, imag) * torch.hann_window(size, device=x.device)
    spectrum = torch.fft.fftshift(torch.fft.fft(segments, n=NUM_BINS, norm="ortho"), dim=-1)
    return torch.log10((spectrum.real.square() + spectrum.imag.square()).mean(dim=2) + _FLOOR) + 1


def envelope_spectrum(x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch envelopes bands"]:
    """Return the log power of the envelope, and of its logarithm, in bands evenly spaced in log frequency.

    Lines in it are the rates of on-off keying, pulses and pauses, whatever the carrier.
    """
    envelope = unit_power(to_complex(x.float())).abs()
    both = torch.cat([envelope, torch.log10(envelope + 0.03) + 0.5], dim=1)
    time = both.shape[-1]
    size = max(LONGEST_PERIOD, time)
    swing = (both - both.mean(dim=-1, keepdim=True)) * torch.hann_window(time, device=x.device)
    spectrum = torch.fft.rfft(swing, n=size, norm="ortho")
    power = (spectrum.real.square() + spectrum.imag.square()) @ _bands(size).to(x.device)
    return torch.log10(power + _FLOOR) + 1


def _bands(size: int) -> Float[Tensor, "bins bands"]:
    """Return the matrix that averages the bins of an rfft of `size` within each band."""
    edges = np.geomspace(size / LONGEST_PERIOD, size / 2, NUM_BANDS + 1)
    bins = np.arange(size // 2 + 1)[:, None]
    inside = (bins >= np.floor(edges[:-1])) & (bins < np.maximum(np.floor(edges[1:]), np.floor(edges[:-1]) + 1))
    return torch.from_numpy((inside / inside.sum(axis=0)).astype(np.float32))


class PositionedConvs(nn.Module):
    """Strided convolutions over bins, flattened and mixed, so that features know where in the spectrum they stand.

    Args:
        num_rows: spectra side by side.
        num_bins: bins of each.
        dim: width of the features.
    """

    def __init__(self, num_rows: int, num_bins: int, dim: int) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for narrow, wide, kernel in ((num_rows, 32, 7), (32, 48, 5), (48, 48, 3)):
            stages += [nn.Conv1d(narrow, wide, kernel, stride=2, padding=kernel // 2), nn.BatchNorm1d(wide), nn.ReLU()]
        self.layers = nn.Sequential(*stages)
        self.mix = nn.Linear(48 * -(-num_bins // 8), dim)

    def tokens(self, bins: Float[Tensor, "batch rows bins"]) -> Float[Tensor, "batch tokens dim"]:
        """Return one token per eight bins."""
        tokens: Tensor = self.layers(bins)
        return tokens.transpose(1, 2)

    def forward(self, bins: Float[Tensor, "batch rows bins"]) -> Float[Tensor, "batch dim"]:
        """Return the mixed tokens."""
        return self.mix(self.layers(bins).flatten(1))  # type: ignore[no-any-return]


class WelchEncoder(nn.Module):
    """Convolutions over the averaged spectrum.

    Args:
        num_channels: input channels; an even number is taken as I/Q pairs.
        dim: width of the features.
    """

    def __init__(self, num_channels: int = 2, dim: int = 96) -> None:
        super().__init__()
        self.num_features = dim
        self.convs = PositionedConvs(num_signals(num_channels), NUM_BINS, dim)

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return one token per eight bins, in the order of frequency."""
        return self.convs.tokens(welch_spectrum(x))

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return features of the averaged spectrum."""
        return self.convs(welch_spectrum(x))  # type: ignore[no-any-return]


class EnvelopeEncoder(nn.Module):
    """Convolutions over the spectrum of the envelope and of its logarithm.

    Args:
        num_channels: input channels; an even number is taken as I/Q pairs.
        dim: width of the features.
    """

    def __init__(self, num_channels: int = 2, dim: int = 96) -> None:
        super().__init__()
        self.num_features = dim
        self.convs = PositionedConvs(2 * num_signals(num_channels), NUM_BANDS, dim)

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return one token per eight bands, in the order of rate."""
        return self.convs.tokens(envelope_spectrum(x))

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return features of the envelope's spectrum."""
        return self.convs(envelope_spectrum(x))  # type: ignore[no-any-return]


class Attributes(nn.Module):
    """Both spectra as they are: attributes that an expert would look at, beside what is learned (LSM, section V).

    Args:
        num_channels: input channels; an even number is taken as I/Q pairs.
    """

    def __init__(self, num_channels: int = 2) -> None:
        super().__init__()
        self.num_features = num_signals(num_channels) * (NUM_BINS + 2 * NUM_BANDS)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return the averaged spectrum and the envelope's spectra, flattened."""
        return torch.cat([welch_spectrum(x).flatten(1), envelope_spectrum(x).flatten(1)], dim=-1)
