"""Checks of a scene's settings at its door."""

import math

import torch

from groundwave.errors import GroundwaveError

Check = tuple[str, object, bool, str]


def require(*settings: Check) -> None:
    """Raise `GroundwaveError` for the first (name, value, whether it fits, what fits) that does not fit."""
    for name, value, fits, expected in settings:
        if not fits:
            raise GroundwaveError(f"{name}={value}", expected, f"correct {name}")


def check_surroundings(
    environment: str, delay_spread_s: float, doppler_hz: float, sample_rate_hz: float
) -> list[Check]:
    """Return what `require` has to check of an environment and of the mobility in it, used or not."""
    moves_in_nothing = environment == "none" and doppler_hz > 0
    return [
        ("sample_rate_hz", sample_rate_hz, 0 < sample_rate_hz < math.inf, "a positive number"),
        ("delay_spread_s", delay_spread_s, 0 <= delay_spread_s < math.inf, "a finite number, no less than 0"),
        ("doppler_hz", doppler_hz, 0 <= doppler_hz < sample_rate_hz / 2, "from 0 to half the sample rate"),
        ("doppler_hz", doppler_hz, not moves_in_nothing, "0 in free space; name an environment, such as rayleigh"),
    ]


def device_of(name: str) -> torch.device:
    """Return the device of that name; raises `GroundwaveError` when there is none on this machine."""
    try:
        return torch.Generator(device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        found = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise GroundwaveError(
            got=f"device={name}",
            expected=f"a device of this machine ({', '.join(found)})",
            do="name one of these",
        ) from error
