"""IEEE 802.15.4 at 2.45 GHz (ZigBee, Thread): 4-bit symbols on 32 chips, offset QPSK with half-sine pulses."""

import math
from functools import cache

import torch
from jaxtyping import Complex, Float, Int, UInt8
from torch import Generator, Tensor

from groundwave.signal.bits import Crc, draw_bytes, to_bits, to_bytes
from groundwave.signal.filters import upsample
from groundwave.signal.pulse import half_sine

CHIPS_PER_SYMBOL = 32
GAP = 16  # index of the row of zeros in `chip_table`
LONG_GAP_SYMBOLS = 40  # LIFS, table 8-5
_BASE = 0b11011001110000110101001000101110  # symbol 0, table 12-1
_HEADER = (0, 0, 0, 0, 0xA7)  # preamble and start-of-frame delimiter
FCS = Crc(16, 0x1021)


@cache
def chip_table() -> Float[Tensor, "17 32"]:
    """Return the chips of the symbols 0 ... 15 as +1 and -1, and a row of zeros for silence (802.15.4-2020, 12.2.4).

    Each symbol's chips are the previous one's turned right by four; from 8 on, the odd chips are inverted.
    """
    base = 2.0 * ((_BASE >> torch.arange(31, -1, -1)) & 1) - 1
    lower = torch.stack([base.roll(4 * k) for k in range(8)])
    flip = torch.tensor([1.0, -1.0]).repeat(16)
    return torch.cat([lower, lower * flip, torch.zeros(1, 32)])


def draw_packets(*shape: int, num_octets: int, generator: Generator) -> Int[Tensor, "*shape symbols"]:
    """Draw packets as symbols: header, length, then `num_octets` (at most 127) whose last two check the rest."""
    payload = to_bits(draw_bytes(*shape, num_octets - 2, generator=generator))
    checked = to_bytes(FCS.append(payload))
    header = torch.tensor([*_HEADER, num_octets], dtype=torch.uint8, device=checked.device)
    octets = torch.cat([header.expand(*shape, 6), checked], -1)
    return torch.stack([octets & 15, octets >> 4], -1).flatten(-2).long()


def modulate(symbols: Int[Tensor, "*batch symbols"], samples_per_chip: int) -> Complex[Tensor, "*batch time"]:
    """Modulate symbols, even chips on I, odd ones a chip later on Q; valid part: it begins a chip after the first.

    Unit envelope; silent where the symbol is `GAP`.
    """
    chips = chip_table().to(symbols.device)[symbols].unflatten(-1, (-1, 2))
    still = torch.zeros_like(chips[..., 0])
    both = torch.complex(torch.stack([chips[..., 0], still], -1), torch.stack([still, chips[..., 1]], -1))
    pulse = half_sine(2 * samples_per_chip) * math.sqrt(samples_per_chip)
    return upsample(both.flatten(-3), pulse, samples_per_chip)


def demodulate(x: Complex[Tensor, "*batch time"], samples_per_chip: int) -> Int[Tensor, "*batch symbols"]:
    """Return the nearest symbols of a signal aligned as `modulate` gives it, phase known: the chips' best match."""
    centres = x[..., ::samples_per_chip]
    centres = centres[..., : centres.shape[-1] // CHIPS_PER_SYMBOL * CHIPS_PER_SYMBOL]
    chips = torch.stack([centres[..., ::2].real, centres[..., 1::2].imag], -1).flatten(-2)
    symbols: Tensor = (chips.unflatten(-1, (-1, CHIPS_PER_SYMBOL)) @ chip_table()[:GAP].to(x.device).T).argmax(-1)
    return symbols


def decode(symbols: Int[Tensor, " symbols"]) -> UInt8[Tensor, " octets"] | None:
    """Return the octets of the packet that a run of symbols begins with, less the check; None when it does not hold."""
    octets = (symbols[: len(symbols) // 2 * 2].reshape(-1, 2) * torch.tensor([1, 16])).sum(-1).to(torch.uint8)
    begin = len(_HEADER) + 1
    if octets[:begin].tolist()[:-1] != list(_HEADER):
        return None
    frame = octets[begin : begin + int(octets[begin - 1])]
    whole = len(frame) == int(octets[begin - 1]) and len(frame) > FCS.width // 8
    return frame[:-2] if whole and FCS.holds(to_bits(frame)) else None
