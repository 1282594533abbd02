"""Frames of LTE and NR with a label for each cell, as MATLAB's spectrum sensing example and the radio ViT have them."""

import re
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from groundwave.contracts import Record
from groundwave.data.matlab import load_mat
from groundwave.errors import DataError

CLASSES = ("NR", "LTE")
AXES = ("time freq", "freq time")
LEVELS = (0, 127, 255)  # noise, NR, LTE
_FRAME = "LTE_NR_spect_frame_"
_LABELS = "LTE_NR_labels_frame_"


class SpectrumFrames:
    """A `Source` of `spec` and `mask` in files: read when they are asked for."""

    classes = CLASSES

    def __init__(self, files: list[Path], *, spec: str, mask: str, axes: str) -> None:
        self._files, self._names, self._turned = files, (spec, mask), axes == AXES[0]
        self.group_names = tuple(file.stem for file in files)
        self.labels = torch.full((len(files),), -1)
        self.groups = torch.arange(len(files))
        self._shape = self._read(files[0])[0].shape

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the frames at `indices` (int64 `[B]`); raises `DataError` for a broken file."""
        rows = indices.reshape(-1)
        frames = [self._read(self._files[row], self._shape) for row in rows.tolist()]
        return {
            "spec": torch.from_numpy(np.stack([spec for spec, _ in frames])),
            "mask": torch.from_numpy(np.stack([mask for _, mask in frames])),
            "label": self.labels[rows],
            "group": self.groups[rows],
            "snr_db": torch.full((len(rows),), torch.nan),
            "sample_rate_hz": torch.full((len(rows),), torch.nan, dtype=torch.float64),
            "index": rows,
        }

    def _read(
        self, file: Path, shape: tuple[int, ...] | None = None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
        spec = load_mat(file, self._names[0])
        shape = shape[::-1] if shape and self._turned else shape
        levels = load_mat(file.with_name(file.name.replace(_FRAME, _LABELS)), self._names[1])
        if spec.ndim != 2 or spec.dtype.kind not in "iuf" or shape not in (None, spec.shape):
            raise DataError(
                got=f"{file} with {self._names[0]} of {spec.dtype} and shape {list(spec.shape)}",
                expected=f"real numbers [rows, columns]{f' of shape {list(shape)}' if shape else ''}",
                do="leave out that file, or name another array",
            )
        spec = spec.astype(np.float32)
        if not np.isfinite(spec).all():
            raise DataError(f"{file} with a cell that is not finite", "decibels", "leave out that file")
        mask = resized(as_classes(levels, file), spec.shape)
        return (spec.T.copy(), mask.T.copy()) if self._turned else (spec, mask)


def open_spectrum_frames(
    path: str | PathLike[str], *, spec: str = "rxSpectrogram", mask: str = "data", axes: str = AXES[0]
) -> SpectrumFrames:
    """Open `LTE_NR_spect_frame_N.mat` with `LTE_NR_labels_frame_N.mat` beside it: a frame, or a folder of them by N.

    Labels 0, 127 and 255 become 0 (noise), 1 (NR) and 2 (LTE). Labels of another size than their frame are brought to
    it by the nearest neighbour: any other interpolation would make classes that nobody put there.

    Args:
        path: A frame's file, or a folder of them.
        spec: Array of decibels, frequency ascending; taken as they are.
        mask: Array of labels.
        axes: What the rows and columns of both are: `time freq`, as MATLAB's example writes them, or `freq time`.

    Raises:
        DataError: No frame, or one that holds something else.
        UnknownNameError: A file has no such array.
    """
    root = Path(path)
    files = [*root.glob(f"{_FRAME}*.mat")] if root.is_dir() else [root]
    if not files or not all(re.fullmatch(rf"{_FRAME}\w+\.mat", file.name) for file in files):
        raise DataError(f"{root}", f"{_FRAME}N.mat, or a folder of such files", "check the path")
    if axes not in AXES:
        raise DataError(f"axes {axes!r}", f"one of {', '.join(map(repr, AXES))}", "say how the arrays lie")
    files.sort(key=lambda file: (len(file.name), file.name))  # 9 before 10
    return SpectrumFrames(files, spec=spec, mask=mask, axes=axes)


def as_classes(levels: npt.NDArray[np.generic], file: Path) -> npt.NDArray[np.uint8]:
    """Return 0, 1, 2 for 0, 127, 255; raises `DataError` for any other label."""
    found = np.unique(levels)
    if levels.ndim != 2 or not np.isin(found, LEVELS).all():
        raise DataError(
            got=f"labels of {file} with values {found[:6].tolist()} and shape {list(levels.shape)}",
            expected=f"two axes of {', '.join(map(str, LEVELS))}",
            do="make the labels again; smoothed or resized ones have values in between",
        )
    return np.searchsorted(LEVELS, levels).astype(np.uint8)


def resized(mask: npt.NDArray[np.uint8], shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Return labels on a grid of another size: each cell has that of the nearest cell's centre."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.int64) for new, old in zip(shape, mask.shape, strict=True)
    )
    out: npt.NDArray[np.uint8] = mask[rows[:, None], columns]
    return out
