"""Interference: another signal on the channel or beside it, impulses, a sweeping jammer, a tone.

Interferers are drawn on their own; `add_interferer` sets their power against that of the record.
"""

import math
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor

from groundwave.errors import GroundwaveError
from groundwave.signal.impair import oscillator, shift_frequency
from groundwave.signal.noise import noise_like, power, unit_power


def add_interferer(
    x: Complex[Tensor, "*batch time"],
    interferer: Complex[Tensor, "*batch time"],
    sir_db: Float[Tensor, "*batch"],
    offset: Float[Tensor, "*batch"] | None = None,
) -> Complex[Tensor, "*batch time"]:
    """Add another signal under a signal-to-interference ratio, on the same channel or an adjacent one.

    `sir_db` is the mean power of each record of `x` over that of its interferer, both over the record and the full
    sampled band; a silent interferer stays silent. `offset` moves the interferer by so many cycles per sample. What it
    pushes over the edge of the sampled band comes back at the other; filter the interferer first where that matters.

    Raises:
        GroundwaveError: for a ratio or an offset that is not finite.
    """
    for name, numbers in (("sir_db", sir_db), ("offset", offset)):
        if numbers is not None and not bool(numbers.isfinite().all()):
            raise GroundwaveError(f"{name} with NaN or infinity", "finite numbers", "leave the interferer out instead")
    other = interferer if offset is None else shift_frequency(interferer, offset)
    gain = (power(x) * 10 ** (-sir_db / 10)).sqrt()
    return x + gain[..., None] * unit_power(other)


@cache
def _poisson(mean: float) -> tuple[Float[Tensor, " counts"], int]:
    """Return the cumulative Poisson distribution, up to where float32 cannot tell it from one, and its length."""
    log_terms, total, cumulative = -mean, 0.0, []
    while total < 1 - 1e-7:
        total += math.exp(log_terms)
        cumulative.append(total)
        log_terms += math.log(mean / len(cumulative))
    return torch.tensor(cumulative), len(cumulative)


def draw_impulses(
    num_records: int, num_samples: int, *, impulses_per_sample: float, background: float, generator: Generator
) -> Complex[Tensor, "{num_records} {num_samples}"]:
    """Draw impulsive noise of unit expected power: Middleton's class A, independent from sample to sample.

    m ~ Poisson(A) impulses fall on a sample, which is then complex Gaussian of power (m / A + Gamma) / (1 + Gamma).

    Args:
        num_records: how many records.
        num_samples: samples in each.
        impulses_per_sample: the impulsive index A; small for rare and strong impulses, 10 and more for near-Gaussian.
        background: Gamma, power of the Gaussian background over that of the impulses.
        generator: source of randomness.

    Raises:
        GroundwaveError: for A outside (0, 100] or a background that is not positive and finite.
    """
    if not (0 < impulses_per_sample <= 100 and 0 < background < math.inf):
        got = f"{impulses_per_sample} impulses per sample over a background of {background}"
        raise GroundwaveError(got, "above 0 to 100, and a positive number", "use typically 0.01 to 1 and 0.001 to 1")
    device = generator.device
    cumulative, num_counts = _poisson(impulses_per_sample)
    powers = (torch.arange(num_counts + 1) / impulses_per_sample + background) / (1 + background)
    uniform = torch.rand((num_records, num_samples), generator=generator, device=device)
    counts = torch.bucketize(uniform, cumulative.to(device), right=True)
    noise = noise_like(torch.empty((num_records, num_samples), dtype=torch.complex64), generator=generator)
    return noise * powers.sqrt().to(device)[counts]


@dataclass(frozen=True)
class Sweep:
    """A draw of jammers that sweep a band up or down again and again; `low` = `high` is a tone.

    Frequencies are in cycles per sample, `period` in samples, `start` in sweeps, `phase_rad` in radians.
    """

    low: Float[Tensor, " batch"]
    high: Float[Tensor, " batch"]
    period: Float[Tensor, " batch"]
    start: Float[Tensor, " batch"]
    phase_rad: Float[Tensor, " batch"]


def draw_sweep(
    low: Float[Tensor, " batch"],
    high: Float[Tensor, " batch"],
    period: Float[Tensor, " batch"],
    *,
    generator: Generator,
) -> Sweep:
    """Draw jammers from `low` to `high` (cycles per sample; below `low` for a falling one) in `period` samples.

    Each record starts anywhere in a sweep, at any phase. Raises `GroundwaveError` for frequencies outside
    [-0.5, 0.5] and periods that are not positive.
    """
    edges = torch.stack((low, high))
    if not bool((edges.abs() <= 0.5).all() and ((period > 0) & period.isfinite()).all()):
        raise GroundwaveError(
            f"sweeps from {low.tolist()} to {high.tolist()} in {period.tolist()} samples",
            "frequencies within +-0.5 cycles per sample and positive periods",
            "divide frequencies by the sample rate",
        )
    start, phase = torch.rand((2, *low.shape), generator=generator, device=generator.device)
    return Sweep(low, high, period, start, 2 * math.pi * phase)


def draw_tone(frequency: Float[Tensor, " batch"], *, generator: Generator) -> Sweep:
    """Draw tones at `frequency` (cycles per sample) and any phase; raises as `draw_sweep`."""
    return draw_sweep(frequency, frequency, torch.ones_like(frequency), generator=generator)


def jammer(sweep: Sweep, num_samples: int) -> Complex[Tensor, "batch {num_samples}"]:
    """Return unit-power jammers whose frequency follows a saw-tooth and whose phase is continuous."""
    n = torch.arange(num_samples, device=sweep.low.device)
    place = (n / sweep.period[:, None] + sweep.start[:, None]).frac()
    frequency = sweep.low[:, None] + (sweep.high - sweep.low)[:, None] * place
    turn = torch.polar(torch.ones_like(sweep.phase_rad), sweep.phase_rad)
    return turn[:, None] * oscillator(frequency)
