"""The channel of RadioML 2016: sample rate offset, carrier offset, selective fading, in that order."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from groundwave.signal.fading import apply_paths, delay_taps, draw_faders, fader_gains
from groundwave.signal.filters import FARROW_TAPS, interpolate_knots, sample_at
from groundwave.signal.impair import apply_phase, draw_walk

_KNOT = 256


@dataclass(frozen=True)
class Draw:
    """One draw: where to read the transmitted samples, the oscillator's phase, the path gains (any number of knots)."""

    positions: Tensor
    phase_rad: Tensor
    gains: Tensor

    def split(self, num_rows: int) -> "list[Draw]":
        """Return draws of `num_rows` records each, in order."""
        parts = (torch.split(t, num_rows) for t in (self.positions, self.phase_rad, self.gains))
        return [Draw(*part) for part in zip(*parts, strict=True)]


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
            return interpolate_knots(hertz.expand(-1, num_knots).double() / self.sample_rate_hz, num_inner)

        drift, cycles = walk(self.sro_max_hz).cumsum(1), walk(self.cfo_max_hz).cumsum(1) + settled * uniform()[:, None]
        start = FARROW_TAPS // 2 + self._drift(num_samples) + timing * uniform()[:, None].double()
        k = [self.rician_k] + [0.0] * (len(self.delays) - 1)
        faders = draw_faders(num_records, k, self.doppler, generator=generator)
        times = torch.linspace(0, num_inner, num_knots).expand(num_records, -1)
        return Draw(
            positions=start + torch.arange(num_inner) + drift,
            phase_rad=(2 * math.pi * cycles.frac()).float(),
            gains=fader_gains(faders, times) * torch.tensor(self.path_gains)[:, None],
        )

    def apply(self, x: Tensor, draw: Draw) -> Tensor:
        """Pass `x` `[batch, time]` through drawn channels."""
        y = apply_phase(sample_at(x, draw.positions), draw.phase_rad)
        return apply_paths(y, draw.gains, delay_taps(self.delays, self.num_taps))


RECIPE = Channel()
CLEAR = Channel(sro_max_hz=0.0, cfo_max_hz=0.0, doppler=0.0, delays=(0.0,), path_gains=(1.0,), rician_k=1e9, num_taps=1)
