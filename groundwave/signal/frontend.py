"""Front ends: whole radios, each a consistent set of imperfections fixed by a seed, and what they do to records.

    radios = FrontEnd.of(seed=7, num_devices=20, severity=0.5)
    draw = radios.draw(device, 1024, carrier_hz=2.4e9, sample_rate_hz=1e6, generator=g)  # device: one of 20 per record
    x = draw.transmit(x)  # filter, mixer, carrier leakage, amplifier
    x = draw.receive(channel(x))  # crystal, phase noise, mixer, filter, sampling clock
    x = draw.digitise(x + noise)  # gain control, DC offset, converter

A batch of records from many devices is one tensor operation: the devices lie stacked, and a draw picks a row for each
record. Give `transmit` enough samples more than wanted (`margin`); every filter keeps only what it fully reaches.
"""

import math
from dataclasses import dataclass, fields

import torch
from jaxtyping import Complex, Float, Int
from torch import Generator, Tensor

from groundwave.errors import GroundwaveError, lookup
from groundwave.rng import generator as make_generator
from groundwave.signal.amplifier import rapp, saturation_amplitude
from groundwave.signal.clock import REACH, clock_drift, draw_jitter, retime
from groundwave.signal.converter import agc, high_level, mean_power, quantise
from groundwave.signal.grades import GRADES, PHASE_NOISE_SHAPE, REFERENCE_CARRIER_HZ, Grade, Range
from groundwave.signal.impair import phase_ramp, phasor
from groundwave.signal.mixer import add_offset, apply_imbalance, offset, receive_imbalance, transmit_imbalance
from groundwave.signal.oscillators import draw_phase_noise, ppm_to_cycles
from groundwave.signal.ripple import apply_ripple, echo_taps

_ECHOES = 4  # of each filter's ripple: taps - 1
_CLIPPED = 0.001  # of the values of I and Q, at most
_SIGMAS = 6  # torch's normal float32 numbers stay below
_COLUMNS = 64  # uniform numbers per device, more than are dealt out


class _Chance:
    """Uniform numbers for each device, dealt out column by column."""

    def __init__(self, uniform: Tensor) -> None:
        self._columns = iter(uniform.unbind(1))

    def between(self, bounds: Range) -> Tensor:
        return bounds[0] + (bounds[1] - bounds[0]) * next(self._columns)

    def angle(self) -> Tensor:
        return self.between((0.0, 2 * math.pi))

    def ripple(self, ripple_db: Tensor) -> Tensor:
        shares = torch.stack([next(self._columns) for _ in range(_ECHOES)], -1)
        return echo_taps(shares, torch.stack([self.angle() for _ in range(_ECHOES)], -1), ripple_db)


def _crystal(chance: _Chance, ranges: Grade, severity: float) -> dict[str, Tensor]:
    return {
        "ppm": severity * chance.between(ranges.ppm),
        "wander_ppm": severity * chance.between(ranges.wander_ppm),
        "phase_noise": severity * 10 ** (chance.between(ranges.phase_noise_dbc) / 20),
        "jitter_s": severity * chance.between(ranges.jitter_s),
    }


def _transmitter(chance: _Chance, ranges: Grade, severity: float) -> dict[str, Tensor]:
    error = (severity * chance.between(ranges.imbalance_db), severity * chance.between(ranges.imbalance_deg))
    mu, nu = transmit_imbalance(*error)
    return {
        "tx_ripple": chance.ripple(severity * chance.between(ranges.ripple_db)),
        "tx_mu": mu,
        "tx_nu": nu,
        "leakage": severity * offset(chance.between(ranges.leakage_db), chance.angle()),
        "saturation": saturation_amplitude(chance.between(ranges.back_off_db)) / severity,
        "smoothness": chance.between(ranges.smoothness),
        "turn_rad": chance.between(ranges.am_pm_deg) * (math.pi / 180),
    }


def _receiver(chance: _Chance, ranges: Grade, severity: float) -> dict[str, Tensor]:
    error = (severity * chance.between(ranges.imbalance_db), severity * chance.between(ranges.imbalance_deg))
    mu, nu = receive_imbalance(*error)
    headroom = 10 ** (chance.between(ranges.headroom_db) / 20)
    bits = chance.between((float(ranges.bits[0]), ranges.bits[1] + 1.0)).floor()
    return {
        "rx_mu": mu,
        "rx_nu": nu,
        "rx_ripple": chance.ripple(severity * chance.between(ranges.ripple_db)),
        "agc_s": chance.between(ranges.agc_s) / severity,
        "agc_error_db": severity * chance.between(ranges.agc_error_db),
        "dc": severity * offset(chance.between(ranges.dc_db), chance.angle()),
        "step": severity * headroom * 2 ** (1 - bits),
        "full_scale": headroom / severity,
    }


@dataclass(frozen=True)
class FrontEnd:
    """Radios, one per row: fixed hardware that `of` draws from a grade's ranges.

    `severity` scales them all: amplitudes of errors are proportional to it, the amplifier's drive and the converter's
    step too; 0 is an ideal radio, 1 the grade as stated, more is worse. Crystal error and phase noise are those of a
    link: of the transmitter against the receiver, or the other way round; positive is a signal too high.
    """

    severity: float
    ppm: Float[Tensor, " device"]
    wander_ppm: Float[Tensor, " device"]
    phase_noise: Float[Tensor, " device"]  # amplitude relative to PHASE_NOISE_SHAPE at REFERENCE_CARRIER_HZ
    jitter_s: Float[Tensor, " device"]
    tx_ripple: Complex[Tensor, "device taps"]
    tx_mu: Complex[Tensor, " device"]
    tx_nu: Complex[Tensor, " device"]
    leakage: Complex[Tensor, " device"]
    saturation: Float[Tensor, " device"]
    smoothness: Float[Tensor, " device"]
    turn_rad: Float[Tensor, " device"]
    rx_mu: Complex[Tensor, " device"]
    rx_nu: Complex[Tensor, " device"]
    rx_ripple: Complex[Tensor, "device taps"]
    agc_s: Float[Tensor, " device"]
    agc_error_db: Float[Tensor, " device"]
    dc: Complex[Tensor, " device"]
    step: Float[Tensor, " device"]
    full_scale: Float[Tensor, " device"]

    @classmethod
    def of(cls, seed: int, num_devices: int = 1, *, severity: float = 1.0, grade: str = "cheap") -> "FrontEnd":
        """Draw the hardware of `num_devices` radios; device i is the same for any number of devices.

        Raises:
            GroundwaveError: `severity` is negative or not finite, `num_devices` below 1, or `grade` unknown.
        """
        if not (math.isfinite(severity) and severity >= 0):
            raise GroundwaveError(f"severity {severity}", "a finite number from 0 up", "use 0 for ideal, 1 for typical")
        if num_devices < 1:
            raise GroundwaveError(f"{num_devices} devices", "at least one", "ask for one device or more")
        ranges = lookup(GRADES, grade, "grade")
        chance = _Chance(torch.rand((num_devices, _COLUMNS), generator=make_generator(seed, "front end")))
        parts = (_crystal, _transmitter, _receiver)
        return cls(severity, **{k: v for part in parts for k, v in part(chance, ranges, severity).items()})

    def __len__(self) -> int:
        return len(self.ppm)

    def pick(self, device: Int[Tensor, " records"]) -> "FrontEnd":
        """Return the radios `device`, one row per record, where `device` lives."""
        rows = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "severity"}
        return type(self)(self.severity, **{name: values.to(device.device)[device] for name, values in rows.items()})

    def largest_drift(self, num_samples: int, sample_rate_hz: float) -> float:
        """Return the bound, in samples, on how far a device's clock may be off at either end of a record."""
        ppm = float((self.ppm.abs() + _SIGMAS * self.wander_ppm).max())
        jitter = float(_SIGMAS * self.jitter_s.max()) * sample_rate_hz
        return ppm * 1e-6 * num_samples / 2 + jitter

    def margin(self, num_samples: int, sample_rate_hz: float) -> int:
        """Return how many samples more than `num_samples` to give to `transmit`."""
        return 2 * _ECHOES + 2 * (REACH + math.floor(self.largest_drift(num_samples, sample_rate_hz)))

    def draw(
        self,
        device: Int[Tensor, " records"],
        num_samples: int,
        *,
        carrier_hz: float,
        sample_rate_hz: float,
        generator: Generator,
    ) -> "FrontEndDraw":
        """Draw what differs from record to record, for records of `num_samples` of the given devices."""
        largest = self.largest_drift(num_samples, sample_rate_hz)
        rows = self.pick(device.to(generator.device))
        wander, level_error = torch.randn((2, len(device)), generator=generator, device=generator.device)
        start = torch.rand(len(device), generator=generator, device=generator.device) * (2 * math.pi)
        ppm = rows.ppm + rows.wander_ppm * wander
        before_filters = num_samples + _ECHOES + 2 * (REACH + math.floor(largest))
        noise = draw_phase_noise(len(device), before_filters, PHASE_NOISE_SHAPE, sample_rate_hz, generator=generator)
        ramp = phase_ramp(ppm_to_cycles(ppm, carrier_hz, sample_rate_hz), before_filters)
        level = rows.phase_noise * (carrier_hz / REFERENCE_CARRIER_HZ)
        jitter = draw_jitter(rows.jitter_s * sample_rate_hz, num_samples, generator=generator)
        return FrontEndDraw(
            radio=rows,
            ppm=ppm,
            phase_rad=torch.addcmul(ramp + start[:, None], noise, level[:, None]),
            delay=clock_drift(ppm, num_samples) + jitter,
            largest_drift=largest,
            agc_samples=rows.agc_s * sample_rate_hz,
            agc_start=10 ** (rows.agc_error_db * level_error / 20),
        )


@dataclass(frozen=True)
class FrontEndDraw:
    """What front ends do to the records of a batch: the radio of each record and what chance adds to it."""

    radio: FrontEnd
    ppm: Float[Tensor, " records"]
    phase_rad: Float[Tensor, "records time"]
    delay: Float[Tensor, "records points"]
    largest_drift: float
    agc_samples: Float[Tensor, " records"]
    agc_start: Float[Tensor, " records"]

    def transmit(self, x: Complex[Tensor, "records time"]) -> Complex[Tensor, "records valid"]:
        """Send records of unit mean power: filter ripple, IQ imbalance, carrier leakage, amplifier."""
        radio = self.radio
        if not radio.severity:
            return x[:, _ECHOES // 2 : x.shape[-1] - _ECHOES // 2]
        y = apply_imbalance(apply_ripple(x, radio.tx_ripple), radio.tx_mu, radio.tx_nu)
        return rapp(add_offset(y, radio.leakage), radio.saturation, radio.smoothness, radio.turn_rad)

    def receive(self, x: Complex[Tensor, "records time"]) -> Complex[Tensor, "records points"]:
        """Receive: carrier offset and phase noise, IQ imbalance, filter ripple, sampling clock.

        The middle of `x` becomes the middle of the result, which is as long as the draw's records.
        """
        spare = x.shape[-1] - self.phase_rad.shape[-1]
        assert spare >= 0, f"receive needs {self.phase_rad.shape[-1]} samples, got {x.shape[-1]}"
        radio = self.radio
        if not radio.severity:
            cut = (x.shape[-1] - self.delay.shape[-1]) // 2
            return x[:, cut : cut + self.delay.shape[-1]]
        y = x[:, spare // 2 : spare // 2 + self.phase_rad.shape[-1]] * phasor(self.phase_rad)
        y = apply_ripple(apply_imbalance(y, radio.rx_mu, radio.rx_nu), radio.rx_ripple)
        return retime(y, self.delay, self.largest_drift)

    def digitise(self, x: Complex[Tensor, "records time"]) -> Complex[Tensor, "records time"]:
        """Digitise, noise included: gain control, DC offset, clipping and quantisation.

        The gain control aims at the grade's headroom over the rms amplitude, but turns down for what peaks higher, such
        as pulses: no more than a thousandth of the values clips. Values are referred to the receiver's input (divided
        by the gain at the mean level): power is kept.
        """
        radio = self.radio
        if not radio.severity:
            return x
        level = (mean_power(x) + torch.finfo(torch.float32).tiny).sqrt()
        y = add_offset(agc(x, self.agc_samples, level * self.agc_start), radio.dc)
        turned_down = (radio.full_scale / high_level(y, _CLIPPED)).clamp(max=1.0)
        digits = quantise(y * turned_down[:, None], radio.step, radio.full_scale)
        return digits * (level / turned_down)[:, None]
