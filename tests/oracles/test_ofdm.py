"""OFDM against a sum of exponentials in NumPy, and the numbers of the standards, typed from them."""

import math

import numpy as np
import pytest
import torch

from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.multicarrier import MULTICARRIER
from groundwave.signal import grids, ofdm
from groundwave.signal.constellation import psk
from groundwave.signal.filters import upsample

SYSTEMS = {
    "802.11a": grids.wifi(),
    **{f"LTE-{name}": grids.lte(name) for name in grids.LTE_BLOCKS},
    **{f"NR-{spacing}": grids.nr(spacing) for spacing in grids.NR_BLOCKS},
    "DVB-T": grids.dvb_t(),
}
SMALL = ofdm.Numerology(16, 11, -5, (4, 2, 3), 1.0)

# Prefixes of a slot at the rate of the FFT. LTE: TS 36.211 table 6.12-1 (160 and 144 Ts at 30.72 MHz). NR: TS 38.211
# 5.3.1 (144 kappa 2^-mu, 16 kappa more for the first symbol of each half subframe, kappa = 64 Tc).
PREFIXES = {
    "802.11a": [16],
    "LTE-1.4": [10] + 6 * [9],
    "LTE-3": [20] + 6 * [18],
    "LTE-5": [40] + 6 * [36],
    "LTE-10": [80] + 6 * [72],
    "LTE-15": [120] + 6 * [108],
    "LTE-20": [160] + 6 * [144],
    "NR-15": [80] + 6 * [72],
    "NR-30": [176] + 13 * [144],
    "NR-60": [104] + 27 * [72],
    "DVB-T": [256],
}
# Rate and width of the occupied subcarriers in MHz: 802.11 17.3.9.3 (52 of 312.5 kHz and the carrier), TS 36.101
# table 5.6-1 (N_RB times 180 kHz, and the carrier), TS 38.101-1 table 5.3.2-1, EN 300 744 table 1.
WIDTHS = {
    "802.11a": (20.0, 16.5625),
    "LTE-1.4": (1.92, 1.095),
    "LTE-3": (3.84, 2.715),
    "LTE-5": (7.68, 4.515),
    "LTE-10": (15.36, 9.015),
    "LTE-15": (23.04, 13.515),
    "LTE-20": (30.72, 18.015),
    "NR-15": (15.36, 9.36),
    "NR-30": (61.44, 38.16),
    "NR-60": (61.44, 36.72),
    "DVB-T": (64 / 7, 7.61),
}


def grid_of(sizes: ofdm.Numerology, num_symbols: int) -> torch.Tensor:
    labels = torch.randint(4, (2, num_symbols, sizes.num_subcarriers), generator=generator(0, "grid"))
    return psk(4)[labels]


def slow_symbol(row: np.ndarray, sizes: ofdm.Numerology, prefix: int) -> np.ndarray:
    """Add up the subcarriers of a symbol, one exponential each, from its prefix on."""
    n = np.arange(-prefix, sizes.num_fft)
    k = sizes.lowest + np.arange(sizes.num_subcarriers)
    return (row[:, None] * np.exp(2j * np.pi * k[:, None] * n / sizes.num_fft)).sum(0) / math.sqrt(sizes.num_fft)


def test_modulation_equals_its_slow_twin():
    grid = grid_of(SMALL, 6)
    slow = [slow_symbol(grid[0, k].numpy(), SMALL, (4, 2, 3)[(k + 1) % 3]) for k in range(6)]
    np.testing.assert_allclose(ofdm.modulate(grid, SMALL, first_symbol=1)[0].numpy(), np.concatenate(slow), atol=1e-5)
    with pytest.raises(AssertionError, match="Mismatched"):  # a pattern of prefixes that begins elsewhere is caught
        np.testing.assert_allclose(ofdm.modulate(grid, SMALL, 0)[0].numpy(), np.concatenate(slow), atol=1e-5)


@pytest.mark.parametrize("name", SYSTEMS)
def test_subcarriers_are_orthogonal(name):
    sizes = SYSTEMS[name].numerology
    grid = grid_of(sizes, 9)
    got = ofdm.demodulate(ofdm.modulate(grid, sizes, 3), sizes, 9, 3)
    torch.testing.assert_close(got, grid, atol=1e-4, rtol=0)


WRONG = {
    "prefix": ofdm.Numerology(1024, 624, -312, (72,), 15e3),
    "transform": ofdm.Numerology(1023, 624, -312, (80, *[72] * 6), 15e3),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_orthogonality_check_catches_a_receiver_with_another(wrong):
    sizes = SYSTEMS["NR-15"].numerology
    grid = grid_of(sizes, 9)
    got = ofdm.demodulate(ofdm.modulate(grid, sizes), wrong, 9)
    assert (got - grid)[:, -1].abs().square().mean() > 0.1


@pytest.mark.parametrize("name", SYSTEMS)
def test_prefix_is_a_copy_of_the_end(name):
    sizes = SYSTEMS[name].numerology
    x = ofdm.modulate(grid_of(sizes, 8), sizes)
    begin = 0
    for k in range(8):
        prefix = sizes.prefixes[k % len(sizes.prefixes)]
        torch.testing.assert_close(x[:, begin : begin + prefix], x[:, begin + sizes.num_fft :][:, :prefix])
        begin += prefix + sizes.num_fft
    assert begin == x.shape[1]


@pytest.mark.parametrize("name", SYSTEMS)
def test_prefixes_and_rate_are_those_of_the_standard(name):
    sizes = SYSTEMS[name].numerology
    assert list(sizes.prefixes) == PREFIXES[name]
    np.testing.assert_allclose(sizes.sample_rate_hz / 1e6, WIDTHS[name][0], rtol=1e-9)


@pytest.mark.parametrize("name", [name for name in SYSTEMS if name[:2] in ("LT", "NR")])
def test_slots_last_half_a_millisecond(name):
    sizes = SYSTEMS[name].numerology
    assert sizes.period / sizes.sample_rate_hz == 0.5e-3  # 15,360 Ts
    assert SYSTEMS[name].order.shape[1] / len(sizes.prefixes) == 20  # a frame of 10 ms


def test_stretch_is_a_piece_of_the_whole():
    grid, start = grid_of(SMALL, 8), torch.tensor([0, 21])  # the second begins one sample into symbol 1
    whole = ofdm.modulate(grid[:1], SMALL)
    torch.testing.assert_close(ofdm.stretch(grid, SMALL, start, 90)[0], whole[0, :90])
    later = ofdm.modulate(grid[1:], SMALL, first_symbol=1)
    torch.testing.assert_close(ofdm.stretch(grid, SMALL, start, 90)[1], later[0, 1:91])


@pytest.mark.parametrize("num_samples", [1, 2, 18, 19, 200])
def test_enough_symbols_are_drawn_for_any_stretch(num_samples):
    num = SMALL.num_symbols(num_samples)
    start = torch.arange(SMALL.period)
    grid = torch.ones(len(start), num, 11, dtype=torch.complex64)
    assert ofdm.stretch(grid, SMALL, start, num_samples).shape == (len(start), num_samples)


@pytest.mark.parametrize("name", ["802.11a", "LTE-1.4", "DVB-T"])
@pytest.mark.parametrize("factor", [2, 5])
def test_grids_survive_the_change_of_rate(name, factor):
    sizes = SYSTEMS[name].numerology
    grid, taps = grid_of(sizes, 3), ofdm.image_filter(sizes, factor)
    span, half_prefix = len(taps) // factor, min(sizes.prefixes) // 2
    x = torch.nn.functional.pad(ofdm.modulate(grid, sizes), (span + half_prefix, span))
    decimated = upsample(x, taps, factor)[:, ::factor]
    # output 0 lies span - 1 inputs in, less the filter's delay; we open the windows half a prefix early (the padding)
    begin = 1 + (len(taps) - 1) / 2 / factor
    lead = math.ceil(begin)
    k = sizes.lowest + torch.arange(sizes.num_subcarriers)
    turn = torch.exp(2j * torch.pi * k * (half_prefix + begin - lead) / sizes.num_fft)
    error = (ofdm.demodulate(decimated[:, lead:], sizes, 3) * turn - grid).abs().square().mean().sqrt()
    assert error < 0.01


def occupied_fraction(name: str) -> float:
    """Return the width of the mean spectrum above a tenth of its middle, as a fraction of the critical rate."""
    x = MULTICARRIER[name](256, 4096, Air(4), generator(0, name))
    spectrum = torch.fft.fft(x * torch.hann_window(4096)).abs().square().mean(0)
    smooth = spectrum.reshape(-1, 8).mean(1)
    return float((smooth > 0.1 * smooth[2:50].median()).double().mean()) * 4


@pytest.mark.parametrize("name", SYSTEMS)
def test_occupied_bandwidth_is_the_standards(name):
    rate, width = WIDTHS[name]
    np.testing.assert_allclose(occupied_fraction(name), width / rate, atol=0.02)


def test_bandwidth_check_catches_a_system_without_guard_bands():
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(occupied_fraction("LTE-5"), WIDTHS["LTE-3"][1] / WIDTHS["LTE-3"][0], atol=0.02)


@pytest.mark.parametrize("name", SYSTEMS)
def test_symbols_of_a_grid_have_unit_power(name):
    layout = SYSTEMS[name]
    first = torch.randint(layout.order.shape[1], (64,), generator=generator(0, "first"))
    grid = grids.draw_grid(layout, first, 4, generator=generator(0, "draw"))
    x = ofdm.modulate(grid, layout.numerology)
    torch.testing.assert_close(x.abs().square().mean(), torch.tensor(1.0), atol=0.03, rtol=0)


VARIANTS = {
    "802.11n-20": grids.wifi_ht(20),
    "802.11n-40": grids.wifi_ht(40),
    "LTE-5-broadcast": grids.lte("5", broadcast=True),
    "NR-15-beams": grids.nr_carrier(15, 25, 512, num_beams=4, period_ms=20),
}


def test_wifi_4_has_the_standards_subcarriers():
    for channel_mhz, num_data, pilots in ((20, 52, [7, 21]), (40, 108, [11, 25, 53])):
        layout = grids.wifi_ht(channel_mhz)
        lowest = layout.numerology.lowest
        assert int(layout.data.sum()) == num_data  # IEEE 802.11-2020, table 19-6
        assert (layout.always[0].nonzero().flatten() + lowest).tolist() == [-k for k in pilots[::-1]] + pilots
        assert layout.numerology.sample_rate_hz == channel_mhz * 1e6
        assert layout.data[0, -lowest] == 0


@pytest.mark.parametrize("name", [*SYSTEMS, *VARIANTS])
def test_an_element_carries_one_thing(name):
    layout = {**SYSTEMS, **VARIANTS}[name]
    used = layout.data + layout.pilots + layout.always + (layout.known != 0)
    assert used.max() == 1
    assert layout.order.max() == len(used) - 1


def test_wifi_pilots_have_the_standards_polarity():
    # IEEE 802.11-2020, eq. 17-25, its first row
    first = [1, 1, 1, 1, -1, -1, -1, 1, -1, -1, -1, -1, 1, 1, -1, 1, -1, -1, 1, 1, -1, 1, 1, -1, 1]
    assert grids.pilot_polarity()[:25].tolist() == first
    assert grids.pilot_polarity().sum() == -1  # an m-sequence holds one 1 more than 0
    grid = grids.draw_grid(grids.wifi(), torch.zeros(1, dtype=torch.long), 5, generator=generator(0, "p"))
    pilots = grid[0][:, [26 - 21, 26 - 7, 26 + 7, 26 + 21]]
    torch.testing.assert_close((pilots / pilots.abs()).real[:, 0], torch.tensor(first[:5]).float())
    torch.testing.assert_close(pilots[:, 3], -pilots[:, 0])
    assert (grid[0][:, 26] == 0).all()


def test_lte_reference_signals_lie_six_subcarriers_apart():
    layout = grids.lte("5")
    for cell in range(6):
        for symbol, offset in ((0, cell), (4, (cell + 3) % 6)):
            places = layout.always[layout.order[cell, symbol]].nonzero().flatten()
            places = places - (places > 150).long()  # the carrier does not count
            assert (places == torch.arange(offset, 300, 6)).all()


def test_lte_synchronisation_signals_do_not_look_alike():
    signals = torch.stack([grids.zadoff_chu_pss(k) for k in range(3)])
    overlap = (signals @ signals.mH).abs() / 62
    torch.testing.assert_close(overlap.diagonal(), torch.ones(3))
    assert overlap.fill_diagonal_(0).max() < 0.4  # roots 25 and 34 differ by 9, a divisor of 63
    # TS 36.211 6.11.1.1 with u = 25, n = 1 and n = 31 (where the carrier has been skipped)
    np.testing.assert_allclose(signals[0, 1], np.exp(-1j * np.pi * 25 * 1 * 2 / 63), atol=1e-6)
    np.testing.assert_allclose(signals[0, 31], np.exp(-1j * np.pi * 25 * 32 * 33 / 63), atol=1e-6)


def test_nr_synchronisation_signals_are_shifts_of_an_m_sequence():
    signals = torch.stack([grids.nr_pss(k) for k in range(3)])
    overlap = signals @ signals.T
    torch.testing.assert_close(overlap, 128 * torch.eye(3) - 1)
    assert signals[0, :7].tolist() == [1, -1, -1, 1, -1, -1, -1]  # x(0) ... x(6) = 0 1 1 0 1 1 1


def test_dvb_t_pilots_are_those_of_the_standard():
    layout = grids.dvb_t()  # EN 300 744, 4.5: 45 continual pilots, 17 signalling carriers, 1512 for data
    boosted = (layout.known.abs() > 1.1).sum(1)
    assert (layout.data.sum(1) == 1512).all()
    assert (layout.known.abs() > 1.1).all(0).sum() == 45
    assert boosted.tolist() == [1705 - 17 - 1512] * 4


def test_resource_blocks_are_on_or_off_as_a_whole():
    layout = grids.lte("5")
    grid = grids.draw_grid(layout, torch.ones(50, dtype=torch.long), 1, generator=generator(0, "rb"))[:, 0]
    on = torch.cat([grid[:, :150], grid[:, 151:]], 1).abs().gt(0).unflatten(1, (25, 12))
    assert (on.all(2) | ~on.any(2)).all()
    assert 0.55 < on.float().mean() < 0.75  # loads between 0.3 and 1
    assert on.flatten(1).any(1).all()
