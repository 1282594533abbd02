"""Which beam a transmitter uses, told by what a receiver hears of it: after DeepBeam (Polese et al., 2021).

All beams send the same kind of signal. They differ by what the array makes of it on the way to the receiver: level,
and a frequency response from the elements' gains, phases, delays and amplifiers, from phase shifters of few bits, from
coupling, squint and the paths that the beam lights up. Much of that is of the hardware, so that a network that learns
one front-end does not know the next.
"""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record
from groundwave.errors import lookup
from groundwave.rng import generator
from groundwave.scenes.codebooks import CODEBOOKS
from groundwave.scenes.knobs import require
from groundwave.scenes.places import draw_places
from groundwave.signal.array import wideband_steering
from groundwave.signal.array_errors import ArrayErrors, coupling, draw_errors
from groundwave.signal.beam_link import (
    NUM_TAPS,
    applied_weights,
    link_taps,
    radiated,
    tap_frequencies,
    transmit,
)
from groundwave.signal.constellation import constellation
from groundwave.signal.impair import phasor, shift_frequency
from groundwave.signal.modulate import linear
from groundwave.signal.noise import noise_like, power
from groundwave.signal.pulse import root_raised_cosine
from groundwave.signal.ripple import draw_ripple

_SAMPLES_PER_SYMBOL, _SPAN, _ROLLOFF = 2, 16, 0.25
_CARRIER_PPM = 5.0  # carrier offset of a frame, uniform
_CONVERTER = 0.3  # noise behind the gain, over that before it, at the highest gain
_RIPPLE_DB = 1.0  # of a front-end's filter, which all its beams share
_SWAY_RAD = 0.2  # standard deviation of a path's phase from frame to frame


class Beams:
    """Records `iq` `[time]` of one transmit beam of a phased array, received with one fixed antenna.

    A block holds every beam at every gain from every front-end, `frames_per_cell` frames of `blocks_per_frame` records
    each. A frame is one transmission: its records share place, paths and oscillator, and are one `group`. `front_end`
    tells the transmitter, `gain_db` the receiver's gain, `place` and `distance_m` where the receiver was, `angle` in
    which direction it was from the transmitter. Errors of a front-end and places come from the seed alone: two scenes
    with one seed and other `front_ends` are the same room with other hardware.

    Args:
        codebook: a name in `CODEBOOKS`.
        front_ends: numbers of the front-ends; each has its own errors.
        severity: of the errors of elements, 0: all front-ends alike. At 1 an element is off by 1 dB, 12 degrees and
            25 ps (at 60 GHz), its phase shifter in each state by 0.5 dB and 6 degrees more (standard deviations). This
            and `snr_db` are set so that DeepBeam's network, half as wide and on blocks of 1024 samples, does about as
            on real antennas, where it is right in 86 % on the one that it learned and in 15 % on others: here in 81 and
            13 to 16 % (seed 0), in 92 and 5 % (seed 7). At 2, others are at 6 to 11 %.
        gains_db: of the receiver, which sets level and, by the converter's noise, SNR.
        snr_db: of an ideal beam that looks at a receiver a metre away, at the highest gain.
        num_places: where the receiver may be.
        distance_m: nearest and farthest place.
        azimuth_rad: leftmost and rightmost place, as the transmitter sees it.
        num_paths: the direct one and reflections.
        reflection_db: how much weaker than the direct path a reflection is on average.
        delay_spread_s: mean delay of reflections; none comes more than 64 samples late.
        coupling_db: what an element hears of another half a wavelength away.
        carrier_hz: for squint and delays.
        sample_rate_hz: of the records; the signal is QPSK at half this rate, with a rolloff of 0.25.
        num_samples: of a record.
        frames_per_cell: frames of each beam, gain and front-end in a block.
        blocks_per_frame: records cut from each frame, one after the other.
        provenance: tell what was drawn, as `drawn_...`.
        seed: another seed is another, independent scene with other front-ends and places.

    Raises:
        UnknownNameError: no such codebook.
        GroundwaveError: a setting that no record can have.
    """

    def __init__(
        self,
        *,
        codebook: str = "sibeam-24",
        front_ends: Sequence[int] = (0, 1, 2, 3),
        severity: float = 1.6,
        gains_db: Sequence[float] = (40.0, 50.0, 60.0),
        snr_db: float = 32.0,
        num_places: int = 1,
        distance_m: tuple[float, float] = (1.0, 1.0),
        azimuth_rad: tuple[float, float] = (-0.1, 0.1),
        num_paths: int = 4,
        reflection_db: float = 12.0,
        delay_spread_s: float = 3e-9,
        coupling_db: float = -20.0,
        carrier_hz: float = 60.48e9,
        sample_rate_hz: float = 3.072e9,
        num_samples: int = 2048,
        frames_per_cell: int = 1,
        blocks_per_frame: int = 1,
        provenance: bool = False,
        seed: int = 0,
    ) -> None:
        self.codebook = lookup(CODEBOOKS, codebook, "codebook")
        counts = {
            "num_places": num_places,
            "num_paths": num_paths,
            "num_samples": num_samples,
            "frames_per_cell": frames_per_cell,
            "blocks_per_frame": blocks_per_frame,
        }
        near, far = distance_m
        left, right = azimuth_rad
        require(
            ("front_ends", front_ends, 0 < len(set(front_ends)) == len(front_ends), "at least one, each once"),
            ("front_ends", front_ends, min(front_ends, default=0) >= 0, "numbers from 0"),
            ("severity", severity, 0 <= severity < math.inf, "a finite number, no less than 0"),
            ("gains_db", gains_db, 0 < len(set(gains_db)) == len(gains_db), "at least one, each once"),
            ("gains_db", gains_db, all(map(math.isfinite, gains_db)), "finite decibels"),
            ("snr_db", snr_db, math.isfinite(snr_db), "finite decibels"),
            *((name, value, value >= 1, "at least 1") for name, value in counts.items()),
            ("distance_m", distance_m, 0 < near <= far < math.inf, "nearest, then farthest, both positive"),
            ("azimuth_rad", azimuth_rad, -math.pi / 2 < left <= right < math.pi / 2, "left, then right, both in front"),
            ("reflection_db", reflection_db, 0 <= reflection_db < math.inf, "a finite number, no less than 0"),
            ("delay_spread_s", delay_spread_s, 0 <= delay_spread_s < math.inf, "a finite number, no less than 0"),
            ("coupling_db", coupling_db, coupling_db <= 0, "decibels, at most 0"),
            ("sample_rate_hz", sample_rate_hz, 0 < sample_rate_hz < math.inf, "a positive number"),
            ("carrier_hz", carrier_hz, sample_rate_hz < carrier_hz < math.inf, "more than the sample rate"),
        )
        self.classes: Sequence[str] = tuple(str(beam) for beam in range(self.codebook.num_beams))
        self.front_ends, self.gains_db = torch.tensor(front_ends), torch.tensor(gains_db)
        self.carrier_hz, self.sample_rate_hz, self.num_samples = carrier_hz, sample_rate_hz, num_samples
        self.blocks_per_frame, self.provenance, self.seed = blocks_per_frame, provenance, seed
        cells = torch.arange(len(front_ends)), torch.arange(len(gains_db)), torch.arange(self.codebook.num_beams)
        self._cells = torch.cartesian_prod(*cells).repeat(frames_per_cell, 1)
        self.num_per_block = len(self._cells) * blocks_per_frame
        self._errors, self._ripple = self._hardware(severity)
        self._coupled = coupling(self.codebook.positions, coupling_db)
        self._detuning = tap_frequencies() * (sample_rate_hz / carrier_hz)
        self.places = draw_places(
            num_places,
            num_paths,
            distance_m,
            azimuth_rad,
            reflection_db,
            min(delay_spread_s * sample_rate_hz, NUM_TAPS / 2),
            generator=generator(seed, "beams", "places"),
        )
        self._vectors = wideband_steering(self.codebook.positions, self.places.angle, self._detuning)
        # Noise before the gain, and behind it, where lower gains leave less of the signal.
        total = self.codebook.positions.shape[0] * 10 ** (-snr_db / 10)
        behind = _CONVERTER * 10 ** ((self.gains_db.max() - self.gains_db) / 10)
        self._noise = total * (1 + behind) / (1 + _CONVERTER)

    def _hardware(self, severity: float) -> tuple[ArrayErrors, Tensor]:
        """Return the errors of all front-ends, and the frequency responses of their filters `[front-end, freq]`."""
        states = 1 if self.codebook.bits is None else 1 << self.codebook.bits
        parts, ripples = [], []
        for number in self.front_ends.tolist():
            draw = generator(self.seed, "beams", "front-end", number)
            num_antennas = len(self.codebook.positions)
            parts.append(draw_errors(1, num_antennas, states, severity=severity, generator=draw))
            ripples.append(draw_ripple(torch.tensor([severity * _RIPPLE_DB]), generator=draw))
        errors = ArrayErrors(**{name: torch.cat([vars(part)[name] for part in parts]) for name in vars(parts[0])})
        return errors, torch.fft.fft(torch.cat(ripples), NUM_TAPS)

    def block(self, b: int) -> Record:
        """Return block `b`, a pure function of (seed, settings, b)."""
        draw = generator(self.seed, "beams", "block", b)
        front_end, gain, beam = self._cells[torch.randperm(len(self._cells), generator=draw)].unbind(1)
        place = torch.randint(len(self.places.distance_m), (len(beam),), generator=draw)
        start = _SAMPLES_PER_SYMBOL * torch.rand(len(beam), generator=draw)
        sway = torch.randn((len(beam), self.places.gain.shape[1]), generator=draw)
        phase, offset = torch.rand((2, len(beam)), generator=draw)
        carrier = _CARRIER_PPM * 1e-6 * self.carrier_hz / self.sample_rate_hz * (2 * offset - 1)
        gains = self.places.gain[place] * phasor(_SWAY_RAD * sway + 2 * math.pi * phase[:, None])
        frame = torch.arange(len(beam)).repeat_interleave(self.blocks_per_frame)
        heard = self._sent(front_end, beam, place, gains, start, draw)
        heard = shift_frequency(heard, carrier).unflatten(1, (self.blocks_per_frame, -1)).flatten(0, 1)
        noise = self._noise[gain][frame]
        iq = heard + noise.sqrt()[:, None] * noise_like(heard, generator=draw)
        level = 10 ** ((self.gains_db[gain] - self.gains_db.max()) / 20)
        drawn = {"start": start, "phase_rad": 2 * math.pi * phase, "carrier": carrier}
        return {
            "iq": iq * level[frame, None],
            "label": beam[frame],
            "snr_db": 10 * (power(heard) / noise).log10(),
            "sample_rate_hz": torch.full((self.num_per_block,), self.sample_rate_hz, dtype=torch.float64),
            "front_end": self.front_ends[front_end][frame],
            "gain_db": self.gains_db[gain][frame],
            "place": place[frame],
            "distance_m": self.places.distance_m[place][frame],
            "angle": self.places.angle[place][frame, :1],
            "group": b * len(beam) + frame,
            "index": b * self.num_per_block + torch.arange(self.num_per_block),
            **({f"drawn_{name}": values[frame] for name, values in drawn.items()} if self.provenance else {}),
        }

    def _sent(
        self, front_end: Tensor, beam: Tensor, place: Tensor, gains: Tensor, start: Tensor, draw: Generator
    ) -> Tensor:
        """Return what arrives of each frame without noise `[frame, time]`."""
        errors = self._errors.pick(front_end)
        weights = applied_weights(self.codebook.beams[beam], errors.states, self.codebook.bits)
        responses = radiated(weights, errors, self._coupled, self._vectors[place], self._detuning)
        delays = self.places.delay[place] + start[:, None]
        taps = [link_taps(part * self._ripple[front_end][:, None], gains, delays) for part in responses]
        count = self.blocks_per_frame * self.num_samples
        symbols = -(-(count + NUM_TAPS - 1) // _SAMPLES_PER_SYMBOL) + _SPAN
        points = constellation("QPSK")[torch.randint(4, (len(beam), symbols), generator=draw)]
        x = linear(points, root_raised_cosine(_SAMPLES_PER_SYMBOL, _SPAN, _ROLLOFF), _SAMPLES_PER_SYMBOL)
        return transmit(x[:, : count + NUM_TAPS - 1], taps[0], taps[1])
