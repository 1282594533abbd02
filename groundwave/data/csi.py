"""Channel state information from disk: windows, and streams of packets that are cut into windows.

One rule for what is missing. A packet is lost when a file does not have it, or when one of its antennas is all zeros or
not finite. The nearest packet in time stands in for it, over holes of up to a tenth of a window. A stream is not cut
across longer holes; a window that comes with one is refused. An antenna that is silent all along is no matter of lost
packets: it is refused by its number.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from groundwave.contracts import Record
from groundwave.data.columns import uneven
from groundwave.errors import DataError

Array = npt.NDArray[Any]
HOLE = 0.1  # longest hole, as a share of a window
COVERAGE = 0.5  # more than this share of a window's packets must have a label to give it to the window


class CSIWindows:
    """A `Source` of CSI windows, complex64 `[antenna, subcarrier, packet]`; amplitudes come with phase 0."""

    def __init__(
        self,
        rows: Callable[[npt.NDArray[np.int64]], Array],
        num_records: int,
        *,
        columns: Mapping[str, Array],
        packet_rate_hz: float | None = None,
        classes: Sequence[str] = (),
        group_names: Sequence[str] = (),
    ) -> None:
        """Check that each column has one value for each window; raises `DataError`.

        Args:
            rows: Returns the windows at row numbers `[B]`, real or complex `[B, antenna, subcarrier, packet]`.
            num_records: How many there are.
            columns: `label`, `group`, `room`, `user`: whole numbers, -1 where unknown; those that are known.
            packet_rate_hz: Packets a second, if known.
            classes: Class names.
            group_names: Group names.
        """
        self._rows, self._num_records = rows, num_records
        unknown = np.full(num_records, -1)
        named = {"label": unknown, "group": unknown, **columns}
        for name, values in named.items():
            if values.shape != (num_records,):
                raise uneven(name, values.shape, num_records)
        self.columns = {name: torch.from_numpy(values.astype(np.int64)) for name, values in named.items()}
        self.classes: Sequence[str] = tuple(classes)
        self.group_names: Sequence[str] = tuple(group_names)
        self._rate = float("nan") if packet_rate_hz is None else positive_rate(packet_rate_hz)

    @property
    def labels(self) -> Tensor:
        """Labels of all windows, int64 `[N]`."""
        return self.columns["label"]

    @property
    def groups(self) -> Tensor:
        """Groups of all windows, int64 `[N]`."""
        return self.columns["group"]

    def __len__(self) -> int:
        return self._num_records

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the windows at `indices` (int64 `[B]`); raises `DataError` for one with a hole too long to fill."""
        rows = indices.reshape(-1)
        windows = np.asarray(self._rows(rows.numpy()))
        return {
            "csi": torch.from_numpy(mended(windows.astype(np.complex64), rows.tolist())),
            **{name: values[rows] for name, values in self.columns.items()},
            "snr_db": torch.full((len(rows),), torch.nan),
            "sample_rate_hz": torch.full((len(rows),), self._rate, dtype=torch.float64),
            "index": rows,
        }


def positive_rate(rate_hz: float) -> float:
    """Return a packet rate; raises `DataError` unless it is positive and finite."""
    if not 0 < rate_hz < np.inf:
        raise DataError(f"a packet rate of {rate_hz} Hz", "a positive number", "correct --sample-rate")
    return float(rate_hz)


def received(csi: Array) -> npt.NDArray[np.bool_]:
    """Return which packets of `[..., antenna, subcarrier, packet]` hold something finite at every antenna."""
    return np.asarray(_heard(csi).all(-2))


def _heard(csi: Array) -> npt.NDArray[np.bool_]:
    """Return which antennas hold something finite in which packets `[..., antenna, packet]`."""
    power = (csi.real.astype(np.float64) ** 2 + csi.imag.astype(np.float64) ** 2).sum(-2)
    return np.asarray(np.isfinite(power) & (power > 0))


def _check_antennas(heard: npt.NDArray[np.bool_], what: str) -> None:
    """Raise `DataError` where some of the antennas `[antenna, packet]` never hold anything, and others do."""
    silent = np.flatnonzero(~heard.any(-1))
    if 0 < len(silent) < len(heard):
        raise DataError(
            got=f"{what}, where antenna {', '.join(map(str, silent))} of {len(heard)} is zero or not finite all along",
            expected="something received at every antenna",
            do="save the other antennas alone and read those, or leave that part of the data out",
        )


def mended(csi: Array, names: Sequence[int]) -> Array:
    """Return windows `[B, antenna, subcarrier, packet]` with the nearest packet in the place of each lost one.

    A window that lost all at every antenna is returned as zeros: it is silent. Raises `DataError` for a hole longer
    than `HOLE`, and for one antenna that is silent.
    """
    heard = _heard(csi)
    there = np.asarray(heard.all(1))
    if there.all():
        return csi
    out, num_packets = csi.copy(), csi.shape[-1]
    for row in np.flatnonzero(~there.all(1)).tolist():
        if not heard[row].any():
            out[row] = 0
            continue
        _check_antennas(heard[row], f"window {names[row]}")
        found = np.flatnonzero(there[row])
        hole = int(np.diff(np.concatenate(([-1], found, [num_packets]))).max()) - 1
        if hole > longest_hole(num_packets):
            raise DataError(
                got=f"window {names[row]}, which lost {hole} packets of {num_packets} in a row",
                expected=f"at most {longest_hole(num_packets)}, for which their neighbours can stand in",
                do="leave out that window",
            )
        out[row] = csi[row][..., found[nearest(found, np.arange(num_packets))]]
    return out


def longest_hole(num_packets: int) -> int:
    """Return how many packets in a row a window may lose."""
    return max(1, int(HOLE * num_packets))


def nearest(times: Array, wanted: Array) -> npt.NDArray[np.int64]:
    """Return for each wanted time the place of, in ascending `times`, the nearest; of two equally near the earlier."""
    after = np.searchsorted(times, wanted).clip(0, len(times) - 1)
    before = (after - 1).clip(0)
    closer = np.abs(times[before] - wanted) <= np.abs(times[after] - wanted)
    return np.where(closer, before, after)


@dataclass(frozen=True)
class PacketStream:
    """Packets as they came, of one or more captures, to be cut into windows on a regular grid of time.

    Args:
        path: The file.
        csi: Real or complex `[packet, antenna, subcarrier]`.
        times_s: When each came; times go on within a group.
        packet_rate_hz: Of the grid.
        columns: `label`, `group`, `room`, `user` of each packet: whole numbers, -1 where unknown.
        classes: Class names.
        group_names: Group names.
    """

    path: Path
    csi: Array
    times_s: npt.NDArray[np.float64]
    packet_rate_hz: float
    columns: Mapping[str, Array] = field(default_factory=dict)
    classes: Sequence[str] = ()
    group_names: Sequence[str] = ()

    def windows(self, num_packets: int, hop: int | None = None, *, label: str | None = None) -> CSIWindows:
        """Cut windows; none crosses from one group, room or user to another, or a hole that is too long.

        Args:
            num_packets: Of a window.
            hop: Grid steps from one window to the next; the window's length by default.
            label: One class for all; by default what more than half of a window's packets say.

        Raises:
            DataError: No whole window, times that do not ascend, or an antenna that is silent all along.
        """
        hop = hop or num_packets
        if num_packets < 1 or hop < 1:
            raise DataError(f"windows of {num_packets} packets, hop {hop}", "positive numbers", "correct them")
        _check_antennas(self._heard, str(self.path))
        pieces = [self._piece(run, num_packets, hop) for run in self._runs(num_packets)]
        packets = np.concatenate([np.empty((0, num_packets), np.int64), *pieces])
        if not len(packets):
            raise self._too_short(num_packets)
        columns = {name: values[packets[:, 0]] for name, values in self.columns.items()}
        classes = self.classes
        if label is not None:
            columns["label"], classes = np.zeros(len(packets), np.int64), (label,)
        elif "label" in self.columns:
            columns["label"] = _majority(self.columns["label"][packets], len(classes))
        return CSIWindows(
            lambda rows: self.csi[packets[rows]].transpose(0, 2, 3, 1),
            len(packets),
            columns=columns,
            packet_rate_hz=self.packet_rate_hz,
            classes=classes,
            group_names=self.group_names,
        )

    @cached_property
    def _heard(self) -> npt.NDArray[np.bool_]:
        """Which antennas hold something in which packets `[antenna, packet]`."""
        return _heard(self.csi.transpose(1, 2, 0))

    @property
    def _kept(self) -> npt.NDArray[np.int64]:
        """Packets that were not lost."""
        return np.flatnonzero(self._heard.all(0))

    def _runs(self, num_packets: int) -> list[npt.NDArray[np.int64]]:
        """Return the packets of each stretch without a change or a long hole."""
        kept = self._kept
        step = np.diff(self.times_s[kept])
        same = np.ones(len(step), bool)
        for name, values in self.columns.items():
            if name != "label":
                same &= np.diff(values[kept]) == 0
        if not (np.isfinite(self.times_s).all() and (step[same] >= 0).all()):
            raise DataError(
                f"{self.path} with times that do not ascend", "packets in the order of their times", "sort them"
            )
        # A hole of n lost packets is n + 1 steps of the grid; half a step is jitter's.
        broken = ~same | (step * self.packet_rate_hz > longest_hole(num_packets) + 1.5)
        return np.split(kept, np.flatnonzero(broken) + 1)

    def _piece(self, run: npt.NDArray[np.int64], num_packets: int, hop: int) -> npt.NDArray[np.int64]:
        """Return the packets of the windows of one stretch `[window, num_packets]`."""
        if not len(run):
            return np.empty((0, num_packets), np.int64)
        times = self.times_s[run] - self.times_s[run[0]]
        num_steps = int(times[-1] * self.packet_rate_hz + 0.5) + 1
        starts = np.arange(0, num_steps - num_packets + 1, hop)
        grid = (starts[:, None] + np.arange(num_packets)) / self.packet_rate_hz
        return run[nearest(times, grid)]

    def _too_short(self, num_packets: int) -> DataError:
        if not self._heard.any():
            return DataError(f"{self.path}, all zeros or not finite", "a signal or noise", "check the recording")
        longest = max(float(np.ptp(self.times_s[run])) if len(run) else 0.0 for run in self._runs(num_packets))
        return DataError(
            got=f"{self.path}, whose longest stretch without a hole lasts {longest:.3g} s",
            expected=f"one of {num_packets} packets at {self.packet_rate_hz:g} Hz at least",
            do="ask for shorter windows (--num-samples), or for a lower rate (--sample-rate)",
        )


def _majority(labels: Array, num_classes: int) -> npt.NDArray[np.int64]:
    """Return for each window the label that more than `COVERAGE` of its packets have, -1 where none has."""
    found = np.full(len(labels), -1)
    for code in range(num_classes):
        found[(labels == code).mean(1) > COVERAGE] = code
    return found
