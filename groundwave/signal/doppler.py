"""Scattered path gains with a given Doppler spectrum: Gaussian processes as sums of sinusoids.

The sinusoids sit at the nodes of a quadrature of the Doppler spectrum and carry independent complex Gaussian
amplitudes. So a gain is exactly Rayleigh at any instant, gains of different paths are independent, and the
autocorrelation is that of the spectrum, to the quadrature's error, with few sinusoids. (Sums with random arrival
angles, such as Zheng and Xiao's in `fading`, need many more of them to come near.)
"""

import math
from collections.abc import Callable
from functools import cache

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor

from groundwave.errors import lookup

Nodes = tuple[Float[Tensor, " sinusoids"], Float[Tensor, " sinusoids"]]
_TAIL = 4.5  # the Gaussian spectrum is cut at so many standard deviations, which lose 7e-6 of its power


def _jakes(num: int) -> Nodes:
    """Chebyshev nodes: p(f) ~ 1 / sqrt(1 - f^2), the isotropic ring of scatterers of Clarke and Jakes."""
    angles = math.pi * (torch.arange(num, dtype=torch.float64) + 0.5) / num
    return angles.cos(), torch.full((num,), 1 / num, dtype=torch.float64)


def _flat(num: int) -> Nodes:
    """Chebyshev nodes with Fejer's weights: p(f) constant, scatterers all round in three dimensions."""
    frequencies, powers = _jakes(num)
    order = torch.arange(1, num // 2 + 1, dtype=torch.float64)
    ripple = (2 * frequencies.acos()[:, None] * order).cos() @ (1 / (4 * order**2 - 1))
    return frequencies, powers * (1 - 2 * ripple)


def _gaussian(num: int) -> Nodes:
    """Even spacing: p(f) normal with the same standard deviation as Jakes' spectrum, f_D / sqrt(2)."""
    z = _TAIL * (2 * torch.arange(num, dtype=torch.float64) + 1 - num) / num
    powers = (-0.5 * z**2).exp()
    return z / math.sqrt(2), powers / powers.sum()


SPECTRA: dict[str, Callable[[int], Nodes]] = {"flat": _flat, "gaussian": _gaussian, "jakes": _jakes}


@cache
def nodes(spectrum: str, num_sinusoids: int) -> Nodes:
    """Return sinusoids that stand for a Doppler spectrum; raises `UnknownNameError`.

    Returns their frequencies as multiples of the largest Doppler shift and their mean powers, which sum to one
    (float64). A single one is at zero.
    """
    return lookup(SPECTRA, spectrum, "Doppler spectrum")(num_sinusoids)


def num_sinusoids(cycles: float) -> int:
    """Return how many sinusoids keep the autocorrelation right within .002 over `cycles` of the largest Doppler."""
    return 12 + math.ceil(6.4 * cycles) if cycles > 0 else 1


def draw_scatter(
    num_records: int,
    num_paths: int,
    times: Float[Tensor, " knots"],
    doppler: Float[Tensor, "#batch"],
    sinusoids: Nodes,
    *,
    generator: Generator,
) -> Complex[Tensor, "batch num_paths knots"]:
    """Draw unit-power Rayleigh gains of independent paths at `times` (samples).

    `doppler` is the largest Doppler shift in cycles per sample, for all records or for each; `sinusoids` come from
    `nodes`. All lie on the generator's device.
    """
    device = generator.device
    frequencies, powers = (t.float().to(device) for t in sinusoids)
    drawn = torch.randn((num_records, num_paths, len(powers), 2), generator=generator, device=device)
    amplitudes = torch.view_as_complex(drawn * (powers[:, None] / 2).sqrt())
    turns = doppler[:, None, None] * frequencies[:, None] * times
    waves = torch.polar(torch.ones_like(turns), 2 * math.pi * turns)
    return amplitudes @ (waves[0] if len(waves) == 1 else waves)  # one table of sinusoids may serve all records
