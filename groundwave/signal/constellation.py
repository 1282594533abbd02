"""Constellations of unit mean power, Gray labelled where their shape allows it."""

import math

import torch
from jaxtyping import Complex, Int
from torch import Generator, Tensor

from groundwave.errors import lookup
from groundwave.signal.apsk import apsk16, apsk32, apsk64, apsk128


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


def ask(num_points: int) -> Complex[Tensor, " points"]:
    """Amplitude shift keying without reversal: equal steps from zero up, so that its mean is not zero."""
    return _by_label(torch.arange(num_points).to(torch.complex64))


def _levels(num_points: int) -> Tensor:
    """Return odd integers, Gray labelled: neighbours are 2 apart."""
    levels = torch.empty(num_points)
    levels[_gray(num_points)] = 2.0 * torch.arange(num_points) - (num_points - 1)
    return levels


def _grid(num_columns: int, num_rows: int) -> Tensor:
    """Return the rectangular grid of odd integers; the high bits are the real axis."""
    return torch.complex(*torch.meshgrid(_levels(num_columns), _levels(num_rows), indexing="ij")).flatten()


def _unit_power(points: Tensor) -> Tensor:
    return points / points.abs().square().mean().sqrt()


def square_qam(num_points: int) -> Complex[Tensor, " points"]:
    """Square quadrature amplitude modulation: two independent PAM axes; the high bits are the real one."""
    side = math.isqrt(num_points)
    return _unit_power(_grid(side, side))


def rectangular_qam(num_points: int) -> Complex[Tensor, " points"]:
    """Rectangular quadrature amplitude modulation of an odd number of bits: twice as many columns as rows."""
    rows = math.isqrt(num_points // 2)
    return _unit_power(_grid(2 * rows, rows))


def cross_qam(num_points: int) -> Complex[Tensor, " points"]:
    """Cross-shaped quadrature amplitude modulation of 32, 128 or 512 points (Smith 1975, IEEE Trans. Commun. 23).

    The outer quarter of a rectangle's columns moves, labels and all, above and below the rest. No Gray labels exist for
    this shape; these differ in one bit between most neighbours.
    """
    rows = math.isqrt(num_points // 2)
    points = _grid(2 * rows, rows)
    x, y = points.real.abs(), points.imag.abs()
    moved = torch.complex(points.real.sign() * y, points.imag.sign() * (x - rows / 2))
    return _unit_power(torch.where(x > 1.5 * rows, moved, points))


CONSTELLATIONS: dict[str, Tensor] = {
    "BPSK": psk(2),
    "QPSK": psk(4),
    "8PSK": psk(8),
    "16PSK": psk(16),
    "32PSK": psk(32),
    "64PSK": psk(64),
    "PAM4": pam(4),
    "PAM8": pam(8),
    "OOK": ask(2),
    "ASK4": ask(4),
    "ASK8": ask(8),
    "QAM8": rectangular_qam(8),
    "QAM16": square_qam(16),
    "QAM32": cross_qam(32),
    "QAM64": square_qam(64),
    "QAM128": cross_qam(128),
    "QAM256": square_qam(256),
    "QAM512": cross_qam(512),
    "QAM1024": square_qam(1024),
    "APSK16": apsk16(),
    "APSK32": apsk32(),
    "APSK64": apsk64(),
    "APSK128": apsk128(),
}


def constellation(name: str) -> Complex[Tensor, " points"]:
    """Return the points of a constellation, indexed by label; raises `UnknownNameError`."""
    return lookup(CONSTELLATIONS, name, "constellation")


def draw_labels(
    num_points: int, num_records: int, num_symbols: int, *, generator: Generator
) -> Int[Tensor, "{num_records} {num_symbols}"]:
    """Draw independent, equally likely labels, on the generator's device."""
    return torch.randint(num_points, (num_records, num_symbols), generator=generator, device=generator.device)


def symbols_of(points: Complex[Tensor, " points"], labels: Int[Tensor, "*batch"]) -> Complex[Tensor, "*batch"]:
    """Return the points that labels stand for."""
    return points.to(labels.device).index_select(0, labels.flatten()).view(labels.shape)


def draw_symbols(
    points: Complex[Tensor, " points"], num_records: int, num_symbols: int, *, generator: Generator
) -> Complex[Tensor, "records symbols"]:
    """Draw independent, equally likely symbols."""
    return symbols_of(points, draw_labels(len(points), num_records, num_symbols, generator=generator))


def nearest_label(points: Complex[Tensor, " points"], y: Complex[Tensor, "*batch"]) -> Int[Tensor, "*batch"]:
    """Return the label of the nearest point: the maximum-likelihood decision in white noise.

    The nearest point is that of the largest correlation less half its energy (Proakis 2008, 4.2-1).
    """
    axes = torch.view_as_real(points.to(y.device))
    return (torch.view_as_real(y) @ axes.T - 0.5 * axes.square().sum(-1)).argmax(-1)
