"""The four causes of domain shift, each a set of knobs: hardware, environment, mobility, interference."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record
from groundwave.errors import lookup
from groundwave.rng import generator as make_generator
from groundwave.scenes.interferers import INTERFERERS
from groundwave.scenes.knobs import check_surroundings, require
from groundwave.signal.doppler import SPECTRA
from groundwave.signal.frontend import FrontEnd, FrontEndDraw
from groundwave.signal.grades import GRADES
from groundwave.signal.interference import add_interferer
from groundwave.signal.multipath import Paths, draw_paths, margin, propagate
from groundwave.signal.noise import unit_power
from groundwave.signal.profiles import PROFILES, Profile


@dataclass(frozen=True)
class Domain:
    """Where and with what records are made; the defaults are ideal radios side by side in free space.

    Args:
        num_devices: radios, one of which sends and receives each record; 0: ideal ones.
        severity: how bad the radios are: 0 ideal, 1 as their grade says.
        grade: `cheap` or `lab`.
        device_seed: another seed is another batch of radios.
        environment: a channel profile, such as `TDL-A` or `rician`; `none`: free space.
        delay_spread_s: rms delay spread of profiles that leave it open.
        doppler_hz: largest Doppler shift; 0: nothing moves.
        doppler_spectrum: `jakes`, `flat` or `gaussian`.
        interference: `co-channel`, `adjacent`, `impulsive`, `sweep` or `tone`; `none`: a clear band.
        sir_db: lowest and highest signal-to-interference ratio, uniform in decibels. The SNR does not count it.
        carrier_hz: turns parts per million into hertz.
        sample_rate_hz: turns seconds and hertz into samples and cycles per sample.

    Raises:
        GroundwaveError: a setting that cannot be.
    """

    num_devices: int = 0
    severity: float = 1.0
    grade: str = "cheap"
    device_seed: int = 0
    environment: str = "none"
    delay_spread_s: float = 1e-6
    doppler_hz: float = 0.0
    doppler_spectrum: str = "jakes"
    interference: str = "none"
    sir_db: tuple[float, float] = (0.0, 20.0)
    carrier_hz: float = 1e9
    sample_rate_hz: float = 1e6

    def __post_init__(self) -> None:
        low, high = self.sir_db
        require(
            ("num_devices", self.num_devices, self.num_devices >= 0, "no less than 0"),
            ("severity", self.severity, 0 <= self.severity < math.inf, "a finite number, no less than 0"),
            ("sir_db", self.sir_db, -math.inf < low <= high < math.inf, "lowest, then highest, both finite"),
            ("carrier_hz", self.carrier_hz, 0 < self.carrier_hz < math.inf, "a positive number"),
            *check_surroundings(self.environment, self.delay_spread_s, self.doppler_hz, self.sample_rate_hz),
        )
        lookup(GRADES, self.grade, "grade")
        lookup(SPECTRA, self.doppler_spectrum, "Doppler spectrum")
        self.passage(1, 1, generator=make_generator(0))  # the physics refuses whatever else is wrong

    @cached_property
    def radios(self) -> FrontEnd | None:
        """The stacked radios; None where they are ideal."""
        if not self.num_devices:
            return None
        return FrontEnd.of(self.device_seed, self.num_devices, severity=self.severity, grade=self.grade)

    @cached_property
    def profile(self) -> Profile | None:
        """The channel's profile; None in free space."""
        return None if self.environment == "none" else lookup(PROFILES, self.environment, "environment")

    def passage(self, num_records: int, num_samples: int, *, generator: Generator) -> "Passage":
        """Draw radios and channels for records of `num_samples`."""
        radios, device, paths = None, None, None
        received = num_samples
        if self.radios is not None:
            device = torch.randint(len(self.radios), (num_records,), generator=generator, device=generator.device)
            radios = self.radios.draw(
                device,
                num_samples,
                carrier_hz=self.carrier_hz,
                sample_rate_hz=self.sample_rate_hz,
                generator=generator,
            )
            received += self.radios.margin(num_samples, self.sample_rate_hz)
        needed = received
        if self.profile is not None:
            spread = self.delay_spread_s if self.profile.normalised else None
            paths = draw_paths(
                self.profile,
                num_records,
                received,
                sample_rate_hz=self.sample_rate_hz,
                delay_spread_s=spread,
                doppler_hz=self.doppler_hz,
                spectrum=self.doppler_spectrum,
                generator=generator,
            )
            needed += margin(self.profile, sample_rate_hz=self.sample_rate_hz, delay_spread_s=spread)
        interferer, sir_db = None, None
        if self.interference != "none":
            interfere = lookup(INTERFERERS, self.interference, "interference")
            low, high = self.sir_db
            sir_db = low + (high - low) * torch.rand(num_records, generator=generator, device=generator.device)
            interferer = interfere(num_records, num_samples, generator)
        return Passage(device, radios, paths, interferer, sir_db, needed)


@dataclass(frozen=True)
class Passage:
    """A draw of a domain for a batch: what happens to its records between modulator and file.

    Args:
        device: the radio of each record; None for ideal ones.
        radios: what they do to each record.
        paths: the channel of each record; None in free space.
        interferer: what else the receiver hears during each record; None for nothing.
        sir_db: how far the record is above it.
        num_sent: samples that `transfer` takes in.
    """

    device: Tensor | None
    radios: FrontEndDraw | None
    paths: Paths | None
    interferer: Tensor | None
    sir_db: Tensor | None
    num_sent: int

    def transfer(self, x: Tensor) -> Tensor:
        """Send records `[batch, num_sent]` of any level; returns what the receiver has of them, without noise."""
        x = unit_power(x)
        if self.radios is not None:
            x = self.radios.transmit(x)
        if self.paths is not None:
            x = propagate(x, self.paths)
        return x if self.radios is None else self.radios.receive(x)

    def disturb(self, x: Tensor) -> Tensor:
        """Add the interference to noise-free records."""
        if self.interferer is None or self.sir_db is None:
            return x
        return add_interferer(x, self.interferer, self.sir_db)

    def digitise(self, x: Tensor) -> Tensor:
        """Pass what was received, noise and interference included, through the converters."""
        return x if self.radios is None else self.radios.digitise(x)

    def drawn(self) -> Record:
        """Return everything that was drawn for each record, by name."""
        found: Record = {}
        if self.radios is not None and self.device is not None:
            found |= {"device": self.device, "ppm": self.radios.ppm, "phase_rad": self.radios.phase_rad}
            found |= {"clock_delay": self.radios.delay, "agc_start": self.radios.agc_start}
        if self.paths is not None:
            found |= {"path_gains": self.paths.gains}
            found |= {"path_delays": self.paths.delays.expand(len(self.paths.gains), -1)}
        if self.interferer is not None and self.sir_db is not None:
            found |= {"interferer": self.interferer, "sir_db": self.sir_db}
        return found


IDEAL = Domain()
