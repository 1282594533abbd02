"""Records from disk: one reader a format, the store, splits, episodes, loaders.

`READERS` maps a format to its reader ("module:function", imported when used); `open_source` chooses one by the file's
name. A reader returns a `Recording` (long IQ, read window by window), a `PacketStream` (long CSI) or a source of
windows.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any

from groundwave.errors import DataError, lookup

READERS: Mapping[str, str] = {
    "sigmf": "groundwave.data.sigmf:open_sigmf",
    "raw": "groundwave.data.raw:open_raw",
    "npy": "groundwave.data.raw:open_npy",
    "wav": "groundwave.data.wav:open_wav",
    "npz": "groundwave.data.windows:open_npz",
    "radioml-2016": "groundwave.data.radioml:open_radioml_2016",
    "radioml-2018": "groundwave.data.radioml:open_radioml_2018",
    "csi-npz": "groundwave.data.csi_npz:open_csi_npz",
    "deepbeam": "groundwave.data.deepbeam:open_deepbeam",
    "deepsense": "groundwave.data.deepsense:open_deepsense",
    "esp32": "groundwave.data.esp32:open_esp32",
    "intel5300": "groundwave.data.intel5300:open_intel5300",
    "ntu-fi": "groundwave.data.ntu_fi:open_ntu_fi",
    "nyu-depth-v2": "groundwave.data.nyu_depth:open_nyu_depth_v2",
    "picture-pairs": "groundwave.data.picture_pairs:open_picture_pairs",
    "spectrum-frames": "groundwave.data.spectrum_frames:open_spectrum_frames",
    "ut-har": "groundwave.data.ut_har:open_ut_har",
    "store": "groundwave.data.store:open_iq",
}

SUFFIXES: Mapping[str, str] = {
    ".sigmf": "sigmf",
    ".sigmf-meta": "sigmf",
    ".sigmf-data": "sigmf",
    **dict.fromkeys((".cu8", ".cs8", ".ci8", ".cs16", ".ci16", ".cu16", ".cs32", ".ci32"), "raw"),
    **dict.fromkeys((".cf32", ".cf64", ".cfile", ".fc32"), "raw"),
    **dict.fromkeys((".iq", ".dat", ".bin", ".raw", ".data"), "raw"),
    ".npy": "npy",
    ".wav": "wav",
    ".npz": "npz",
    ".pkl": "radioml-2016",
    ".hdf5": "radioml-2018",
    ".h5": "radioml-2018",
}

# Files of formats that must be named (`--format`), because files of other kinds end in the same: what to look for in
# a folder, patterns apart by spaces.
NAMED_FILES: Mapping[str, str] = {
    "csi-npz": "*.npz",
    "deepbeam": "*.h5",
    "deepsense": "*.npz",
    "esp32": "*.csv",
    "intel5300": "*.dat",
    "ntu-fi": "*.mat",
    "nyu-depth-v2": "nyu_depth_v2_labeled.mat",
    "picture-pairs": "*rgb* *color* *colour*",
    "spectrum-frames": "LTE_NR_spect_frame_*.mat",
    "ut-har": "X_*.csv",
}


def open_source(path: str | PathLike[str], *, format: str | None = None, **options: Any) -> Any:
    """Open a file or a store with the reader for its format.

    Args:
        path: What to open.
        format: A name in `READERS`; by default chosen by the file's suffix, or its metadata beside it.
        options: For the reader: `sample_rate_hz`, `datatype`, `iq`, `label`, ...

    Returns:
        A `Recording`, a `PacketStream`, or a source of windows (`ArrayWindows`, `CSIWindows`, `Store`).

    Raises:
        UnknownNameError: No such format.
        DataError: The format cannot be told, or the reader refuses the file.
    """
    return reader(format or format_of(path))(path, **options)


def reader(format: str) -> Callable[..., Any]:
    """Return the reader called `format`; raises `UnknownNameError`."""
    module, _, name = lookup(READERS, format, "format").partition(":")
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]


def format_of(path: str | PathLike[str]) -> str:
    """Return the format of a path by its name and what lies beside it; raises `DataError` when they do not tell."""
    file = Path(path)
    if (file / "manifest.json").is_file():
        return "store"
    if file.name and file.with_name(f"{file.name}.sigmf-meta").is_file():
        return "sigmf"
    if file.is_dir():
        raise DataError(f"{str(path)!r}, a folder", "a file or a store", "make a store of it: groundwave ingest")
    suffix = file.suffix.lower()
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    if not file.exists():
        raise DataError(f"{file}, which does not exist", "an existing recording", "check the path")
    raise DataError(
        got=f"{file}, whose format its name does not tell",
        expected=f"a suffix among {', '.join(SUFFIXES)}",
        do=f"give --format, one of {', '.join(READERS)}",
    )
