"""What lies between the emitters of a wide band and the receiver: for each track a fading channel of its own."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

from groundwave.errors import lookup
from groundwave.rng import generator as make_generator
from groundwave.signal.multipath import Paths, draw_paths, propagate
from groundwave.signal.noise import power
from groundwave.signal.profiles import PROFILES, Profile

_EARLY = 7  # samples that `propagate` looks ahead where paths have delays


@dataclass(frozen=True)
class Environment:
    """A profile of channels, scaled.

    Args:
        name: a profile, such as `TDL-A`; `none`: free space.
        delay_spread_s: rms delay spread of profiles that leave it open.
        doppler_hz: largest Doppler shift; 0: nothing moves.
        sample_rate_hz: of the wide band.
    """

    name: str
    delay_spread_s: float
    doppler_hz: float
    sample_rate_hz: float

    @cached_property
    def _profile(self) -> Profile | None:
        return None if self.name == "none" else lookup(PROFILES, self.name, "environment")

    def _paths(self, profile: Profile, num: int, num_samples: int, rate: float, draw: Generator) -> Paths:
        return draw_paths(
            profile,
            num,
            num_samples,
            sample_rate_hz=rate * self.sample_rate_hz,
            delay_spread_s=self.delay_spread_s if profile.normalised else None,
            doppler_hz=self.doppler_hz,
            generator=draw,
        )

    def check(self, rate: float) -> None:
        """Raise `GroundwaveError` for settings that cannot be, where tracks are sampled at least at this share."""
        if self._profile is not None:  # the physics refuses what is wrong
            self._paths(self._profile, 1, 1, rate, make_generator(0))

    def transfer(self, x: Tensor, rate: float, *, generator: Generator) -> Tensor:
        """Send `x` `[tracks, time]`, sampled at a share `rate` of the wide band, on its way; its mean power stays."""
        if self._profile is None:
            return x
        num, num_samples = x.shape
        paths = self._paths(self._profile, num, num_samples, rate, generator)
        later = paths.num_taps - 1
        early = min(_EARLY, later)
        y = propagate(pad(x, (later - early, early)), paths)
        return y * (power(x) / power(y).clamp(min=torch.finfo(torch.float32).tiny)).sqrt()[:, None]
