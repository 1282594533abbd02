"""Intel 5300 captures (`.dat`) of the Linux 802.11n CSI Tool (Halperin et al. 2011).

A file is a row of records: a big-endian length (2 bytes), a code, and length - 1 bytes. Code 0xBB is a beamforming
measurement: a little-endian header of 20 bytes, then for each of 30 subcarriers 3 bits of nothing and, for each receive
antenna and each transmit stream in turn, 8 bits real and 8 bits imaginary, least bit first, across byte borders.
"""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from groundwave.data.csi import PacketStream, positive_rate
from groundwave.data.raw import existing
from groundwave.errors import DataError

SUBCARRIERS = 30
_CODE = 0xBB
_HEADER = np.dtype(
    [
        ("clock_us", "<u4"),
        ("count", "<u2"),
        ("reserved", "<u2"),
        ("num_receive", "u1"),
        ("num_transmit", "u1"),
        ("rssi", "u1", 3),
        ("noise", "i1"),
        ("gain", "u1"),
        ("antennas", "u1"),
        ("length", "<u2"),
        ("rate", "<u2"),
    ]
)
_OFFSET_DB = 44  # between the card's RSSI and dBm
_NO_NOISE, _USUAL_NOISE_DBM = -127, -92


@dataclass(frozen=True)
class Measurements:
    """Beamforming records of one shape: headers `[packet]`, and gains complex64 `[packet, receive, transmit, 30]`."""

    headers: npt.NDArray[np.void]
    gains: npt.NDArray[np.complex64]


def open_intel5300(path: str | PathLike[str], *, sample_rate_hz: float | None = None) -> PacketStream:
    """Open a capture: antennas are receive antennas (A, B, C) times transmit streams, the streams of A first.

    Gains are in units of the noise, as the tool's `get_scaled_csi` gives them. Most captures change the number of
    antennas now and then: packets of another shape than the most frequent one count as lost. A record cut off at the
    end of the file is left out.

    Args:
        path: The file.
        sample_rate_hz: Of the regular grid; by default one over the median time between packets.

    Raises:
        DataError: Not such a capture.
    """
    file = existing(path)
    found = measurements(file)
    clock = found.headers["clock_us"].astype(np.int64)
    ticks = np.concatenate(([0], np.cumsum(np.diff(clock) % (1 << 32))))  # the clock has 32 bits
    times = ticks / 1e6
    gains = _scaled(found)
    return PacketStream(
        path=file,
        csi=gains.reshape(len(gains), -1, SUBCARRIERS),
        times_s=times,
        packet_rate_hz=median_rate(file, times) if sample_rate_hz is None else positive_rate(sample_rate_hz),
        columns={"group": np.zeros(len(times), np.int64)},
        group_names=(file.stem,),
    )


def median_rate(file: Path, times_s: npt.NDArray[np.float64]) -> float:
    """Return packets a second by the median time between them; raises `DataError` when there is none."""
    step = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    if not step > 0:
        raise DataError(f"{file}, whose packets have no times", "a packet rate", "give --sample-rate HZ")
    return 1 / step


def measurements(file: Path) -> Measurements:
    """Return the beamforming records of the most frequent shape; raises `DataError` when there is none."""
    raw = np.fromfile(file, dtype=np.uint8)
    starts, ends = _records(raw)
    size = _HEADER.itemsize
    headers = raw[starts[:, None] + np.arange(size)].reshape(-1).view(_HEADER) if len(starts) else np.empty(0, _HEADER)
    shapes = 256 * headers["num_receive"].astype(np.int64) + headers["num_transmit"]
    valid = np.isin(headers["num_receive"], (1, 2, 3)) & np.isin(headers["num_transmit"], (1, 2, 3))
    pairs = headers["num_receive"].astype(np.int64) * headers["num_transmit"]
    lengths = (SUBCARRIERS * (pairs * 16 + 3) + 7) // 8
    valid &= (headers["length"] == lengths) & (starts + size + lengths <= ends)
    if not valid.any():
        raise DataError(
            got=f"{file} with {len(starts)} records, none of them a whole measurement",
            expected="a capture of the Linux 802.11n CSI Tool",
            do="check the file, or name another --format",
        )
    kinds, counts = np.unique(shapes[valid], return_counts=True)
    chosen = valid & (shapes == kinds[counts.argmax()])
    payload = raw[(starts[chosen] + size)[:, None] + np.arange(lengths[chosen][0])]
    return Measurements(headers[chosen], _gains(headers[chosen], payload))


def _records(raw: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where the headers of beamforming records start that lie whole in the file, and where the records end."""
    found, place = [], 0
    while place + 3 <= len(raw):
        length = 256 * int(raw[place]) + int(raw[place + 1])
        end = place + 2 + length
        if raw[place + 2] == _CODE and length > _HEADER.itemsize and end <= len(raw):
            found.append((place + 3, end))
        place = end
    starts, ends = np.array(found, dtype=np.int64).reshape(-1, 2).T
    return starts, ends


def _gains(headers: npt.NDArray[np.void], payload: npt.NDArray[np.uint8]) -> npt.NDArray[np.complex64]:
    """Unpack the bits `[packet, bytes]`, and put each receive chain in the place of the antenna that it was set to."""
    num_receive, num_transmit = int(headers["num_receive"][0]), int(headers["num_transmit"][0])
    per_subcarrier = 16 * num_receive * num_transmit + 3
    bits = np.unpackbits(payload, axis=1, bitorder="little")[:, : SUBCARRIERS * per_subcarrier]
    values = bits.reshape(len(payload), SUBCARRIERS, per_subcarrier)[..., 3:]
    parts = np.packbits(values, axis=-1, bitorder="little").view(np.int8).astype(np.float32)
    pairs = parts.reshape(len(payload), SUBCARRIERS, num_receive, num_transmit, 2)
    gains = (pairs[..., 0] + 1j * pairs[..., 1]).transpose(0, 2, 3, 1)
    chains = np.stack([headers["antennas"] >> shift & 3 for shift in (0, 2, 4)[:num_receive]], 1).astype(np.int64)
    sorted_chains = np.sort(chains, axis=1)
    known = (sorted_chains == np.arange(num_receive)).all(1)  # else the field says nothing
    places = np.where(known[:, None], chains, np.arange(num_receive))
    placed: npt.NDArray[np.complex64] = np.empty(gains.shape, np.complex64)
    np.put_along_axis(placed, places[:, :, None, None], gains, axis=1)
    return placed


def _scaled(found: Measurements) -> npt.NDArray[np.complex64]:
    """Return gains whose square is a signal-to-noise ratio: thermal noise, and half a step of rounding in I and Q."""
    headers, gains = found.headers, found.gains
    rssi = headers["rssi"].astype(np.float64)
    power_mw = np.where(rssi > 0, 10 ** (rssi / 10), 0).sum(1)
    received_mw = power_mw * 10 ** (-(_OFFSET_DB + headers["gain"].astype(np.float64)) / 10)
    power = (np.abs(gains.astype(np.complex128)) ** 2).sum((1, 2, 3))
    scale = np.divide(received_mw * SUBCARRIERS, power, out=np.zeros_like(power), where=power > 0)
    noise_dbm = np.where(headers["noise"] == _NO_NOISE, _USUAL_NOISE_DBM, headers["noise"].astype(np.float64))
    noise = 10 ** (noise_dbm / 10) + scale * gains.shape[1] * gains.shape[2]
    streams = {1: 1.0, 2: np.sqrt(2.0), 3: np.sqrt(10**0.45)}[gains.shape[2]]  # power is shared between streams
    factor = np.divide(scale, noise, out=np.ones_like(scale), where=noise > 0)
    factor_of_each = (streams * np.sqrt(factor)).astype(np.float32)
    scaled: npt.NDArray[np.complex64] = gains * factor_of_each[:, None, None, None]
    return scaled
