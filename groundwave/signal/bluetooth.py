"""Bluetooth Low Energy, 1 Mbit/s: advertising packets, whitening, check, GFSK (Core Specification 5.4, volume 6, B)."""

import math
from functools import cache

import torch
from jaxtyping import Complex, Float, Int, UInt8
from torch import Tensor

from groundwave.signal.bits import Crc, to_bits, to_bytes
from groundwave.signal.filters import upsample
from groundwave.signal.impair import oscillator
from groundwave.signal.pulse import gaussian_frequency

ADVERTISING_CHANNELS = (37, 38, 39)
ACCESS_ADDRESS = 0x8E89BED6  # of all advertising packets, 2.1.2
NUM_OCTETS = 37  # of the payload: an address and 31 octets of advertising data
SPACE_BITS = 150  # between consecutive packets, 4.1.1
CRC = Crc(24, 0x00065B, 0x555555)  # 3.1.1
_BT, _INDEX, _SPAN = 0.5, 0.5, 4
PREFIX_BITS = 40  # preamble and access address
PACKET_BITS = PREFIX_BITS + 8 * (2 + NUM_OCTETS) + CRC.width
LEAD = _SPAN // 2  # symbols that the frequency pulse reaches to either side


@cache
def whitening(channel: int, num_bits: int) -> UInt8[Tensor, " bits"]:
    """Return the whitening sequence x^7 + x^4 + 1 of a channel; the same once more takes it off (3.2)."""
    register = [1] + [(channel >> k) & 1 for k in range(5, -1, -1)]
    bits = []
    for _ in range(num_bits):
        last = register[6]
        bits.append(last)
        register = [last, *register[:6]]
        register[4] ^= last
    return torch.tensor(bits, dtype=torch.uint8)


@cache
def _prefix() -> UInt8[Tensor, "40"]:
    """Return the preamble 0xAA (the address begins with a 0) and the access address, in the order of the air."""
    return to_bits(torch.tensor([0xAA, *ACCESS_ADDRESS.to_bytes(4, "little")], dtype=torch.uint8))


@cache
def _whitenings(num_bits: int) -> UInt8[Tensor, "40 bits"]:
    return torch.stack([whitening(channel, num_bits) for channel in range(40)])


def encode(payload: UInt8[Tensor, "*batch octets"], channel: Int[Tensor, "*batch"]) -> UInt8[Tensor, "*batch bits"]:
    """Return the bits of non-connectable advertising packets, each on its channel, from the preamble to the check."""
    head = torch.tensor([0x42, payload.shape[-1]], dtype=torch.uint8, device=payload.device)  # ADV_NONCONN_IND, TxAdd
    unit = torch.cat([head.expand(*payload.shape[:-1], 2), payload], -1)
    checked = CRC.append(to_bits(unit))
    white = checked ^ _whitenings(checked.shape[-1]).to(payload.device)[channel]
    return torch.cat([_prefix().to(payload.device).expand(*payload.shape[:-1], PREFIX_BITS), white], -1)


def modulate(levels: Float[Tensor, "*batch symbols"], samples_per_symbol: int) -> Complex[Tensor, "*batch time"]:
    """Modulate GFSK of BT 0.5 and index 0.5 from levels +1 (bit 1) and -1 (bit 0), valid part only.

    The first sample belongs to symbol `LEAD`, the last to the one `LEAD` before the end.
    """
    pulse = gaussian_frequency(samples_per_symbol, _SPAN, _BT)
    return oscillator(0.5 * _INDEX * upsample(levels, pulse, samples_per_symbol))


def ramp(on: Float[Tensor, "*batch symbols"], samples_per_symbol: int) -> Float[Tensor, "*batch time"]:
    """Return the envelope of a transmitter that is on (1) or off: between unlike symbols it moves as a raised cosine.

    One symbol's samples for each pair of neighbours, from the first of the pair to the second.
    """
    t = (torch.arange(2 * samples_per_symbol) + 0.5) / (2 * samples_per_symbol)
    return upsample(on, torch.sin(math.pi * t).square(), samples_per_symbol)


def demodulate(x: Complex[Tensor, "*batch time"], samples_per_symbol: int) -> UInt8[Tensor, "*batch symbols"]:
    """Return the bits of aligned symbols: the sign of the phase's change over each."""
    steps = (x[..., 1:] * x[..., :-1].conj()).angle()
    steps = torch.nn.functional.pad(steps, (1, 0))
    whole = steps[..., : steps.shape[-1] // samples_per_symbol * samples_per_symbol]
    turns: Tensor = whole.unflatten(-1, (-1, samples_per_symbol)).sum(-1)
    return (turns > 0).to(torch.uint8)


def decode(bits: UInt8[Tensor, " bits"], channel: int) -> UInt8[Tensor, " octets"] | None:
    """Find the first packet in a run of bits; return its payload, or None without one whose check holds."""
    windows = bits.unfold(0, PREFIX_BITS, 1)[:, 8:]
    for begin in (windows == _prefix()[8:]).all(1).nonzero().flatten().tolist():
        white = bits[begin + PREFIX_BITS :]
        unit = white ^ whitening(channel, len(white))
        octets = to_bytes(unit[: len(unit) // 8 * 8])
        num_bits = 8 * (2 + int(octets[1])) + CRC.width if len(octets) > 1 else math.inf
        if num_bits <= len(unit) and CRC.holds(unit[: int(num_bits)]):
            return octets[2 : 2 + int(octets[1])]
    return None
