"""Window sets in arrays: `.npz` with names that the user gives, decoded batch by batch."""

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from groundwave.contracts import Record
from groundwave.data.columns import uneven
from groundwave.data.raw import existing, required_rate
from groundwave.data.samples import ComplexArray, to_complex
from groundwave.errors import DataError, GroundwaveError, UnknownNameError

Array = npt.NDArray[Any]


class ArrayWindows:
    """A `Source` of windows in any array that takes row numbers: decoded when they are asked for."""

    def __init__(
        self,
        rows: Callable[[npt.NDArray[np.int64]], Array],
        num_records: int,
        *,
        labels: Array | None = None,
        groups: Array | None = None,
        snr_db: Array | None = None,
        sample_rate_hz: float | None = None,
        classes: Sequence[str] = (),
        group_names: Sequence[str] = (),
        further: Mapping[str, Array] | None = None,
    ) -> None:
        """Check the sample rate, and that each column has one value for each window; raises `DataError`.

        Args:
            rows: Returns the windows at row numbers `[B]`, in one of `decode`'s layouts.
            num_records: How many there are.
            labels: Class indices.
            groups: Group indices.
            snr_db: Signal-to-noise ratios.
            sample_rate_hz: The same for all.
            classes: Class names.
            group_names: Group names.
            further: What else each record has, `[N]` or `[N, ...]`, by its name in a record.
        """
        self._rows, self._num_records = rows, num_records
        self.classes, self.group_names = tuple(classes), tuple(group_names)
        unknown = np.full(num_records, -1)
        self.labels = _column("label", unknown if labels is None else labels, num_records, np.int64)
        self.groups = _column("group", unknown if groups is None else groups, num_records, np.int64)
        nan = np.full(num_records, np.nan)
        self._snr_db = _column("snr", nan if snr_db is None else snr_db, num_records, np.float32)
        self._further = {name: torch.from_numpy(np.asarray(values)) for name, values in (further or {}).items()}
        for name, values in self._further.items():
            if len(values) != num_records:
                raise uneven(name, tuple(values.shape), num_records)
        if sample_rate_hz is not None and not 0 < sample_rate_hz < np.inf:
            raise DataError(f"a sample rate of {sample_rate_hz} Hz", "a positive number", "correct --sample-rate")
        self._rate = float("nan") if sample_rate_hz is None else float(sample_rate_hz)

    def __len__(self) -> int:
        return self._num_records

    @property
    def columns(self) -> Mapping[str, Tensor]:
        """What is known of all windows without decoding one: `label`, `group`, `snr_db`, and what else they have."""
        return {"label": self.labels, "group": self.groups, "snr_db": self._snr_db, **self._further}

    def __getitem__(self, indices: Tensor) -> Record:
        """Return the windows at `indices` (int64 `[B]`); raises `DataError` when one is not finite."""
        iq = torch.from_numpy(decode(self._rows(indices.numpy())))
        bad = ~torch.isfinite(torch.view_as_real(iq)).flatten(1).all(1)
        if bad.any():
            raise DataError(
                got=f"a NaN or infinite sample in window {int(indices[bad][0])}",
                expected="finite IQ",
                do="repair or leave out that window",
            )
        return {
            "iq": iq,
            "label": self.labels[indices],
            "group": self.groups[indices],
            "snr_db": self._snr_db[indices],
            **{name: values[indices] for name, values in self._further.items()},
            "sample_rate_hz": torch.full((len(indices),), self._rate, dtype=torch.float64),
            "index": indices,
        }


def decode(windows: Array) -> ComplexArray:
    """Return complex64 `[B, (antenna,) time]` of complex windows, or of real ones with I and Q along an axis of 2.

    Real layouts are `[B, 2, time]` and `[B, time, 2]`. Integers take full scale as 1; unsigned ones are centred (8 bits
    at 127.5).
    """
    if windows.dtype.kind == "c" and windows.ndim in (2, 3):
        return np.ascontiguousarray(windows, dtype=np.complex64)
    if windows.dtype.kind in "iuf" and windows.ndim == 3 and windows.shape[1:].count(2) == 1:
        pairs = windows if windows.shape[2] == 2 else windows.transpose(0, 2, 1)
        return to_complex(np.ascontiguousarray(pairs), True)[..., 0]
    raise DataError(
        got=f"windows of {windows.dtype} and shape {list(windows.shape)}",
        expected="complex [N, time] or [N, antenna, time], or real [N, 2, time] or [N, time, 2]",
        do="name the right array, or reshape it",
    )


def open_npz(
    path: str | PathLike[str],
    *,
    iq: str = "iq",
    label: str | None = None,
    group: str | None = None,
    snr: str | None = None,
    classes: str | None = None,
    group_names: str | None = None,
    sample_rate_hz: float | None = None,
) -> ArrayWindows:
    """Open windows in a `.npz`, each array by the name that it has there.

    Args:
        path: The file. Arrays of objects are refused: they could run code.
        iq: Array of windows, in one of `decode`'s layouts; kept in memory as it is.
        label: Array of class indices or class names, one for each window.
        group: Array of group indices or names (recording, device, room, subject).
        snr: Array of signal-to-noise ratios in dB.
        classes: Array of class names that an integer `label` indexes.
        group_names: Array of group names that an integer `group` indexes.
        sample_rate_hz: The same for all windows; by default the file's array `sample_rate_hz`, which may repeat it.

    Raises:
        DataError: No sample rate, an empty or damaged file, or arrays of different length.
        UnknownNameError: The file has no such array.
    """
    file = existing(path)
    wanted = {"iq": iq, "label": label, "group": group, "snr": snr, "classes": classes, "names": group_names}
    found = npz_arrays(file, wanted)
    if sample_rate_hz is None and "sample_rate_hz" in found:
        sample_rate_hz = one_rate(file, found["sample_rate_hz"])
    windows = found["iq"]
    if not windows.size:
        raise DataError(f"{file} with no window in {iq!r}", "at least one", "name the right array: --iq")
    labels, class_names = named(found.get("label"), found.get("classes"), "class")
    groups, names = named(found.get("group"), found.get("names"), "group")
    decode(windows[:1] if windows.ndim else windows)
    return ArrayWindows(
        lambda rows: np.asarray(windows[rows]),
        len(windows),
        labels=labels,
        groups=groups,
        snr_db=found.get("snr"),
        sample_rate_hz=required_rate(file, sample_rate_hz),
        classes=class_names,
        group_names=names,
    )


def npz_arrays(file: Path, wanted: Mapping[str, str | None]) -> dict[str, Array]:
    """Return arrays of a `.npz` by their role; `sample_rate_hz` too, where the file has it.

    Args:
        file: The file. Arrays of objects are refused: they could run code.
        wanted: The name that each role's array has in the file; None for roles that are not asked for.

    Raises:
        DataError: An empty or damaged file.
        UnknownNameError: The file has no such array.
    """
    with _opened(file) as arrays:
        for name in filter(None, wanted.values()):
            if name not in arrays:
                raise UnknownNameError("array", name, arrays.files)
        rate = {"sample_rate_hz": "sample_rate_hz"} if "sample_rate_hz" in arrays else {}
        return {role: arrays[name] for role, name in {**rate, **wanted}.items() if name}


def npz_names(file: Path) -> list[str]:
    """Return the names of the arrays of a `.npz`; raises `DataError` for an empty or damaged file."""
    with _opened(file) as arrays:
        return list(arrays.files)


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """Open a `.npz`; what is wrong with it or with an array that is read from it becomes a `DataError`."""
    try:
        with file.open("rb") as handle, np.load(handle, allow_pickle=False) as arrays:
            yield arrays
    except (zipfile.BadZipFile, EOFError, OSError, TypeError, AttributeError) as error:
        raise DataError(f"{file} ({error})", "a .npz of arrays", "copy it again") from error
    except ValueError as error:
        if isinstance(error, GroundwaveError):
            raise
        raise DataError(f"{file} ({error})", "arrays of numbers or text", "save it without objects") from error


def named(values: Array | None, names: Array | None, what: str) -> tuple[Array | None, list[str]]:
    """Return (indices, names) of a column of text, or of indices with or without a list of names."""
    names = None if names is None else np.atleast_1d(names)
    if values is None:
        return None, [str(name) for name in names] if names is not None else []
    if values.dtype.kind == "U":
        found, codes = np.unique(values, return_inverse=True)
        return codes, [str(name) for name in found]
    if values.dtype.kind not in "iu":
        raise DataError(f"{what} values of {values.dtype}", "whole numbers or text", "name the right array")
    largest = int(values.max()) if values.size else -1
    known = [str(name) for name in names] if names is not None else [str(i) for i in range(largest + 1)]
    if values.size and (values.min() < -1 or largest >= len(known)):
        raise DataError(
            got=f"{what} indices from {values.min()} to {values.max()}",
            expected=f"-1 (unknown) to {len(known) - 1}, for {len(known)} names",
            do=f"name the array of {what} names that belongs to them",
        )
    return values, known


def _column(name: str, values: Array, num_records: int, dtype: type[np.number[Any]]) -> Tensor:
    if values.shape != (num_records,):
        raise uneven(name, values.shape, num_records)
    if values.dtype.kind not in "iuf":
        raise DataError(f"{name} values of {values.dtype}", "numbers", "name the right array")
    return torch.from_numpy(values.astype(dtype))


def one_rate(path: Path, values: Array) -> float:
    """Return the sample rate that a file's array holds, once or for each window."""
    found = np.unique(values)
    if found.dtype.kind not in "iuf" or len(found) != 1 or not 0 < found[0] < np.inf:
        raise DataError(
            got=f"{path} with sample_rate_hz {np.array2string(found, threshold=4)}",
            expected="one positive rate for all windows",
            do="split the file by rate, or give --sample-rate HZ",
        )
    return float(found[0])
