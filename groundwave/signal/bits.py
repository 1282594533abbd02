"""Bits: drawing them quickly, shift registers, and cyclic redundancy checks as matrices over GF(2)."""

from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Generator, Tensor


def draw_bytes(*shape: int, generator: Generator) -> UInt8[Tensor, "..."]:
    """Draw independent uniform bytes, eight for each 64-bit number of the generator."""
    count = torch.Size(shape).numel()
    words = torch.empty((count + 7) // 8, dtype=torch.int64, device=generator.device)
    return words.random_(-(2**63), None, generator=generator).view(torch.uint8)[:count].reshape(shape)


def to_bits(octets: UInt8[Tensor, "*batch bytes"]) -> UInt8[Tensor, "*batch bits"]:
    """Unpack bytes, the least significant bit first: the order on the air of IEEE 802 and Bluetooth."""
    weights = torch.arange(8, dtype=torch.uint8, device=octets.device)
    return ((octets[..., None] >> weights) & 1).flatten(-2)


def to_bytes(bits: UInt8[Tensor, "*batch bits"]) -> UInt8[Tensor, "*batch bytes"]:
    """Pack bits, the least significant first; the number of bits is a multiple of eight."""
    weights = 1 << torch.arange(8, dtype=torch.uint8, device=bits.device)
    octets: Tensor = (bits.unflatten(-1, (-1, 8)) * weights).sum(-1, dtype=torch.uint8)
    return octets


def draw_bits(*shape: int, generator: Generator) -> UInt8[Tensor, "..."]:
    """Draw independent fair bits."""
    count = torch.Size(shape).numel()
    return to_bits(draw_bytes((count + 7) // 8, generator=generator))[:count].reshape(shape)


@cache
def shift_register(taps: tuple[int, ...], state: tuple[int, ...], num_bits: int) -> UInt8[Tensor, " bits"]:
    """Return the bits of a linear feedback shift register in Fibonacci form: x[i] = sum over taps of x[i - tap] mod 2.

    `state` holds the first bits; a primitive polynomial gives an m-sequence (Golomb, Shift Register Sequences).
    """
    bits = list(state)
    while len(bits) < num_bits:
        bits.append(sum(bits[-tap] for tap in taps) % 2)
    return torch.tensor(bits[:num_bits], dtype=torch.uint8)


@dataclass(frozen=True)
class Crc:
    """A cyclic redundancy check, on bits in the order of the air; the check's own bits go out highest power first.

    The remainder is linear in the message, so that a batch is checked by one matrix product.

    Args:
        width: number of check bits.
        polynomial: generator polynomial without its highest power.
        initial: the register before the first bit.
    """

    width: int
    polynomial: int
    initial: int = 0

    def __call__(self, bits: UInt8[Tensor, "*batch bits"]) -> UInt8[Tensor, "*batch check"]:
        """Return the check bits of messages."""
        matrix, constant = self._affine(bits.shape[-1])
        parity = (bits.float() @ matrix.to(bits.device) + constant.to(bits.device)).remainder(2)
        return parity.to(torch.uint8)

    def append(self, bits: UInt8[Tensor, "*batch bits"]) -> UInt8[Tensor, "*batch frame"]:
        """Return messages with their check bits behind."""
        return torch.cat([bits, self(bits)], -1)

    def holds(self, frame: UInt8[Tensor, "*batch frame"]) -> Bool[Tensor, "*batch"]:
        """Return whether a frame's last bits are the check of those before."""
        sent, check = frame[..., : -self.width], frame[..., -self.width :]
        return (self(sent) == check).all(-1)

    def _shift(self, register: int) -> int:
        top = register >> (self.width - 1)
        return ((register << 1) & ((1 << self.width) - 1)) ^ (self.polynomial * top)

    @cache  # noqa: B019 - a handful of frozen instances live as long as the program
    def _affine(self, num_bits: int) -> tuple[Float[Tensor, "bits check"], Float[Tensor, " check"]]:
        """Return each message bit's remainder x^(width + i) mod polynomial, and the initial register's."""
        rows, register = [], self.polynomial
        for _ in range(num_bits):
            rows.append(register)
            register = self._shift(register)
        constant = self.initial
        for _ in range(num_bits):
            constant = self._shift(constant)
        table = torch.tensor([*rows[::-1], constant])
        spread = ((table[:, None] >> torch.arange(self.width - 1, -1, -1)) & 1).float()
        return spread[:-1], spread[-1]
