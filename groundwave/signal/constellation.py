"""Constellations of unit mean power, Gray labelled."""

import math

import torch
from jaxtyping import Complex, Int
from torch import Generator, Tensor

from groundwave.errors import lookup


def _gray(num_points: int) -> Tensor:
    """Return the Gray code of 0 ... num_points - 1: neighbours differ in one bit."""
    k = torch.arange(num_points)
    return k ^ (k >> 1)


def _by_label(points: Tensor) -> Tensor:
    """Give position k the label gray(k) and scale to unit mean power."""
    labelled = torch.empty_like(points)
    labelled[_gray(len(points))] = points
    return labelled / labelled.abs().square().mean().sqrt()


def psk(num_points: int) -> Complex[Tensor, " points"]:
    """Phase shift keying: `num_points` on the unit circle, the first at angle zero."""
    angle = 2 * math.pi * torch.arange(num_points) / num_points
    return _by_label(torch.polar(torch.ones(num_points), angle))


def pam(num_points: int) -> Complex[Tensor, " points"]:
    """Pulse amplitude modulation: `num_points` equally spaced on the real axis."""
    levels = 2.0 * torch.arange(num_points) - (num_points - 1)
    return _by_label(levels.to(torch.complex64))


def square_qam(num_points: int) -> Complex[Tensor, " points"]:
    """Square quadrature amplitude modulation: two independent PAM axes; the high bits are the real one."""
    side = math.isqrt(num_points)
    axis = pam(side).real
    grid = axis[:, None] + 1j * axis[None, :]
    return grid.flatten() / math.sqrt(2)


CONSTELLATIONS: dict[str, Tensor] = {
    "BPSK": psk(2),
    "QPSK": psk(4),
    "8PSK": psk(8),
    "PAM4": pam(4),
    "QAM16": square_qam(16),
    "QAM64": square_qam(64),
}


def constellation(name: str) -> Complex[Tensor, " points"]:
    """Return the points of a constellation, indexed by label; raises `UnknownNameError`."""
    return lookup(CONSTELLATIONS, name, "constellation")


def draw_symbols(
    points: Complex[Tensor, " points"], num_records: int, num_symbols: int, *, generator: Generator
) -> Complex[Tensor, "records symbols"]:
    """Draw independent, equally likely symbols."""
    return points[torch.randint(len(points), (num_records, num_symbols), generator=generator)]


def nearest_label(points: Complex[Tensor, " points"], y: Complex[Tensor, "*batch"]) -> Int[Tensor, "*batch"]:
    """Return the label of the nearest point: the maximum-likelihood decision in white noise."""
    return (y[..., None] - points).abs().argmin(-1)
