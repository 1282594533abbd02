"""The channel of RadioML 2016: sample rate offset, carrier offset, selective fading, in that order."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record
from groundwave.scenes.knobs import Check
from groundwave.signal.fading import apply_paths, delay_taps, draw_faders, fader_gains
from groundwave.signal.filters import FARROW_TAPS, interpolate_knots, sample_drifting
from groundwave.signal.impair import apply_phase, draw_walk

_KNOT = 256
_PIECE = 1 << 16


@dataclass(frozen=True)
class Clocks:
    """A draw of sample clocks and carriers that drift: knots spread evenly over `num_samples`, joined by lines.

    `start`: where the first sample is read; `drift`: sample rate offset, relative; `frequency`: carrier offset in
    cycles per sample; `turn`: the carrier's first phase in cycles. Drift and frequency in float64: they are summed.
    """

    num_samples: int
    start: Tensor
    drift: Tensor
    frequency: Tensor
    turn: Tensor

    def split(self, num_rows: int) -> "list[Clocks]":
        """Return draws of `num_rows` records each, in order."""
        fields = (t.split(num_rows) for t in (self.start, self.drift, self.frequency, self.turn))
        return [Clocks(self.num_samples, *field) for field in zip(*fields, strict=True)]

    def drawn(self) -> Record:
        """Return the draw by name, a row for each record."""
        return {"start": self.start, "drift": self.drift, "frequency": self.frequency, "turn": self.turn}

    def offset(self) -> Tensor:
        """Return how far ahead of its time each sample is read, `[batch, num_samples]`, float64."""
        return interpolate_knots(self.drift, self.num_samples).cumsum(1).add_(self.start[:, None])

    def phase_rad(self) -> Tensor:
        """Return the carrier's phase at each sample, `[batch, num_samples]`, float32."""
        cycles = interpolate_knots(self.frequency, self.num_samples).cumsum(1).add_(self.turn[:, None])
        return cycles.frac_().float().mul_(2 * math.pi)


@dataclass(frozen=True)
class Draw:
    """One draw: clocks, and the gains of paths by any number of knots."""

    clocks: Clocks
    gains: Tensor

    def split(self, num_rows: int) -> "list[Draw]":
        """Return draws of `num_rows` records each, in order."""
        return [Draw(*part) for part in zip(self.clocks.split(num_rows), self.gains.split(num_rows), strict=True)]

    def course(self) -> "Course":
        """Return the draw sample by sample."""
        return Course(self.clocks.offset(), self.clocks.phase_rad(), self.gains)


@dataclass(frozen=True)
class Course:
    """A channel sample by sample: how far ahead it reads, the carrier's phase; path gains by any number of knots."""

    offset: Tensor
    phase_rad: Tensor
    gains: Tensor


@dataclass(frozen=True)
class Channel:
    """The settings of `dynamic_channel_model` in the published recipe.

    `doppler` is f_D T_s; `delays` are in samples; `path_gains` are amplitudes; `rician_k` is that of the first path;
    offsets walk with steps of `step_hz` per sample inside their limits, at `sample_rate_hz`.
    """

    sample_rate_hz: float = 200e3
    sro_max_hz: float = 50.0
    cfo_max_hz: float = 500.0
    step_hz: float = 0.01
    doppler: float = 5e-6
    delays: tuple[float, ...] = (0.0, 0.9, 1.7)
    path_gains: tuple[float, ...] = (1.0, 0.8, 0.3)
    rician_k: float = 4.0
    num_taps: int = 8

    def checks(self) -> "list[Check]":
        """Return what `knobs.require` has to check of the settings at a scene's door."""
        limits = {"sro_max_hz": self.sro_max_hz, "cfo_max_hz": self.cfo_max_hz, "step_hz": self.step_hz}
        least = {**limits, "doppler": self.doppler, "rician_k": self.rician_k}
        rate, delays, gains, most = self.sample_rate_hz, self.delays, self.path_gains, self.num_taps - 1
        return [
            ("channel.sample_rate_hz", rate, 0 < rate < math.inf, "a positive number"),
            *((f"channel.{k}", v, 0 <= v < math.inf, "a finite number, no less than 0") for k, v in least.items()),
            ("channel.sro_max_hz", self.sro_max_hz, self.sro_max_hz <= 1e-3 * rate, "at most a thousandth of the rate"),
            ("channel.num_taps", self.num_taps, self.num_taps >= 1, "at least 1"),
            ("channel.delays", delays, len(delays) > 0, "one delay in samples for each path, at least one"),
            ("channel.delays", delays, all(0 <= d <= most for d in delays), f"from 0 to num_taps - 1 = {most}"),
            ("channel.path_gains", gains, len(gains) == len(delays), f"an amplitude for each of {len(delays)} delays"),
            ("channel.path_gains", gains, all(map(math.isfinite, gains)) and any(gains), "finite, not all zero"),
        ]

    def margin(self, num_samples: int) -> int:
        """Return how many samples `apply` needs beyond `num_samples`, for a timing offset of zero."""
        return self.num_taps + FARROW_TAPS + 2 * self._drift(num_samples)

    def _drift(self, num_samples: int) -> int:
        return math.ceil((num_samples + self.num_taps) * self.sro_max_hz / self.sample_rate_hz)

    def draw(self, num_records: int, num_samples: int, *, timing: float, settled: bool, generator: Generator) -> Draw:
        """Draw channels for `num_samples` outputs.

        `timing`: the first sample falls uniformly in [0, timing). `settled`: oscillators that have run for long (any
        offset inside the limits, any phase); otherwise they start at zero offset and phase, as in the published recipe.
        """
        num_inner = num_samples + self.num_taps - 1
        num_knots = 2 + max(num_inner // _KNOT, math.ceil(32 * num_inner * self.doppler))

        def uniform() -> Tensor:
            return torch.rand(num_records, generator=generator)

        def walk(limit: float) -> Tensor:
            start = limit * (2 * uniform() - 1) * settled
            step = self.step_hz * math.sqrt(num_inner / (num_knots - 1))
            hertz = draw_walk(start, num_knots, step, limit, generator=generator) if limit else start[:, None]
            return hertz.expand(-1, num_knots).double() / self.sample_rate_hz

        drift, frequency, turn = walk(self.sro_max_hz), walk(self.cfo_max_hz), settled * uniform()
        start = FARROW_TAPS // 2 + self._drift(num_samples) + timing * uniform().double()
        k = [self.rician_k] + [0.0] * (len(self.delays) - 1)
        faders = draw_faders(num_records, k, self.doppler, generator=generator)
        times = torch.linspace(0, num_inner, num_knots).expand(num_records, -1)
        gains = fader_gains(faders, times) * torch.tensor(self.path_gains)[:, None]
        return Draw(Clocks(num_inner, start, drift, frequency, turn), gains)

    def apply(self, x: Tensor, draw: Draw) -> Tensor:
        """Pass `x` `[batch, time]` through drawn channels, some records at a time to bound memory."""
        num_rows = max(1, _PIECE // x.shape[1])
        pieces = zip(x.split(num_rows), draw.split(num_rows), strict=True)
        return torch.cat([self.follow(piece, drawn.course()) for piece, drawn in pieces])

    def follow(self, x: Tensor, course: Course) -> Tensor:
        """Pass `x` `[batch, time]` along courses."""
        y = apply_phase(sample_drifting(x, course.offset), course.phase_rad)
        return apply_paths(y, course.gains, delay_taps(self.delays, self.num_taps))


RECIPE = Channel()
CLEAR = Channel(sro_max_hz=0.0, cfo_max_hz=0.0, doppler=0.0, delays=(0.0,), path_gains=(1.0,), rician_k=1e9, num_taps=1)
