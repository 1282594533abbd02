"""ESP32 captures: comma-separated values, as the ESP32-CSI-Tool (Hernandez and Bulut) and esp-csi print them."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from groundwave.data.csi import PacketStream, positive_rate
from groundwave.data.intel5300 import median_rate
from groundwave.data.raw import existing
from groundwave.errors import DataError

# What a line holds where the file does not begin with the header.
_HEADER = (
    "type,role,mac,rssi,rate,sig_mode,mcs,bandwidth,smoothing,not_sounding,aggregation,stbc,fec_coding,sgi,noise_floor,"
    "ampdu_cnt,channel,secondary_channel,local_timestamp,ant,sig_len,rx_state,real_time_set,real_timestamp,len,CSI_DATA"
)
_LONGEST_LINE = 1 << 14
_LEGACY = 64  # subcarriers of a 20 MHz long training field, which come as 0 ... 31, -32 ... -1
Packet = tuple[int, list[int]]  # clock in microseconds; imaginary, real, imaginary, ... in turn


def open_esp32(path: str | PathLike[str], *, sample_rate_hz: float | None = None) -> PacketStream:
    """Open a capture of one antenna: lines `CSI_DATA,...,[imaginary real imaginary real ...]`.

    Columns are found by the file's header, or stand as the ESP32-CSI-Tool prints them. Times are the chip's own clock,
    32 bits of microseconds. 64 subcarriers are put in the order of their frequencies; those that are zero throughout
    (guards) are left out. Other lines, damaged ones (serial lines lose bytes) and those of another length than the
    most frequent one count as lost; a file of which more than half is damaged is refused.

    Args:
        path: The file.
        sample_rate_hz: Of the regular grid; by default one over the median time between packets.

    Raises:
        DataError: Not such a file.
    """
    file = existing(path)
    packets, damaged = _packets(file)
    if not packets or damaged > len(packets):
        raise DataError(
            got=f"{file} with {len(packets)} whole lines of CSI_DATA and {damaged} damaged ones",
            expected="a capture of the ESP32-CSI-Tool or esp-csi, mostly whole",
            do="check the file, or record it again at a lower rate",
        )
    length = Counter(len(values) for _, values in packets).most_common(1)[0][0]
    kept = [(clock, values) for clock, values in packets if len(values) == length]
    parts = np.array([values for _, values in kept], dtype=np.float32).reshape(len(kept), -1, 2)
    csi = parts[..., 1] + 1j * parts[..., 0]
    if csi.shape[1] == _LEGACY:
        csi = np.fft.fftshift(csi, axes=1)
    times = _seconds([clock for clock, _ in kept])
    used = (csi != 0).any(0)
    return PacketStream(
        path=file,
        csi=(csi[:, used] if used.any() else csi)[:, None].astype(np.complex64),
        times_s=times,
        packet_rate_hz=median_rate(file, times) if sample_rate_hz is None else positive_rate(sample_rate_hz),
        columns={"group": np.zeros(len(times), np.int64)},
        group_names=(file.stem,),
    )


def _seconds(clock_us: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return times from the first packet on, across overflows of a clock of 32 bits."""
    steps = np.mod(np.diff(np.array(clock_us, dtype=np.int64)), 1 << 32)
    return np.concatenate(([0.0], np.cumsum(steps) / 1e6))


def _packets(file: Path) -> tuple[list[Packet], int]:
    """Return the packets of whole lines, and how many lines of CSI_DATA were not whole."""
    fields = _HEADER.split(",")
    packets, damaged = [], 0
    for cells in csv.reader(_lines(file)):
        if cells and cells[0] == "type":
            fields = cells
        elif cells and cells[0] == "CSI_DATA":
            packet = _packet(dict(zip(fields, cells, strict=False)), len(cells) == len(fields))
            packets += [packet] if packet else []
            damaged += packet is None
    return packets, damaged


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="ascii", errors="replace", newline="") as handle:
        while line := handle.readline(_LONGEST_LINE):
            # The tool puts spaces between numbers; esp-csi commas, all within quotes. A stray quote must not swallow
            # the lines after it.
            yield line if line.count('"') % 2 == 0 else ""


def _packet(cells: dict[str, str], whole: bool) -> Packet | None:
    """Return a line's packet, None where it is damaged."""
    text = cells.get("CSI_DATA", cells.get("data", "")).strip()
    if not whole or not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        values = [int(number) for number in text[1:-1].replace(",", " ").split()]
        clock, said = int(cells["local_timestamp"]), int(cells["len"])
    except (ValueError, KeyError):
        return None
    fits = 0 < len(values) == said and said % 2 == 0 and min(values) >= -128 and max(values) < 128
    return (clock, values) if fits and 0 <= clock < 1 << 32 else None
