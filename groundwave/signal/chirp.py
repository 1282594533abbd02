"""Chirps: linear frequency sweeps, and LoRa's modulation by their cyclic shifts."""

import math
from functools import cache

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor


def turn(cycles: Float[Tensor, "*batch"]) -> Complex[Tensor, "*batch"]:
    """Return exp(j 2 pi cycles), in the precision of complex64."""
    phase = (2 * math.pi * (cycles - cycles.round())).float()
    return torch.complex(phase.cos(), phase.sin())


def sweep(
    position: Float[Tensor, "*batch time"], length: Float[Tensor, "*batch time"], bandwidth: float
) -> Complex[Tensor, "*batch time"]:
    """Return a linear sweep over `bandwidth` (cycles per sample, negative: downwards), centred on zero frequency.

    `position` and `length` are in samples; the phase B (p^2 / L - p) / 2 is zero at both ends, so that sweeps join
    (Richards, Fundamentals of Radar Signal Processing, 4.6).
    """
    return turn(0.5 * bandwidth * position * (position / length - 1))


@cache
def up_chirp(spreading_factor: int, samples_per_chip: int) -> Complex[Tensor, " samples"]:
    """Return LoRa's base chirp: 2^SF chips, from -B/2 to B/2 with B one cycle per chip; periodic when repeated."""
    chips = 2**spreading_factor
    chip = torch.arange(chips * samples_per_chip, dtype=torch.float64) / samples_per_chip
    return turn(0.5 * chip * (chip / chips - 1))


def lora_at(
    symbols: Int[Tensor, "records symbols"],
    start: Int[Tensor, " records"],
    num_samples: int,
    spreading_factor: int,
    samples_per_chip: int,
) -> Complex[Tensor, "records {num_samples}"]:
    """Modulate LoRa symbols, `num_samples` from sample `start` (of the first symbol) on.

    Symbol s is the base chirp shifted cyclically by s chips and turned to begin at phase zero; it ends there as well,
    so the phase is continuous (Vangelista, IEEE Signal Processing Letters 24, 2017).
    """
    chirp = up_chirp(spreading_factor, samples_per_chip).to(symbols.device)
    shift = symbols * samples_per_chip
    position = start[:, None] + torch.arange(num_samples, device=symbols.device)
    which = position >> spreading_factor if samples_per_chip == 1 else position.div(len(chirp), rounding_mode="floor")
    phase = chirp[shift].conj().resolve_conj()
    return chirp[(position + shift.gather(1, which)).remainder(len(chirp))] * phase.gather(1, which)


def lora_symbols(
    x: Complex[Tensor, "*batch time"], spreading_factor: int, samples_per_chip: int
) -> Int[Tensor, "*batch symbols"]:
    """Demodulate aligned LoRa symbols: multiply by the conjugate base chirp, transform, take the strongest bin.

    After its wrap a symbol's tone lies one bandwidth lower, in phase, so the two bins are added.
    """
    chirp = up_chirp(spreading_factor, samples_per_chip).to(x.device)
    bins = torch.fft.fft(x.unflatten(-1, (-1, len(chirp))) * chirp.conj())
    chips = 2**spreading_factor
    if samples_per_chip > 1:
        bins = bins[..., :chips] + bins[..., -chips:]
    symbols: Tensor = bins.abs().argmax(-1)
    return symbols
