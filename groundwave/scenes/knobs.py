"""Checks of a scene's settings at its door."""

import torch

from groundwave.errors import GroundwaveError

Check = tuple[str, object, bool, str]


def require(*settings: Check) -> None:
    """Raise `GroundwaveError` for the first (name, value, whether it fits, what fits) that does not fit."""
    for name, value, fits, expected in settings:
        if not fits:
            raise GroundwaveError(f"{name}={value}", expected, f"correct {name}")


def device_of(name: str) -> torch.device:
    """Return the device of that name; raises `GroundwaveError` when there is none on this machine."""
    try:
        torch.empty(0, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        found = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise GroundwaveError(
            got=f"device={name}",
            expected=f"a device of this machine ({', '.join(found)})",
            do="name one of these",
        ) from error
