"""Mode S and ADS-B replies at 1090 MHz: pulse position modulation, 0.5 us chips (ICAO Annex 10, volume IV, 3.1.2)."""

from functools import cache

import torch
from jaxtyping import Complex, Float, Int, UInt8
from torch import Generator, Tensor

from groundwave.signal.bits import Crc, draw_bits

PARITY = Crc(24, 0xFFF409)
PREAMBLE = (1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0)  # pulses at 0, 1, 3.5 and 4.5 us
SHORT_BITS, LONG_BITS = 56, 112
EXTENDED_SQUITTER, ALL_CALL = 17, 11
FRAME_CHIPS = len(PREAMBLE) + 2 * LONG_BITS


def from_hex(text: str) -> UInt8[Tensor, " bits"]:
    """Return the bits of a frame written in hexadecimal, first bit first."""
    return torch.tensor([int(bit) for digit in text for bit in f"{int(digit, 16):04b}"], dtype=torch.uint8)


def number(bits: UInt8[Tensor, "*batch bits"]) -> Int[Tensor, "*batch"]:
    """Read a field: its bits as a number, the highest first."""
    weights = 1 << torch.arange(bits.shape[-1] - 1, -1, -1, device=bits.device)
    value: Tensor = (bits.long() * weights).sum(-1)
    return value


def draw_frames(*shape: int, generator: Generator) -> UInt8[Tensor, "*shape 112"]:
    """Draw extended squitters (downlink format 17, capability 5) of random address and message, parity right."""
    drawn = draw_bits(*shape, LONG_BITS - 32, generator=generator)
    head = from_hex(f"{(EXTENDED_SQUITTER << 3) + 5:02X}").to(drawn.device).expand(*shape, 8)
    return PARITY.append(torch.cat([head, drawn], -1))


def to_chips(frames: UInt8[Tensor, "*batch bits"]) -> UInt8[Tensor, "*batch chips"]:
    """Return on and off chips: the preamble, then 1 as on-off and 0 as off-on."""
    preamble = torch.tensor(PREAMBLE, dtype=torch.uint8, device=frames.device)
    body = torch.stack([frames, 1 - frames], -1).flatten(-2)
    return torch.cat([preamble.expand(*frames.shape[:-1], len(PREAMBLE)), body], -1)


def from_chips(levels: Float[Tensor, "*batch chips"]) -> UInt8[Tensor, "*batch bits"]:
    """Decide bits from the levels of chips after the preamble: the stronger half wins."""
    early, late = levels.unflatten(-1, (-1, 2)).unbind(-1)
    first: Tensor = early > late
    return first.to(torch.uint8)


@cache
def chip_pulse(samples_per_chip: int) -> Float[Tensor, " taps"]:
    """Return a chip's envelope, flat between straight edges of a quarter of a chip, but of two samples at least.

    A quarter is 0.125 us, 0.1 of them between 10 and 90 % of the amplitude: Annex 10 allows 0.05 to 0.1 us for the rise
    and 0.05 to 0.2 us for the fall. Below eight samples a chip the edges are longer, since one sample would be none.
    """
    edge = max(2, samples_per_chip // 4)
    box = torch.ones(1, 1, samples_per_chip)
    taps: Tensor = torch.nn.functional.conv1d(box, torch.full((1, 1, edge), 1 / edge), padding=edge - 1)[0, 0]
    return taps


def _preamble_at(level: Tensor) -> Tensor:
    """Return where all four pulses of the preamble stand out from the chips that must be silent."""
    span = level.unfold(0, len(PREAMBLE), 1)
    pulses = torch.tensor(PREAMBLE, dtype=torch.bool, device=level.device)
    return (span[:, pulses].amin(1) > span[:, ~pulses].amax(1)).nonzero().flatten()


def find_frames(x: Complex[Tensor, " time"], parity: Crc = PARITY) -> list[tuple[int, UInt8[Tensor, " bits"]]]:
    """Find the frames of formats 17 and 11 whose parity holds, in IQ of two samples per microsecond.

    Returns (sample, bits) in order of time; all-call replies count when addressed to interrogator 0.
    """
    level = x.abs()
    found = []
    for num_bits, form in ((LONG_BITS, EXTENDED_SQUITTER), (SHORT_BITS, ALL_CALL)):
        begin = _preamble_at(level)
        begin = begin[begin + len(PREAMBLE) + 2 * num_bits <= len(level)]
        chips = level.unfold(0, 2 * num_bits, 1)[begin + len(PREAMBLE)]
        frames = from_chips(chips)
        good = (number(frames[:, :5]) == form) & parity.holds(frames)
        found += list(zip(begin[good].tolist(), frames[good], strict=True))
    return sorted(found, key=lambda pair: pair[0])
