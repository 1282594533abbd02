"""HDF5 files of unknown origin: opened, and only what lies in them read."""

from pathlib import Path
from typing import Any

from groundwave.errors import DataError


def opened(file: Path) -> Any:
    """Open a file for reading, as a context manager; raises `DataError` where it is no HDF5, or not whole."""
    import h5py

    try:
        return h5py.File(file, "r")
    except OSError as error:
        raise DataError(f"{file} ({error})", "an HDF5 file", "copy it again") from error


def arrays(handle: Any) -> dict[str, Any]:
    """Return the arrays of an open file by name, those outside of its groups.

    A link out of the file, or data kept elsewhere, would let a file from anywhere name any file of this machine, whose
    content would then pass for records: neither counts as an array.
    """
    import h5py

    here = [name for name in handle if isinstance(handle.get(name, getlink=True), h5py.HardLink)]
    return {name: handle[name] for name in here if is_array(handle[name])}


def is_array(found: Any) -> bool:
    """Return whether an object of an open file is an array whose data the file itself holds."""
    import h5py

    return isinstance(found, h5py.Dataset) and not found.external and not found.is_virtual
