"""Codebooks of beams: where they look, and what phase shifters of few bits make of them."""

import math

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from groundwave.signal.array import steering
from groundwave.signal.impair import phasor


def fan(num_beams: int, half_width_rad: float) -> Float[Tensor, "num_beams 2"]:
    """Return directions side by side at no elevation, evenly from -`half_width_rad` to +`half_width_rad`."""
    azimuth = torch.linspace(-half_width_rad, half_width_rad, num_beams)
    return torch.stack((azimuth, torch.zeros_like(azimuth)), -1)


def steered_beams(
    positions: Float[Tensor, "antenna 3"], angle: Float[Tensor, "beam 2"]
) -> Complex[Tensor, "beam antenna"]:
    """Return beams of unit norm that look in the given directions."""
    return steering(positions, angle) / math.sqrt(len(positions))


def dft_beams(num_antennas: int) -> Complex[Tensor, "num_antennas num_antennas"]:
    """Return the orthonormal beams of a linear array: the k-th looks where sin(azimuth) = 2 k / N in half wavelengths.

    k goes from -N / 2 up, so that azimuths ascend.
    """
    k = torch.arange(num_antennas) - num_antennas // 2
    n = torch.arange(num_antennas) - (num_antennas - 1) / 2
    return phasor(2 * math.pi / num_antennas * k[:, None] * n) / math.sqrt(num_antennas)


def phase_states(weights: Complex[Tensor, "*batch antenna"], bits: int) -> Int[Tensor, "*batch antenna"]:
    """Return which state of its phase shifter is nearest to each weight's phase; state k turns by 2 pi k / 2^bits."""
    states = 1 << bits
    return (weights.angle() / (2 * math.pi) * states).round().long() % states


def quantise_phases(weights: Complex[Tensor, "*batch antenna"], bits: int) -> Complex[Tensor, "*batch antenna"]:
    """Return the weights with the phases that phase shifters of so many bits have; magnitudes stay."""
    return torch.polar(weights.abs(), 2 * math.pi / (1 << bits) * phase_states(weights, bits))
