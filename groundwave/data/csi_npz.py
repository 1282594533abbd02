"""CSI in a `.npz`, windows or a stream of packets, with names and axes that the user gives."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from groundwave.data.csi import CSIWindows, PacketStream, positive_rate
from groundwave.data.raw import existing
from groundwave.data.windows import named, npz_arrays, one_rate
from groundwave.errors import DataError

Array = npt.NDArray[Any]
AXES = ("iq", "antenna", "subcarrier", "packet")
_ORDER = {name: number for number, name in enumerate(("antenna", "subcarrier", "packet", "iq"))}


def open_csi_npz(
    path: str | PathLike[str],
    *,
    csi: str = "csi",
    axes: str = "antenna subcarrier packet",
    scale: str | None = None,
    label: str | None = None,
    group: str | None = None,
    room: str | None = None,
    user: str | None = None,
    times: str | None = None,
    classes: str | None = None,
    group_names: str | None = None,
    sample_rate_hz: float | None = None,
) -> CSIWindows | PacketStream:
    """Open CSI in a `.npz`, each array by the name that it has there.

    The first axis of `csi` counts windows where `axes` holds `packet`, else packets, which are then cut into windows.
    Real arrays without the axis `iq` are amplitudes.

    Args:
        path: The file. Arrays of objects are refused: they could run code.
        csi: Array of CSI.
        axes: Its axes after the first: some of `iq`, `antenna`, `subcarrier`, `packet`, each at most once but
            `antenna`, which may stand for receive and transmit antennas in turn.
        scale: Array of what multiplies `csi`: its leading axes, such as `[window, packet]` or `[packet]`.
        label: Array of class indices or names, one for each window or packet.
        group: Array of group indices or names (recording, device, subject); windows do not cross from one to the next.
        room: Array of room numbers or names, or of whatever else a split may hold out.
        user: Array of numbers or names of people.
        times: Array of the time of each packet in seconds; by default packets come at the packet rate, none lost.
        classes: Array of class names that an integer `label` indexes.
        group_names: Array of group names that an integer `group` indexes.
        sample_rate_hz: Packets a second; by default the file's array `sample_rate_hz`. A stream needs it.

    Raises:
        DataError: An empty or damaged file, other axes, or arrays of different length.
        UnknownNameError: The file has no such array.
    """
    file = existing(path)
    arrays = {"csi": csi, "scale": scale, "label": label, "group": group, "room": room, "user": user}
    found = npz_arrays(file, {**arrays, "times": times, "classes": classes, "names": group_names})
    rate = sample_rate_hz
    if rate is None and "sample_rate_hz" in found:
        rate = one_rate(file, found["sample_rate_hz"])
    layout = axes.split()
    values = found["csi"]
    _check_axes(file, layout, values)
    columns, class_names, groups = _columns(found, len(values))
    if "packet" in layout:
        if times:
            raise DataError("times for windows", "them for packets alone", "leave them out")
        factor = _factor(found.get("scale"), values, layout)
        return CSIWindows(
            lambda rows: arranged(values[rows], layout, None if factor is None else factor[rows]),
            len(values),
            columns=columns,
            packet_rate_hz=rate,
            classes=class_names,
            group_names=groups,
        )
    if rate is None:
        raise DataError(f"{file}, a stream of packets, without a rate", "packets a second", "give --sample-rate HZ")
    return PacketStream(
        path=file,
        csi=arranged(values, layout, _factor(found.get("scale"), values, layout)),
        times_s=_times(found.get("times"), len(values), positive_rate(rate)),
        packet_rate_hz=positive_rate(rate),
        columns=columns,
        classes=class_names,
        group_names=groups,
    )


def _check_axes(file: Path, layout: Sequence[str], values: Array) -> None:
    once = [name for name in layout if name != "antenna"]
    known = set(layout) <= set(AXES) and len(once) == len(set(once)) and "subcarrier" in layout
    if not known or values.ndim != len(layout) + 1 or not values.size or values.dtype.kind not in "iufc":
        raise DataError(
            got=f"{file} with {values.dtype} of shape {list(values.shape)} for axes {' '.join(layout)!r}",
            expected=f"numbers, one axis before these; axes among {', '.join(AXES)}, with subcarrier",
            do="name the right array (--csi), and its axes after the first (--axes)",
        )
    if "iq" in layout and (values.shape[1 + layout.index("iq")] != 2 or values.dtype.kind == "c"):
        raise DataError(
            got=f"an axis iq of {values.dtype} and shape {list(values.shape)}",
            expected="two real numbers, I and Q, along it",
            do="correct --axes",
        )


def _factor(scale: Array | None, values: Array, layout: Sequence[str]) -> Array | None:
    """Return what multiplies `values`, with as many axes: `scale` has the first axis, and perhaps that of packets."""
    if scale is None:
        return None
    full = ["first", *layout]
    named_axes = ["first", *(["packet"] if "packet" in layout and scale.ndim == 2 else [])]
    shape = [size if name in named_axes else 1 for name, size in zip(full, values.shape, strict=True)]
    if list(scale.shape) != [size for name, size in zip(full, values.shape, strict=True) if name in named_axes]:
        raise DataError(
            got=f"a scale of shape {list(scale.shape)} for values of shape {list(values.shape)}",
            expected="one number for each window, or for each of its packets",
            do="name the right array: --scale",
        )
    return scale.reshape(shape)


def arranged(values: Array, layout: Sequence[str], factor: Array | None) -> Array:
    """Return `[first, antenna, subcarrier, (packet)]`, real or complex, of values with other axes."""
    if values.dtype.kind in "iu":
        values = values.astype(np.float32)
    values = values if factor is None else values * factor
    order = sorted(range(len(layout)), key=lambda axis: (_ORDER[layout[axis]], axis))
    values = values.transpose(0, *(1 + axis for axis in order))
    names = [layout[axis] for axis in order]
    antennas = names.count("antenna")
    values = values.reshape(len(values), -1, *values.shape[1 + antennas :])
    if "iq" in names:
        values = np.ascontiguousarray(values, dtype=np.float32).view(np.complex64)[..., 0]
    return values


def _columns(found: dict[str, Array], count: int) -> tuple[dict[str, Array], list[str], list[str]]:
    """Return the columns, and the names of classes and groups."""
    labels, classes = named(found.get("label"), found.get("classes"), "class")
    groups, names = named(found.get("group"), found.get("names"), "group")
    rooms, _ = named(found.get("room"), None, "room")
    users, _ = named(found.get("user"), None, "user")
    all_columns = {"label": labels, "group": groups, "room": rooms, "user": users}
    columns = {name: values.astype(np.int64) for name, values in all_columns.items() if values is not None}
    for name, values in columns.items():
        if values.shape != (count,):
            raise DataError(
                f"{name} of shape {list(values.shape)} for {count}", "one value for each", f"correct --{name}"
            )
    return columns, classes, names


def _times(times: Array | None, count: int, rate_hz: float) -> npt.NDArray[np.float64]:
    if times is None:
        return np.arange(count) / rate_hz
    if times.shape != (count,) or times.dtype.kind not in "iuf":
        raise DataError(
            got=f"times of {times.dtype} and shape {list(times.shape)} for {count} packets",
            expected="a number of seconds each",
            do="correct --reader.times",
        )
    return times.astype(np.float64)
