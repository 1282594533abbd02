"""The frequency encoder of LSM: `FFTEncoder` as released, for crops of one length; `SpectrumEncoder` for any."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from groundwave.nn.complex import num_signals, to_channels, to_complex
from groundwave.nn.length import check_length
from groundwave.signal.noise import unit_power


def power_spectra(
    x: Float[Tensor, "batch channels time"], powers: Sequence[int]
) -> Float[Tensor, "batch spectra time"]:
    """Return the log power spectrum of x^p for each p, DC in the middle, each scaled to zero mean and unit variance.

    A power raises spectral lines out of a suppressed carrier: x^2 of BPSK and MSK, x^4 of QPSK and QAM, x^8 of 8PSK
    have lines at p times the carrier offset and p times the symbol rate apart.
    """
    signal = unit_power(to_complex(x.float()))
    # Repeated products, because a complex power goes through a logarithm: slow, and without a gradient at zero.
    raised = torch.cat([math.prod([signal] * (p - 1), start=signal) for p in powers], dim=1)
    spectrum = torch.fft.fftshift(torch.fft.fft(raised, norm="ortho"), dim=-1)
    level = torch.log10(spectrum.real.square() + spectrum.imag.square() + 1e-6)
    centred = level - level.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-6).sqrt()


class SpectrumEncoder(nn.Module):
    """Convolutions over the log spectra of a signal and of its powers (LSM's Encoder_f grown to any length).

    The frequency axis is a circle, so convolutions are padded circularly; each stage halves it. Features are the mean
    and the maximum over frequency, which do not change when the carrier moves.

    Args:
        num_channels: input channels; an even number is taken as I/Q pairs.
        dim: width of the last stage.
        depth: stages.
        powers: powers of the signal whose spectra are looked at.
    """

    def __init__(self, num_channels: int = 2, dim: int = 96, depth: int = 4, powers: Sequence[int] = (1, 2, 4)) -> None:
        super().__init__()
        self.num_features = 2 * dim
        self.powers = tuple(powers)
        widths = [
            num_signals(num_channels) * len(self.powers),
            *(max(dim >> (depth - 1 - stage), 16) for stage in range(depth - 1)),
            dim,
        ]
        stages: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            stages += [
                nn.Conv1d(narrow, wide, 7, stride=2, padding=3, padding_mode="circular"),
                nn.BatchNorm1d(wide),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*stages)

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens dim"]:
        """Return one token per `2**depth` frequency bins."""
        tokens: Tensor = self.layers(power_spectra(x, self.powers))
        return tokens.transpose(1, 2)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return mean and maximum over frequency side by side."""
        tokens = self.tokens(x)
        return torch.cat([tokens.mean(dim=1), tokens.amax(dim=1)], dim=-1)


class FFTEncoder(nn.Module):
    """LSM's Encoder_f as released: two 1x1 convolutions over the plain FFT, then two dense layers.

    The FFT is neither shifted nor scaled, so its level is that of the samples. Every layer is followed by batch norm
    and LeakyReLU.

    Args:
        num_channels: input channels; an even number is taken as I/Q pairs, each of an odd number as a real signal.
        num_samples: length of a record, which the dense layers fix; LSM crops 12.
        dim: number of features; 1344 to match those of LSM's time encoder.
    """

    def __init__(self, num_channels: int = 2, num_samples: int = 12, dim: int = 1344) -> None:
        super().__init__()
        self.num_features = dim
        self.num_samples = num_samples
        self.convs = nn.Sequential(
            nn.Conv1d(2 * num_signals(num_channels), 64, 1),
            nn.BatchNorm1d(64),
            nn.LeakyReLU(0.2),
            nn.Conv1d(64, 1, 1),
            nn.BatchNorm1d(1),
            nn.LeakyReLU(0.2),
        )
        self.dense = nn.Sequential(
            nn.Linear(num_samples, 128),
            nn.BatchNorm1d(128),
            nn.LeakyReLU(0.2),
            nn.Linear(128, dim),
            nn.BatchNorm1d(dim),
            nn.LeakyReLU(0.2),
        )

    def tokens(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch tokens one"]:
        """Return one number per frequency bin, DC first."""
        spectrum = to_channels(torch.fft.fft(to_complex(x.float())))
        tokens: Tensor = self.convs(spectrum)
        return tokens.transpose(1, 2)

    def forward(self, x: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch features"]:
        """Return the mixed bins; raises `ContractError` for another length."""
        check_length(x, self.num_samples, self.num_samples)
        return self.dense(self.tokens(x).flatten(1))  # type: ignore[no-any-return]
