"""Spread spectrum: direct sequence, code division, chirp spreading, frequency hopping. The table `SPREAD`."""

import math
from functools import partial

import torch
from torch import Generator, Tensor

from groundwave.scenes.air import Air, Waveform
from groundwave.signal import chirp, modulate, pulse, spread
from groundwave.signal.bursts import cut
from groundwave.signal.constellation import psk
from groundwave.signal.impair import oscillator

_SPAN = 16
_ROLLOFF = 0.35
_WALSH = 16
_USERS = 8
_CHANNELS = 8
_BITS_PER_HOP = 4
_HOPPING_INDEX = 0.32


def _draw(high: int, *size: int, generator: Generator) -> Tensor:
    return torch.randint(high, size, generator=generator, device=generator.device)


def _num_chips(num_samples: int, sps: int) -> int:
    """Return the chips that a record needs: what the pulse spans, and one more for its start within a chip."""
    return math.ceil(num_samples / sps) + _SPAN + 1


def _shape(chips: Tensor, num_samples: int, sps: int, generator: Generator) -> Tensor:
    """Put chips under their pulse and begin anywhere within a chip."""
    taps = pulse.root_raised_cosine(sps, _SPAN, _ROLLOFF)
    return cut(modulate.linear(chips, taps, sps), _draw(sps, len(chips), generator=generator), num_samples)


def _dsss(num_phases: int, num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    """Spread differential PSK by the Barker code of 802.11."""
    code = torch.tensor(spread.BARKER_80211, dtype=torch.float32, device=generator.device)
    num_chips = _num_chips(num_samples, air.samples_per_symbol)
    steps = _draw(num_phases, num_records, num_chips // len(code) + 2, generator=generator)
    chips = spread.differential(steps, num_phases, code)
    start = _draw(len(code), num_records, generator=generator)
    return _shape(cut(chips, start, num_chips), num_samples, air.samples_per_symbol, generator)


def _gps(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    """Send the C/A code of a random satellite, its data bits 20 codes long."""
    num_chips = _num_chips(num_samples, air.samples_per_symbol)
    codes = torch.stack([spread.gps_ca(k) for k in range(1, 33)]).to(generator.device)
    length, bit = codes.shape[1], 20 * codes.shape[1]
    position = _draw(bit, num_records, 1, generator=generator) + torch.arange(num_chips, device=generator.device)
    data = 2.0 * _draw(2, num_records, num_chips // bit + 2, generator=generator) - 1
    satellite = _draw(len(codes), num_records, 1, generator=generator)
    chips = codes.flatten()[satellite * length + position.remainder(length)]
    chips = chips * data.gather(1, position.div(bit, rounding_mode="floor"))
    return _shape(chips + 0j, num_samples, air.samples_per_symbol, generator)


def _cdma(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    """Add up eight users of unlike strength and scramble them by random QPSK (the standard's code is 38,400 chips)."""
    num_chips = _num_chips(num_samples, air.samples_per_symbol)
    num_symbols = num_chips // _WALSH + 2
    qpsk = (psk(4) * complex(1, 1) / math.sqrt(2)).to(generator.device)
    symbols = qpsk[_draw(4, num_records, _USERS, num_symbols, generator=generator)]
    chance = torch.rand((num_records, _WALSH), generator=generator, device=generator.device)
    strength = torch.rand((num_records, _USERS), generator=generator, device=generator.device) + 0.2
    strength = strength / strength.square().sum(1, keepdim=True).sqrt()
    chips = spread.code_division(symbols, chance.argsort(1)[:, :_USERS], strength, _WALSH)
    chips = cut(chips, _draw(_WALSH, num_records, generator=generator), num_chips)
    scrambling = qpsk[_draw(4, num_records, num_chips, generator=generator)]
    return _shape(chips * scrambling, num_samples, air.samples_per_symbol, generator)


def _lora(spreading_factor: int, num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    """Send random symbols, as in the payload of a packet, beginning anywhere within one."""
    length = air.samples_per_symbol << spreading_factor
    symbols = _draw(1 << spreading_factor, num_records, num_samples // length + 2, generator=generator)
    start = _draw(length, num_records, generator=generator)
    return chirp.lora_at(symbols, start, num_samples, spreading_factor, air.samples_per_symbol)


def _hopping(num_records: int, num_samples: int, air: Air, generator: Generator) -> Tensor:
    """Hop over eight channels every four bits of GFSK; a channel is as wide as the bit rate."""
    length = _CHANNELS * air.samples_per_symbol
    hop = _BITS_PER_HOP * length
    num_hops = num_samples // hop + 2
    taps = pulse.gaussian_frequency(length, 4, 0.5)
    levels = 2.0 * _draw(2, num_records, num_hops * _BITS_PER_HOP + 4, generator=generator) - 1
    channel = _draw(_CHANNELS, num_records, num_hops, generator=generator)
    centre = spread.channel_frequency(channel, _CHANNELS, 1 / air.samples_per_symbol)
    frequency = spread.hopping_frequency(levels, centre, taps, length, _HOPPING_INDEX)
    return oscillator(cut(frequency, _draw(hop, num_records, generator=generator), num_samples))


def _lora_waveform(spreading_factor: int, bandwidth_hz: float) -> Waveform:
    text = f"chirp spread spectrum, {2**spreading_factor} chips a symbol"
    return Waveform(
        "lora", partial(_lora, spreading_factor), text, "Vangelista 2017, eq. 2; Semtech AN1200.22", bandwidth_hz
    )


SPREAD: dict[str, Waveform] = {
    "DSSS-DBPSK": Waveform("dsss", partial(_dsss, 2), "Barker-11 WLAN, 1 Mbit/s", "IEEE 802.11-2020, 15.4.6", 11e6),
    "DSSS-DQPSK": Waveform("dsss", partial(_dsss, 4), "Barker-11 WLAN, 2 Mbit/s", "IEEE 802.11-2020, 15.4.6", 11e6),
    "GPS-CA": Waveform("gnss", _gps, "coarse acquisition code of a GPS satellite", "IS-GPS-200, 3.3.2.3", 1.023e6),
    "CDMA": Waveform("cdma", _cdma, "eight users on Walsh codes, scrambled", "after 3GPP TS 25.213, 5", 3.84e6),
    "LoRa-SF7": _lora_waveform(7, 125e3),
    "LoRa-SF9": _lora_waveform(9, 125e3),
    "LoRa-SF12": _lora_waveform(12, 125e3),
    "FHSS": Waveform(
        "hopping", _hopping, "GFSK hopping over 8 channels, 4 bits a hop", "Simon et al. 2001, part 1, 2.1"
    ),
}
