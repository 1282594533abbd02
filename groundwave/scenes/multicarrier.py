"""Orthogonal frequency division multiplexing with the sizes of real systems. The table `MULTICARRIER`."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Generator, Tensor

from groundwave.scenes.air import Air, Waveform
from groundwave.signal import grids, ofdm
from groundwave.signal.bursts import cut
from groundwave.signal.filters import upsample


def _ofdm(
    system: Callable[[], grids.Layout], num_records: int, num_samples: int, air: Air, generator: Generator
) -> Tensor:
    """Modulate at the critical rate what a record needs, then interpolate; the start within the frame is random."""
    layout, sps = system(), air.samples_per_symbol
    sizes = layout.numerology
    taps = ofdm.image_filter(sizes, sps)
    num_critical = (num_samples + len(taps)) // sps + 2
    draw = partial(torch.randint, size=(num_records,), generator=generator, device=generator.device)
    slot, start = draw(layout.order.shape[1] // len(sizes.prefixes)), draw(sizes.period)
    first = slot * len(sizes.prefixes) + ofdm.clock(sizes)[0].to(start.device)[start]
    grid = grids.draw_grid(layout, first, sizes.num_symbols(num_critical), generator=generator)
    x = upsample(ofdm.stretch(grid, sizes, start, num_critical), taps, sps)
    return cut(x, draw(sps), num_samples)


def _waveform(family: str, system: Callable[[], grids.Layout], text: str, source: str, bandwidth_hz: float) -> Waveform:
    return Waveform(family, partial(_ofdm, system), text, source, bandwidth_hz)


def _lte(bandwidth_mhz: str) -> Waveform:
    text = f"LTE downlink, {bandwidth_mhz} MHz, {grids.LTE_BLOCKS[bandwidth_mhz]} resource blocks"
    rate_hz = grids.LTE_FFT[bandwidth_mhz] * 15e3
    return _waveform("lte", partial(grids.lte, bandwidth_mhz), text, "3GPP TS 36.211, 6", rate_hz)


def _nr(spacing_khz: int) -> Waveform:
    text = f"NR downlink, {spacing_khz} kHz, {grids.NR_BLOCKS[spacing_khz]} resource blocks"
    rate_hz = grids.NR_FFT[spacing_khz] * spacing_khz * 1e3
    return _waveform("nr", partial(grids.nr, spacing_khz), text, "3GPP TS 38.211, 7.4", rate_hz)


MULTICARRIER: dict[str, Waveform] = {
    "802.11a": _waveform("wlan", grids.wifi, "OFDM WLAN, 52 of 64 subcarriers", "IEEE 802.11-2020, 17.3.5", 20e6),
    "LTE-1.4": _lte("1.4"),
    "LTE-3": _lte("3"),
    "LTE-5": _lte("5"),
    "LTE-10": _lte("10"),
    "LTE-15": _lte("15"),
    "LTE-20": _lte("20"),
    "NR-15": _nr(15),
    "NR-30": _nr(30),
    "NR-60": _nr(60),
    "DVB-T": _waveform("dvb", grids.dvb_t, "terrestrial TV, 2K, guard 1/8", "ETSI EN 300 744, 4.4", 64e6 / 7),
}
