"""CSI in windows and streams: cut to a regular grid; what is missing is filled by the stated rule or refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from groundwave.contract.csi import CSIContract
from groundwave.contracts import Source
from groundwave.data.csi import CSIWindows, PacketStream, received
from groundwave.errors import DataError

RNG = np.random.default_rng(3)


def stream(csi: np.ndarray, times_s: Any = None, rate: float = 10.0, **columns: np.ndarray) -> PacketStream:
    times = np.arange(len(csi)) / rate if times_s is None else np.asarray(times_s, float)
    return PacketStream(Path("x"), csi, times, rate, columns, ("a", "b"), ("g", "h"))


def numbered(count: int) -> np.ndarray:
    """Return packets `[count, 2, 3]` that tell their number."""
    return np.broadcast_to(1.0 + np.arange(count)[:, None, None], (count, 2, 3)).astype(np.complex64)


def packets(windows: CSIWindows) -> list[list[int]]:
    """Return the numbers of the packets in each window."""
    numbers = windows[torch.arange(len(windows))]["csi"].real[:, 0, 0] - 1
    return [[int(number) for number in row] for row in numbers.round().tolist()]


def test_a_regular_stream_is_cut_as_it_is() -> None:
    windows = stream(numbered(11)).windows(4, 3)
    assert packets(windows) == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    record = windows[torch.tensor([1])]
    assert record["csi"].shape == (1, 2, 3, 4)
    assert record["csi"].dtype == torch.complex64
    assert float(record["sample_rate_hz"]) == 10
    assert isinstance(windows, Source)


def test_irregular_times_come_to_the_grid_by_the_nearest_packet() -> None:
    times = [0.0, 0.13, 0.19, 0.31, 0.38, 0.52, 0.61, 0.69]
    grid = [int(np.abs(np.array(times) - step / 10).argmin()) for step in range(8)]
    assert grid == [0, 1, 2, 3, 4, 5, 6, 7]
    assert packets(stream(numbered(8), times).windows(8)) == [grid]
    fast = stream(numbered(80), np.arange(80) / 40 + 0.002 * RNG.standard_normal(80)).windows(20)
    assert packets(fast) == [[4 * step for step in range(20)]]


@pytest.mark.parametrize("lost", ["absent", "zeros", "nan", "zeros at one antenna"])
def test_lost_packets_are_filled_by_the_nearest(lost: str) -> None:
    csi, keep = numbered(20).copy(), np.ones(20, bool)
    if lost == "absent":
        keep[[5, 6]] = False
    elif lost == "zeros at one antenna":
        csi[[5, 6], 1] = 0
    else:
        csi[[5, 6]] = 0 if lost == "zeros" else np.nan
    windows = stream(csi[keep], np.arange(20)[keep] / 10).windows(20)
    wanted = [*range(5), 4, 7, *range(7, 20)]
    numbers = np.flatnonzero(keep)
    got = packets(windows)[0]
    assert got == wanted, numbers
    CSIContract(num_antennas=2, min_subcarriers=3).prepare(windows[torch.tensor([0])])


def test_windows_do_not_cross_long_holes_nor_captures_nor_people() -> None:
    keep = np.ones(60, bool)
    keep[20:24] = False  # 4 in a row of windows of 10: one is the most
    assert packets(stream(numbered(60)[keep], np.arange(60)[keep] / 10).windows(10)) == [
        list(range(start, start + 10)) for start in (0, 10, 24, 34, 44)
    ]
    user = np.repeat([0, 1], [25, 35])
    windows = stream(numbered(60), user=user).windows(10)
    assert [row[0] for row in packets(windows)] == [0, 10, 25, 35, 45]
    assert windows.columns["user"].tolist() == [0, 0, 1, 1, 1]
    with pytest.raises(DataError, match=r"longest stretch without a hole lasts 0\.9 s.*--num-samples"):
        stream(numbered(30)[::2], np.array([*range(10), *range(20, 25)]) / 10).windows(12)


def test_a_window_has_the_label_of_most_of_its_packets() -> None:
    label = np.array([0, 0, 0, 1, 1, 1, 1, 0, -1, -1, -1, 0, 1, 1, 0, 0])
    assert stream(numbered(16), label=label).windows(4).labels.tolist() == [0, 1, -1, -1]
    named = stream(numbered(16)).windows(4, label="walk")
    assert (named.classes, named.labels.tolist()) == (("walk",), [0, 0, 0, 0])


@pytest.mark.parametrize(("num_packets", "hop"), [(0, None), (4, -1)])
def test_windows_of_nothing_are_refused(num_packets: int, hop: int | None) -> None:
    with pytest.raises(DataError, match="positive numbers"):
        stream(numbered(8)).windows(num_packets, hop)


def test_times_that_go_back_are_refused() -> None:
    with pytest.raises(DataError, match="do not ascend"):
        stream(numbered(4), [0, 0.2, 0.1, 0.3]).windows(2)
    with pytest.raises(DataError, match="do not ascend"):
        stream(numbered(4), [0, 0.1, np.nan, 0.3]).windows(2)


def test_windows_are_mended_or_refused() -> None:
    csi = numbered(30).transpose(1, 2, 0)[None].repeat(3, 0)
    csi[0, :, :, [4, 5, 6]] = 0
    csi[1] = np.nan
    windows = CSIWindows(lambda rows: csi[rows], 3, columns={})
    assert packets(CSIWindows(lambda rows: csi[rows], 1, columns={}))[0][3:8] == [3, 3, 3, 7, 7]
    assert float(windows[torch.tensor([1])]["csi"].abs().max()) == 0  # silent
    csi[2, 1, :, 10:14] = 0
    with pytest.raises(DataError, match="window 2, which lost 4 packets of 30 in a row; expected at most 3"):
        windows[torch.tensor([0, 2])]
    assert not received(csi[2])[10:14].any()


@pytest.mark.parametrize("value", [0, np.nan])
def test_an_antenna_that_is_silent_all_along_is_named(value: float) -> None:
    csi = numbered(30)[:, [0, 1, 1]].copy()
    csi[:, 1] = value
    said = "antenna 1 of 3 is zero or not finite all along; .*; save the other antennas alone"
    with pytest.raises(DataError, match=f"^got x, where {said}"):
        stream(csi).windows(10)
    windows = csi.transpose(1, 2, 0)[None].repeat(2, 0)
    windows[0] = 1
    with pytest.raises(DataError, match=f"window 1, where {said}"):
        CSIWindows(lambda rows: windows[rows], 2, columns={})[torch.tensor([0, 1])]


def test_what_is_silent_at_every_antenna_and_what_is_heard_in_turns_is_told_as_such() -> None:
    with pytest.raises(DataError, match="x, all zeros or not finite"):
        stream(np.zeros((30, 2, 3), np.complex64)).windows(10)
    turns = numbered(30).transpose(1, 2, 0)[None].copy()
    turns[0, 0, :, 15:], turns[0, 1, :, :15] = 0, 0
    with pytest.raises(DataError, match="window 0, which lost 30 packets of 30 in a row"):
        CSIWindows(lambda rows: turns[rows], 1, columns={})[torch.tensor([0])]


def test_columns_of_another_length_are_refused() -> None:
    with pytest.raises(DataError, match="room"):
        CSIWindows(lambda rows: rows, 3, columns={"room": np.zeros(2)})
