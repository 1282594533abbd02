"""Spread spectrum: codes, spreading and despreading, frequency hopping."""

import math
from functools import cache

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from groundwave.signal.bits import shift_register
from groundwave.signal.filters import upsample

BARKER_80211 = (1, -1, 1, 1, -1, 1, 1, 1, -1, -1, -1)  # IEEE 802.11-2020, 15.4.6.4

# Delays of the second register for GPS satellites 1 ... 32 (IS-GPS-200, table 3-Ia).
GPS_DELAYS: tuple[int, ...] = (5, 6, 7, 8, 17, 18, 139, 140, 141, 251, 252, 254, 255, 256, 257, 258)
GPS_DELAYS += (469, 470, 471, 472, 473, 474, 509, 512, 513, 514, 515, 516, 859, 860, 861, 862)


@cache
def gps_ca(satellite: int) -> Float[Tensor, "1023"]:
    """Return the C/A code of a GPS satellite, 1 ... 32, as +1 (bit 0) and -1: a Gold code (IS-GPS-200, 3.3.2.3)."""
    first = shift_register((3, 10), (1,) * 10, 1023)
    second = shift_register((2, 3, 6, 8, 9, 10), (1,) * 10, 1023)
    return 1.0 - 2.0 * (first ^ second.roll(GPS_DELAYS[satellite - 1])).float()


@cache
def walsh(size: int) -> Float[Tensor, "codes chips"]:
    """Return the Walsh-Hadamard codes of a power of two: orthogonal rows of +1 and -1 (OVSF up to order)."""
    codes = torch.ones(1, 1)
    while len(codes) < size:
        codes = torch.cat([torch.cat([codes, codes], 1), torch.cat([codes, -codes], 1)])
    return codes


def spread(
    symbols: Complex[Tensor, "*batch symbols"], code: Float[Tensor, "*codes chips"]
) -> Complex[Tensor, "*batch time"]:
    """Multiply every symbol by the code: symbols * chips values."""
    return (symbols[..., None] * code).flatten(-2)


def despread(chips: Complex[Tensor, "*batch time"], code: Float[Tensor, " chips"]) -> Complex[Tensor, "*batch symbols"]:
    """Correlate with the code, symbol by symbol; undoes `spread`."""
    symbols: Tensor = (chips.unflatten(-1, (-1, len(code))) * code).mean(-1)
    return symbols


def differential(
    steps: Int[Tensor, "*batch symbols"], num_phases: int, code: Float[Tensor, " chips"]
) -> Complex[Tensor, "*batch time"]:
    """Turn by `steps` of 2 pi / `num_phases` from symbol to symbol, and multiply by the code (802.11-2020, 15.4.6)."""
    turns = torch.exp(2j * math.pi * torch.arange(num_phases, device=steps.device) / num_phases)
    return spread(turns[steps.cumsum(-1).remainder(num_phases)], code)


def code_division(
    symbols: Complex[Tensor, "records users symbols"],
    codes: Int[Tensor, "records users"],
    amplitudes: Float[Tensor, "records users"],
    size: int,
) -> Complex[Tensor, "records chips"]:
    """Add up users, each spread by its own Walsh code of `size` chips (before scrambling; TS 25.213, 5.1)."""
    weights = walsh(size).to(codes.device)[codes] * amplitudes[..., None]
    return torch.einsum("ruk,ruc->rkc", symbols, weights + 0j).flatten(1)


def channel_frequency(channel: Int[Tensor, "*batch"], num_channels: int, bandwidth: float) -> Float[Tensor, "*batch"]:
    """Return the centre of one of `num_channels` equal channels that fill `bandwidth` (cycles per sample)."""
    return ((channel + 0.5) / num_channels - 0.5) * bandwidth


def hopping_frequency(
    levels: Float[Tensor, "records symbols"],
    centre: Float[Tensor, "records hops"],
    taps: Float[Tensor, " taps"],
    samples_per_symbol: int,
    index: float,
) -> Float[Tensor, "records time"]:
    """Return the frequency (cycles per sample) of FSK of `index` under the pulse `taps` whose carrier hops.

    Every `centre` lasts as many symbols; `levels` are those and what the pulse spans beyond its first.
    """
    keyed = 0.5 * index * upsample(levels, taps, samples_per_symbol)
    frequency: Tensor = (keyed.unflatten(1, (centre.shape[1], -1)) + centre[..., None]).flatten(1)
    return frequency
