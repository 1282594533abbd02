"""How a set of windows is read: the options that commands on records share."""

from typing import Any, TypedDict


class Windows(TypedDict, total=False):
    """What a .npz of windows does not say by itself; a store says all of it.

    Args:
        sample_rate: in Hz, where a file does not say.
        iq: name of the array of windows in a .npz.
        label: name of the array of labels in a .npz.
        group: name of the array of groups (recording, device, ...) in a .npz.
        classes: name of the array of class names in a .npz, if labels are numbers.
    """

    sample_rate: float | None
    iq: str | None
    label: str | None
    group: str | None
    classes: str | None


def reader_options(windows: Windows) -> dict[str, Any]:
    """Return those options by the names that readers give them."""
    names = {"sample_rate": "sample_rate_hz"}
    return {names.get(name, name): value for name, value in windows.items()}
