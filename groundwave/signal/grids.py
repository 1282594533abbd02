"""Resource grids of real systems: where their data, pilots and empty subcarriers lie, as tables of symbol types.

A system's frame has few types of symbols (for LTE: plain, six places of the reference signals, synchronisation), so a
`Layout` keeps one row for each type and the order of types in the frame.
"""

import math
from dataclasses import dataclass
from functools import cache, cached_property

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Generator, Tensor

from groundwave.signal.bits import draw_bytes, shift_register
from groundwave.signal.constellation import psk, square_qam
from groundwave.signal.ofdm import Numerology

_ORDERS = (4, 16, 64)


@dataclass(frozen=True, eq=False)
class Layout:
    """What a system puts where; tables over `[types, subcarriers]`, a subcarrier having at most one of them.

    Args:
        numerology: the sizes.
        data: elements that carry data when their block is scheduled.
        pilots: reference elements of random QPSK, sent when their block is scheduled.
        always: reference elements of random QPSK that are sent in any case.
        known: fixed values, sent in any case.
        order: the type of each symbol of a frame, `[cells, symbols]`.
        num_blocks: resource blocks, scheduled at random; 1: the whole band, always.
        boost: amplitude of pilots relative to data.
    """

    numerology: Numerology
    data: Int[Tensor, "types subcarriers"]
    pilots: Int[Tensor, "types subcarriers"]
    always: Int[Tensor, "types subcarriers"]
    known: Complex[Tensor, "types subcarriers"]
    order: Int[Tensor, "cells symbols"]
    num_blocks: int = 1
    boost: float = 1.0

    @cached_property
    def block(self) -> Int[Tensor, " subcarriers"]:
        """Return the resource block of each subcarrier, carrier (if empty) left to the block below it."""
        width = self.numerology.num_subcarriers
        used = torch.arange(width) - ((torch.arange(width) >= -self.numerology.lowest) & (width % 2 == 1)).long()
        return (used * self.num_blocks).div(width - width % 2, rounding_mode="floor").clamp(max=self.num_blocks - 1)


@cache
def _alphabet(boost: float) -> Complex[Tensor, " sections"]:
    """Return sections of 256 points: silence, pilots, then each data constellation, repeated to fill its section."""
    turn = complex(math.cos(math.pi / 4), math.sin(math.pi / 4))
    qpsk = psk(4) * turn
    sections = [torch.zeros(1, dtype=torch.complex64), boost * qpsk, qpsk, *map(square_qam, _ORDERS[1:])]
    return torch.cat([points.repeat(256 // len(points)) for points in sections])


def draw_scheduled(num_records: int, num_blocks: int, *, generator: Generator) -> Bool[Tensor, "records blocks"]:
    """Draw which resource blocks carry data: a load between 0.3 and 1 for each record, at least one block."""
    draw = torch.rand((num_records, num_blocks + 1), generator=generator, device=generator.device)
    load, chance = 0.3 + 0.7 * draw[:, :1], draw[:, 1:]
    return chance <= torch.maximum(load, chance.amin(1, keepdim=True))


def draw_grid(
    layout: Layout, first_symbol: Int[Tensor, " records"], num_symbols: int, *, generator: Generator
) -> Complex[Tensor, "records symbols subcarriers"]:
    """Draw resource grids whose symbols have unit mean power once modulated.

    `first_symbol` is the place in the frame. Each record draws its cell, its load and its data constellation (QPSK,
    16QAM or 64QAM).
    """
    device, num_records = first_symbol.device, len(first_symbol)
    kind = draw_kinds(layout, first_symbol, num_symbols, generator=generator)
    on = draw_scheduled(num_records, layout.num_blocks, generator=generator)[:, None, layout.block.to(device)]
    grid = fill(layout, kind, on, generator=generator)
    norm = torch.linalg.vector_norm(torch.view_as_real(grid), dim=(1, 2, 3))
    return grid.mul_((math.sqrt(num_symbols * layout.numerology.num_fft) / norm)[:, None, None])


def draw_kinds(
    layout: Layout, first_symbol: Int[Tensor, " records"], num_symbols: int, *, generator: Generator
) -> Int[Tensor, "records symbols"]:
    """Draw a cell for each record; return the types of its symbols from `first_symbol` of the frame on."""
    cells, length = layout.order.shape
    cell = torch.randint(cells, (len(first_symbol), 1), generator=generator, device=generator.device)
    symbol = (first_symbol[:, None] + torch.arange(num_symbols, device=first_symbol.device)).remainder(length)
    return layout.order.to(first_symbol.device)[cell, symbol]


def fill(
    layout: Layout,
    kind: Int[Tensor, "records symbols"],
    scheduled: Bool[Tensor, "records #symbols subcarriers"],
    *,
    generator: Generator,
) -> Complex[Tensor, "records symbols subcarriers"]:
    """Draw what the elements of symbols of given types carry, data of unit mean power where they are scheduled.

    Each record draws its data constellation: QPSK, 16QAM or 64QAM.
    """
    device, num_records = kind.device, len(kind)
    section = torch.randint(2, 2 + len(_ORDERS), (num_records, 1, 1), generator=generator, device=generator.device)
    tables = (layout.data, layout.pilots, layout.always, layout.known)
    data, pilots, always, known = (t.to(device)[kind] for t in tables)
    # all in int32: an operation on mixed types is several times slower
    which = (data * section.int()).add_(pilots).mul_(scheduled.int()).add_(always)
    number = draw_bytes(*which.shape, generator=generator).int()
    grid = _alphabet(layout.boost).to(device).index_select(0, which.mul_(256).add_(number).flatten()).view(which.shape)
    return grid.add_(known)


def _tables(num_types: int, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return data everywhere, and empty tables of pilots, of what is always sent, and of known values."""
    shape = (num_types, width)
    data, empty = torch.ones(shape, dtype=torch.int32), torch.zeros(shape, dtype=torch.int32)
    return data, empty, empty.clone(), torch.zeros(shape, dtype=torch.complex64)


def pilot_polarity() -> Float[Tensor, "127"]:
    """Return the signs of the pilots of consecutive 802.11 symbols (IEEE 802.11-2020, eq. 17-25)."""
    return 1.0 - 2.0 * shift_register((4, 7), (0, 0, 0, 0, 1, 1, 1), 127).float()


@cache
def wifi() -> Layout:
    """Return 802.11a data symbols: 52 of 64 subcarriers, pilots at -21, -7, 7, 21 (IEEE 802.11-2020, 17.3.5)."""
    numerology = Numerology(64, 53, -26, (16,), 312.5e3)
    data, pilots, always, known = _tables(2, 53)
    places = 26 + torch.tensor([-21, -7, 7, 21])
    data[:, places] = data[:, 26] = 0
    known[:, places] = torch.tensor([[1.0], [-1.0]]) * torch.tensor([1.0, 1.0, 1.0, -1.0]) + 0j
    order = (pilot_polarity() < 0).long()[None]
    return Layout(numerology, data, pilots, always, known, order)


@cache
def wifi_ht(channel_mhz: int) -> Layout:
    """Return 802.11n data symbols: 56 of 64 subcarriers in 20 MHz, 114 of 128 in 40 MHz (IEEE 802.11-2020, 19.3)."""
    edge, empty, pilots_at = {20: (28, 0, (7, 21)), 40: (58, 1, (11, 25, 53))}[channel_mhz]
    num_fft = 64 * channel_mhz // 20
    data, pilots, always, known = _tables(1, 2 * edge + 1)
    data[0, edge - empty : edge + empty + 1] = 0
    places = torch.tensor([edge + sign * at for sign in (-1, 1) for at in pilots_at])
    data[0, places], always[0, places] = 0, 1
    sizes = Numerology(num_fft, 2 * edge + 1, -edge, (num_fft // 4,), 312.5e3)
    return Layout(sizes, data, pilots, always, known, torch.zeros(1, 1, dtype=torch.long))


def zadoff_chu_pss(identity: int) -> Complex[Tensor, "62"]:
    """Return the primary synchronisation signal of LTE for N_ID2 in 0, 1, 2 (3GPP TS 36.211, 6.11.1.1)."""
    root = (25, 29, 34)[identity]
    n = torch.arange(62, dtype=torch.float64)
    m = n + (n > 30)
    phase = -math.pi * (root * m * (m + 1)).remainder(126) / 63
    return torch.polar(torch.ones_like(phase), phase).to(torch.complex64)


def scalable_prefixes(num_fft: int, numerology: int) -> tuple[int, ...]:
    """Return the normal cyclic prefixes of half a millisecond (TS 38.211, 5.3.1; TS 36.211, 6.12 is numerology 0)."""
    short = 144 * num_fft // 2048
    extra = 16 * num_fft * 2**numerology // 2048
    return (short + extra, *([short] * (7 * 2**numerology - 1)))


LTE_BLOCKS = {"1.4": 6, "3": 15, "5": 25, "10": 50, "15": 75, "20": 100}  # TS 36.101, table 5.6-1
LTE_FFT = {"1.4": 128, "3": 256, "5": 512, "10": 1024, "15": 1536, "20": 2048}


@cache
def lte(bandwidth_mhz: str, broadcast: bool = False) -> Layout:
    """Return an LTE downlink of one antenna port, normal cyclic prefix (3GPP TS 36.211, 6.10.1, 6.11).

    Cells 0 to 5 differ in the places of the reference signals and in the synchronisation signals; the values of the
    reference signals and of the secondary synchronisation signal are drawn. `broadcast` adds the broadcast channel
    (6.6.4) to the centre of the first four symbols of slot 1, sent in any case as the synchronisation signals are.
    """
    blocks, num_fft = LTE_BLOCKS[bandwidth_mhz], LTE_FFT[bandwidth_mhz]
    width, half = 12 * blocks + 1, 6 * blocks
    data, pilots, always, known = _tables(18 if broadcast else 11, width)
    # 0: plain, 1-6: reference, 7-9: primary, 10: secondary, 11-17: as 0-6 but for the broadcast channel
    used = torch.cat([torch.arange(half), torch.arange(half + 1, width)])  # the carrier is left empty
    data[:, half] = 0
    for shift in range(6):
        data[1 + shift, used[shift::6]], always[1 + shift, used[shift::6]] = 0, 1
    centre = used[half - 36 : half + 36]
    data[7:11, centre] = 0
    for identity in range(3):
        known[7 + identity, centre[5:-5]] = zadoff_chu_pss(identity)
    always[10, centre[5:-5]] = 1
    order = torch.zeros(6, 20, 7, dtype=torch.long)
    cell = torch.arange(6)
    order[:, :, 0], order[:, :, 4] = 1 + cell[:, None], 1 + (cell[:, None] + 3) % 6
    order[:, ::10, 6], order[:, ::10, 5] = 7 + cell[:, None] % 3, 10
    if broadcast:
        data[11:], always[11:] = data[:7], always[:7]
        data[11:, centre], always[11:, centre] = 0, 1
        order[:, 1, :4] += 11
    sizes = Numerology(num_fft, width, -half, scalable_prefixes(num_fft, 0), 15e3)
    return Layout(sizes, data, pilots, always, known, order.flatten(1), blocks)


NR_WIDTHS = {  # TS 38.101-1, table 5.3.2-1: resource blocks by spacing in kHz and channel in MHz
    15: {5: 25, 10: 52, 15: 79, 20: 106, 25: 133, 30: 160, 40: 216, 50: 270},
    30: {5: 11, 10: 24, 15: 38, 20: 51, 25: 65, 30: 78, 40: 106, 50: 133, 60: 162, 80: 217, 100: 273},
    60: {10: 11, 15: 18, 20: 24, 25: 31, 30: 38, 40: 51, 50: 65, 60: 79, 80: 107, 100: 135},
}
NR_BLOCKS = {15: NR_WIDTHS[15][10], 30: NR_WIDTHS[30][40], 60: NR_WIDTHS[60][40]}
NR_FFT = {15: 1024, 30: 2048, 60: 1024}


def nr_pss(identity: int) -> Float[Tensor, "127"]:
    """Return the primary synchronisation signal of NR for N_ID2 in 0, 1, 2 (3GPP TS 38.211, 7.4.2.2)."""
    x = shift_register((3, 7), (0, 1, 1, 0, 1, 1, 1), 127).float()
    return 1.0 - 2.0 * x.roll(-43 * identity)


@cache
def nr(spacing_khz: int) -> Layout:
    """Return the NR downlink of `NR_BLOCKS` with one synchronisation block a frame."""
    return nr_carrier(spacing_khz, NR_BLOCKS[spacing_khz], NR_FFT[spacing_khz])


@cache
def nr_carrier(spacing_khz: int, blocks: int, num_fft: int, num_beams: int = 1, period_ms: int = 10) -> Layout:
    """Return an NR downlink: type 1 DMRS in symbols 2 and 11, bursts of synchronisation blocks (TS 38.211, 7.4).

    The three cells differ in the primary synchronisation signal. DMRS take every second subcarrier of scheduled blocks
    with twice the power, the others of that symbol are empty. A burst of `num_beams` blocks comes every `period_ms`,
    two a slot from its symbols 2 and 8 on (TS 38.213, 4.1, cases A and C). A carrier below 20 blocks has none.
    """
    width, numerology = 12 * blocks, int(math.log2(spacing_khz // 15))
    data, pilots, always, known = _tables(7, width)  # 0: plain, 1: DMRS, 2-4: primary, 5: broadcast, 6: secondary
    data[1], pilots[1, ::2] = 0, 1
    order = torch.zeros(3, period_ms * 2**numerology, 14, dtype=torch.long)
    order[:, :, (2, 11)] = 1
    if blocks >= 20:
        centre = torch.arange(width // 2 - 120, width // 2 + 120)
        data[2:, centre] = 0
        for identity in range(3):
            known[2 + identity, centre[56:183]] = nr_pss(identity) + 0j
        always[5, centre] = 1
        always[6, centre[torch.cat([torch.arange(48), torch.arange(56, 183), torch.arange(192, 240)])]] = 1
        for beam in range(num_beams):
            slot, first = beam // 2, (2, 8)[beam % 2]
            order[:, slot, first : first + 4] = torch.tensor([[2 + cell, 5, 6, 5] for cell in range(3)])
    sizes = Numerology(num_fft, width, -width // 2, scalable_prefixes(num_fft, numerology), spacing_khz * 1e3)
    return Layout(sizes, data, pilots, always, known, order.flatten(1), blocks, math.sqrt(2))


_CONTINUAL: tuple[int, ...] = (0, 48, 54, 87, 141, 156, 192, 201, 255, 279, 282, 333, 432, 450, 483, 525, 531, 618)
_CONTINUAL += (636, 714, 759, 765, 780, 804, 873, 888, 918, 939, 942, 969, 984, 1050, 1101, 1107, 1110, 1137, 1140)
_CONTINUAL += (1146, 1206, 1269, 1323, 1377, 1491, 1683, 1704)
_SIGNALLING = (34, 50, 209, 346, 413, 569, 595, 688, 790, 901, 1073, 1219, 1262, 1286, 1469, 1594, 1687)


@cache
def dvb_t() -> Layout:
    """Return DVB-T in mode 2K with guard interval 1/8 (ETSI EN 300 744, 4.4 and 4.5): pilots at 4/3 amplitude."""
    numerology = Numerology(2048, 1705, -852, (256,), 64e6 / 7 / 2048)
    data, pilots, always, known = _tables(4, 1705)
    prbs = 1.0 - 2.0 * shift_register((9, 11), (1,) * 11, 1705).float()
    for phase in range(4):  # scattered pilots move by three subcarriers a symbol
        places = torch.cat([torch.arange(3 * phase, 1705, 12), torch.tensor(_CONTINUAL)])
        known[phase, places] = 4 / 3 * prbs[places] + 0j
        signalling = torch.tensor(_SIGNALLING)
        known[phase, signalling] = prbs[signalling] + 0j
        data[phase] = (known[phase] == 0).int()
    return Layout(numerology, data, pilots, always, known, torch.arange(4)[None])
