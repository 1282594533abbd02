"""WAV with two channels, I left and Q right, as SDR programs write it; read in place, whatever its length."""

import struct
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from groundwave.data.raw import existing
from groundwave.data.recording import Capture, Recording
from groundwave.data.samples import FileSamples, count_samples, sample_type
from groundwave.errors import DataError

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
TYPES = {(PCM, 8): "cu8", (PCM, 16): "ci16_le", (PCM, 32): "ci32_le", (FLOAT, 32): "cf32_le", (FLOAT, 64): "cf64_le"}
UNKNOWN_SIZE = (0, 0xFFFFFFFF)  # what programs leave that stream, or write more than 4 GB


def open_wav(
    path: str | PathLike[str], *, sample_rate_hz: float | None = None, center_hz: float | None = None
) -> Recording:
    """Open a two-channel WAV of 8, 16 or 32-bit integers or 32 or 64-bit floats.

    Args:
        path: The file.
        sample_rate_hz: Overrides what the file says, if given.
        center_hz: Centre frequency, if known.

    Raises:
        DataError: Not a WAV, another number of channels or bits, empty or cut short.
    """
    file = existing(path)
    with file.open("rb") as handle:
        layout, rate, offset, size = _parse(handle, file)
    kind = sample_type(layout)
    count = count_samples(file, size, kind, 1)
    return Recording(
        name=file.stem,
        path=file,
        sample_rate_hz=rate if sample_rate_hz is None else sample_rate_hz,
        num_samples=count,
        num_channels=1,
        samples=FileSamples(file, kind, 1, ((0, offset),), count),
        captures=(Capture(0, center_hz),),
    )


def _parse(file: BinaryIO, path: Path) -> tuple[str, float, int, int]:
    """Return (sample type, rate, offset and size of the samples) from the RIFF chunks."""
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RF64") or head[8:12] != b"WAVE":
        raise DataError(f"{path}, which is not a WAV file", "RIFF/WAVE", "give the right --format or --datatype")
    total, layout, rate = path.stat().st_size, "", 0
    while len(chunk := file.read(8)) == 8:
        name, size = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        if name == b"fmt ":
            layout, rate = _format(file.read(size), path)
        elif name == b"data" and layout:
            offset = file.tell()
            size = total - offset if size in UNKNOWN_SIZE else size
            if offset + size > total:
                break
            return layout, rate, offset, size
        else:
            file.seek(size, 1)
        file.seek(size % 2, 1)  # chunks are padded to an even length
    raise DataError(f"{path}, which is cut short", "a complete fmt and data chunk", "copy the file again")


def _format(fmt: bytes, path: Path) -> tuple[str, int]:
    if len(fmt) < 16:
        raise DataError(f"{path} with a fmt chunk of {len(fmt)} bytes", "at least 16", "copy the file again")
    tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", fmt[:16])
    if tag == EXTENSIBLE and len(fmt) >= 26:
        tag = struct.unpack("<H", fmt[24:26])[0]
    if channels != 2 or (tag, bits) not in TYPES:
        raise DataError(
            got=f"{path} with {channels} channel(s) of {bits} bits, format {tag}",
            expected="two channels (I, Q) of 8, 16 or 32-bit integers or 32 or 64-bit floats",
            do="convert it; a one-channel WAV is receiver audio, not IQ",
        )
    return TYPES[tag, bits], rate
