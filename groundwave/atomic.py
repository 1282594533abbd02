"""Writing that leaves either the old file or the new one, never half of one."""

import errno
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groundwave.errors import BusyError, DataError, OutputExistsError

if sys.platform != "win32":
    import fcntl


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hex, reading it once in small pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_output(path: Path | None, new: bool = True) -> None:
    """Raise, before any work is done, unless a path can be written to.

    Args:
        path: a file or folder; None is one that the command chooses itself.
        new: whether it must not exist yet.

    Raises:
        OutputExistsError: it exists.
        DataError: it cannot be made.
    """
    if path is None:
        return
    if new and path.exists():
        raise OutputExistsError(path)
    home = next(folder for folder in (path if path.is_dir() else path.parent, *path.parents) if folder.exists())
    if not home.is_dir() or not os.access(home, os.W_OK | os.X_OK):
        what = "a folder that you may not write to" if home.is_dir() else "a file"
        raise DataError(f"the output {path}, but {home} is {what}", "a path that can be made", "choose another path")


def sync(path: Path) -> None:
    """Force a file or a folder's entries to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content`: a temporary file beside it, synced, then renamed over it."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner can read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync(path.parent)


@contextmanager
def folder_atomically(target: Path) -> Iterator[Path]:
    """Make the folder `target` whole or not at all: yields where to make it; synced and renamed at the end.

    Raises:
        OutputExistsError: `target` exists.
        DataError: The disk is full.
    """
    if target.exists():
        raise OutputExistsError(target)
    with full_disk_told(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        around = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            draft = around / target.name
            yield draft
            for path in [*draft.rglob("*"), draft]:
                sync(path)
            draft.rename(target)
            sync(target.parent)
        finally:
            shutil.rmtree(around, ignore_errors=True)


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a folder's writer lock; a second writer is refused rather than left to wait or to overwrite."""
    if sys.platform == "win32":
        yield
        return
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(folder) from None
        yield


@contextmanager
def full_disk_told(target: Path) -> Iterator[None]:
    """Turn the operating system's *no space left* into an error that says what was kept and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DataError(
            got=f"no space left on the disk while writing {target}",
            expected="room for the new records",
            do="free some space and run the same command again; what was there before is unharmed",
        ) from error
