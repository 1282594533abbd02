"""A store's table of contents: what its parts hold, where they came from, and how to tell that one is damaged."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from groundwave.atomic import sha256, write_atomically
from groundwave.data.typed import COUNT, OBJECT, POSITIVE, TEXT, WHOLE, check_fields, one_of
from groundwave.errors import DataError

FILE_NAME = "manifest.json"
FORMAT_VERSION = 1
DTYPES = ("int16", "float32")
ARRAY_DTYPES = ("bool", "uint8", "int16", "int32", "int64", "float32", "float64", "complex64")
REMEDY = "restore it from a copy, or ingest the sources again"

FIELDS = {
    "classes": TEXT.each(),
    "num_samples": COUNT.or_null(),
    "num_antennas": COUNT.or_null(),
    "dtype": one_of(DTYPES),
    "sample_rate_hz": POSITIVE.or_null(),
    "extra": TEXT.each(),
    "groundwave": TEXT,
    "group_names": TEXT.each().or_null(),
    "sources": OBJECT.each(),
    "parts": OBJECT.each(),
    "notes": OBJECT,
}
ARRAY = {"dtype": one_of(ARRAY_DTYPES), "shape": COUNT.each()}
PART = {"name": TEXT, "num_records": COUNT, "files": OBJECT.each()}
FILE = {"path": TEXT, "size": WHOLE, "sha256": TEXT}


@dataclass(frozen=True)
class PartFile:
    """One file of a part, with what proves it whole."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Part:
    """An immutable run of records: a zarr group in the folder `name`."""

    name: str
    num_records: int
    files: tuple[PartFile, ...]


@dataclass(frozen=True)
class Array:
    """Type and shape of what one record has of a stored array."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says; replaced as a whole, never edited in place."""

    classes: tuple[str, ...]
    num_samples: int | None  # None: no IQ
    num_antennas: int | None
    dtype: str
    sample_rate_hz: float | None
    extra: tuple[str, ...]
    groundwave: str
    group_names: tuple[str, ...] | None = ()  # None: groups have numbers only
    sources: tuple[Mapping[str, Any], ...] = ()
    parts: tuple[Part, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)  # besides IQ
    format: int = FORMAT_VERSION

    @property
    def num_records(self) -> int:
        """Records in all parts."""
        return sum(part.num_records for part in self.parts)

    def with_parts(
        self, parts: Sequence[Part], group_names: tuple[str, ...] | None, sources: Sequence[Mapping[str, Any]]
    ) -> Self:
        """Return a copy that also lists `parts` and `sources`."""
        known = [s for s in sources if s not in self.sources]
        return replace(
            self,
            parts=(*self.parts, *parts),
            group_names=group_names,
            sources=(*self.sources, *known),
        )

    def save(self, folder: Path) -> None:
        """Replace the folder's manifest atomically."""
        write_atomically(folder / FILE_NAME, json.dumps(asdict(self), indent=1).encode())

    def shapes(self) -> str:
        """Return in words what a record holds, such as "1024 samples, csi 3 x 30 x 200"."""
        iq = [f"{self.num_samples} samples"] if self.num_samples else []
        return ", ".join(iq + [f"{name} {' x '.join(map(str, array.shape))}" for name, array in self.arrays.items()])

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a folder's manifest; raises `DataError` when it is not a store's."""
        path = folder / FILE_NAME
        if not path.is_file():
            raise DataError(f"{folder}, which has no {FILE_NAME}", "a Groundwave store", "make one: groundwave ingest")
        try:
            raw = json.loads(path.read_text())
            version = raw["format"]
            if version != FORMAT_VERSION:
                raise DataError(
                    got=f"{path} of format {version}",
                    expected=f"format {FORMAT_VERSION}",
                    do="read it with the Groundwave version that wrote it, or ingest the sources again",
                )
            _check(raw, path)
            parts = tuple(
                Part(p["name"], p["num_records"], tuple(PartFile(**file) for file in p["files"])) for p in raw["parts"]
            )
            lists = {
                key: tuple(raw[key]) for key in ("classes", "extra", "group_names", "sources") if raw[key] is not None
            }
            arrays = {name: Array(a["dtype"], tuple(a["shape"])) for name, a in raw.get("arrays", {}).items()}
            return cls(**{**raw, **lists, "parts": parts, "arrays": arrays})
        except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise DataError(
                got=f"{path}, which cannot be understood ({type(error).__name__}: {error})",
                expected="a manifest written by Groundwave",
                do=REMEDY,
            ) from error


def _check(raw: dict[str, Any], path: Path) -> None:
    """Raise `DataError` for the first field of another type than the one we write."""
    check_fields(raw, FIELDS, str(path), required=tuple(FIELDS), do=REMEDY)
    check_fields(raw, {"arrays": OBJECT}, str(path), do=REMEDY)  # stores of the first version have none
    for array in raw.get("arrays", {}).values():
        check_fields({"arrays": array}, {"arrays": OBJECT}, str(path), do=REMEDY)
        check_fields(array, ARRAY, f"{path}, arrays", required=tuple(ARRAY), do=REMEDY)
    if raw["num_samples"] is None and not raw.get("arrays"):
        raise DataError(f"{path} with neither num_samples nor arrays", "what its records hold", REMEDY)
    for part in raw["parts"]:
        check_fields(part, PART, f"{path}, parts", required=tuple(PART), do=REMEDY)
        for file in part["files"]:
            check_fields(file, FILE, f"{path}, files", required=tuple(FILE), do=REMEDY)


def describe_files(folder: Path, part: str) -> tuple[PartFile, ...]:
    """List every file of a part with its size and hash."""
    files = sorted(path for path in (folder / part).rglob("*") if path.is_file())
    return tuple(PartFile(path.relative_to(folder).as_posix(), path.stat().st_size, sha256(path)) for path in files)


def check_files(folder: Path, manifest: Manifest, *, hashes: bool) -> None:
    """Raise `DataError` naming each missing or damaged file; sizes always, contents when `hashes`.

    zarr returns fill values for a missing chunk, so that a lost shard would read as silence: this is the guard.
    """
    bad = []
    for file in (file for part in manifest.parts for file in part.files):
        path = folder / file.path
        if not path.is_file():
            bad.append(f"{file.path} (missing)")
        elif path.stat().st_size != file.size:
            bad.append(f"{file.path} ({path.stat().st_size} bytes instead of {file.size})")
        elif hashes and sha256(path) != file.sha256:
            bad.append(f"{file.path} (its content has changed)")
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise DataError(
            got=f"a damaged store {folder}: {', '.join(bad[:3])}{more}",
            expected="every file that its manifest lists, unchanged",
            do=REMEDY,
        )
