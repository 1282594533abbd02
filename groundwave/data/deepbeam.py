"""DeepBeam (Polese, Restuccia and Melodia, 2021): which of its beams a 60 GHz transmitter uses, from IQ.

A file holds one long row of samples, far larger than memory, and beside each sample what it was sent and received with.
They go by gain, beam, (angle,) frame, block, sample. So settings change at few places, which are found by bisection,
and samples are read block by block.
"""

import re
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from groundwave.data.hdf5 import arrays, opened
from groundwave.data.raw import existing
from groundwave.data.windows import ArrayWindows
from groundwave.errors import DataError

NUM_SAMPLES = 2048  # of a block
NUM_BLOCKS = 15  # of a frame of SiBeam's front-ends
PI_RADIO = (5, 5)  # beams of the Pi-Radio set, blocks of its frames
_REQUIRED = ("iq", "gain", "tx_beam", "rx_beam")
_CHECKED = 8  # places of a run at which its settings are looked up again

Setting = tuple[Any, ...]


def open_deepbeam(
    path: str | PathLike[str],
    *,
    sample_rate_hz: float | None = None,
    num_samples: int = NUM_SAMPLES,
    blocks_per_frame: int | None = None,
) -> ArrayWindows:
    """Open DeepBeam HDF5: `iq` `[N, 2]` with `tx_beam`, `rx_beam`, `gain` and perhaps `angle`, each `[N]`, on disk.

    A record is a block, its label the beam of the transmitter, its group the frame. `rx_beam`, `gain_db` (NaN where the
    file names gains in words), `front_end` (the transmitter's, after `tx-ant-` in the file's name; -1 without) and,
    where the file has it, `angle` `[1, 2]` in radians come along.

    Args:
        path: The `.h5` file.
        sample_rate_hz: Of the receiver; the files do not tell.
        num_samples: Samples of a block.
        blocks_per_frame: Blocks of a frame; by default 5 where there are five beams (Pi-Radio), else 15.

    Raises:
        DataError: Other arrays, arrays of different length or in another order, or frames that are not whole.
    """
    file = existing(path)
    with opened(file) as handle:
        known = _checked_arrays(file, handle)
        total, rest = divmod(len(known["iq"]), num_samples)
        names = [name for name in (*_REQUIRED[1:], "angle") if name in known]
        columns = {name: known[name] for name in names}
        runs = _runs(total, lambda block: tuple(_plain(columns[name][block * num_samples]) for name in names))
        beams = sorted({int(setting[1]) for _, _, setting in runs})
        if blocks_per_frame is None:
            blocks_per_frame = PI_RADIO[1] if len(beams) == PI_RADIO[0] else NUM_BLOCKS
        if rest or any((stop - start) % blocks_per_frame for start, stop, _ in runs):
            raise DataError(
                got=f"{file} with {len(known['iq'])} samples in {len(runs)} settings",
                expected=f"whole frames of {blocks_per_frame} blocks of {num_samples} samples in each",
                do="ingest with --reader.num-samples and --reader.blocks-per-frame, or copy the file again",
            )
        _check_runs(file, columns, runs, num_samples)
    counts = np.array([stop - start for start, stop, _ in runs])
    settings = {name: np.repeat([setting[k] for *_, setting in runs], counts) for k, name in enumerate(names)}
    frame = np.arange(total) // blocks_per_frame
    found = re.search(r"tx-ant-(\d+)", file.stem)
    return ArrayWindows(
        _Blocks(file, num_samples),
        total,
        labels=settings["tx_beam"].astype(np.int64),
        groups=frame,
        sample_rate_hz=sample_rate_hz,
        classes=[str(beam) for beam in range(beams[-1] + 1)],
        group_names=[f"{file.stem}/{k}" for k in range(int(frame[-1]) + 1)],
        further=_further(settings, int(found[1]) if found else -1),
    )


def _checked_arrays(file: Path, handle: Any) -> dict[str, Any]:
    """Return the samples and the settings beside them."""
    known = {name: array for name, array in arrays(handle).items() if name in (*_REQUIRED, "angle")}
    shapes = {name: tuple(array.shape) for name, array in known.items()}
    num = next(iter(shapes.get("iq", (0,))), 0)
    wanted = {name: ((num, 2),) if name == "iq" else ((num,), (num, 1)) for name in known}
    if not num or not set(_REQUIRED) <= set(known) or any(shapes[name] not in wanted[name] for name in known):
        raise DataError(
            got=f"{file} with {', '.join(f'{name} {list(shape)}' for name, shape in shapes.items()) or 'none of them'}",
            expected="iq [N, 2], and tx_beam, rx_beam and gain [N]",
            do="check the file",
        )
    return known


def _plain(value: Any) -> Any:
    """Return a number as a float, text as text, of an entry that may be an array of one."""
    value = np.asarray(value).reshape(-1)[0]
    return value.decode() if isinstance(value, bytes) else value if isinstance(value, str) else float(value)


def _runs(total: int, setting: Callable[[int], Setting]) -> list[tuple[int, int, Setting]]:
    """Return (first block, block after the last, setting) of each run, by wider and wider steps and then bisection.

    As no setting comes up twice, a block with the setting of the first one lies in the same run.
    """
    runs: list[tuple[int, int, Setting]] = []
    start = 0
    while start < total:
        here, known, step = setting(start), start, 1
        while known + step < total and setting(known + step) == here:
            known, step = known + step, 2 * step
        other = min(known + step, total)
        while other - known > 1:
            middle = (known + other) // 2
            known, other = (middle, other) if setting(middle) == here else (known, middle)
        runs.append((start, other, here))
        start = other
    return runs


def _check_runs(file: Path, columns: Mapping[str, Any], runs: list[tuple[int, int, Setting]], num_samples: int) -> None:
    """Raise `DataError` where a setting comes up twice, or a run holds another one."""
    ordered = len({setting for *_, setting in runs}) == len(runs)
    for start, stop, setting in runs if ordered else []:
        places = np.unique(np.linspace(start * num_samples, stop * num_samples - 1, _CHECKED).astype(np.int64))
        found = {tuple(_plain(column[place]) for column in columns.values()) for place in places.tolist()}
        ordered = ordered and found == {setting}
    if not ordered:
        raise DataError(
            got=f"{file}, whose settings come and go",
            expected="samples by gain, then beam, (angle,) frame and block, as published",
            do="sort the file, or cut it into files of one setting each",
        )


def _further(settings: Mapping[str, npt.NDArray[Any]], front_end: int) -> dict[str, npt.NDArray[Any]]:
    """Return the columns beside labels and groups."""
    num, gain = len(settings["gain"]), settings["gain"]
    known = gain if gain.dtype.kind == "f" else np.full(num, np.nan)
    columns: dict[str, npt.NDArray[Any]] = {
        "rx_beam": settings["rx_beam"].astype(np.int64),
        "gain_db": known.astype(np.float32),
        "front_end": np.full(num, front_end, dtype=np.int64),
    }
    if "angle" in settings:
        azimuth = np.radians(settings["angle"]).astype(np.float32)
        columns["angle"] = np.stack([azimuth, np.zeros_like(azimuth)], -1)[:, None]
    return columns


class _Blocks:
    """Reads blocks of `iq`; the file is opened in whichever process asks, as HDF5 handles do not survive a fork."""

    def __init__(self, path: Path, num_samples: int) -> None:
        self._path, self._num_samples = path, num_samples

    def __call__(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Return blocks `[B, time, 2]`, those that follow each other in one read."""
        unique, inverse = np.unique(rows, return_inverse=True)
        ends = np.flatnonzero(np.diff(unique) > 1) + 1
        with opened(self._path) as file:
            iq, length = arrays(file)["iq"], self._num_samples
            pieces = [
                iq[part[0] * length : (part[-1] + 1) * length].reshape(len(part), length, 2)
                for part in np.split(unique, ends)
                if len(part)
            ]
            whole = np.concatenate(pieces) if pieces else np.empty((0, length, 2), np.float32)
        return np.asarray(whole[inverse.reshape(-1)])
