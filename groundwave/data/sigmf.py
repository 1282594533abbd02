"""SigMF recordings: metadata and data pairs, archives, and metadata beside any other file (non-conforming datasets)."""

import json
import tarfile
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from groundwave.data.recording import Annotation, Capture, Recording
from groundwave.data.samples import FileSamples, count_samples, sample_type
from groundwave.data.typed import COUNT, NUMBER, OBJECT, POSITIVE, TEXT, WHOLE, check_fields
from groundwave.errors import DataError

META, DATA, ARCHIVE = ".sigmf-meta", ".sigmf-data", ".sigmf"
CONFIDENCE = "groundwave:confidence"
REMEDY = "correct the metadata; sigmf_validate tells more"

LISTS = {"captures": OBJECT.each(), "annotations": OBJECT.each()}
GLOBAL = {
    "core:datatype": TEXT,
    "core:sample_rate": POSITIVE,
    "core:num_channels": COUNT,
    "core:dataset": TEXT,
    "core:trailing_bytes": WHOLE,
    "core:extensions": OBJECT.each(),
}
CAPTURE = {"core:sample_start": WHOLE, "core:frequency": NUMBER, "core:header_bytes": WHOLE}
ANNOTATION = {
    "core:sample_start": WHOLE,
    "core:sample_count": WHOLE,
    "core:label": TEXT,
    "core:freq_lower_edge": NUMBER,
    "core:freq_upper_edge": NUMBER,
    CONFIDENCE: NUMBER,
}


def open_sigmf(
    path: str | PathLike[str], *, sample_rate_hz: float | None = None, center_hz: float | None = None
) -> Recording:
    """Open a SigMF recording by its metadata, its data or its (uncompressed) archive; samples stay on disk.

    Real data types become complex with Q = 0. Windows never cross from one capture to the next.

    Args:
        path: `NAME.sigmf-meta`, `NAME.sigmf-data`, `NAME` or `NAME.sigmf`.
        sample_rate_hz: For metadata that carry no rate (they may), or to overrule it.
        center_hz: For captures that carry no frequency.

    Raises:
        DataError: One file of the pair is missing, the metadata are not SigMF's, the data end within a sample, or an
            annotation or capture reaches beyond them.
    """
    file = Path(path)
    if not file.name:
        raise DataError(f"{str(path)!r}, a folder", "a recording", "name one of its files")
    if file.name.endswith((".sigmf.gz", ".sigmf.xz", ".sigmf.zip")):
        raise DataError(f"{file}, a compressed archive", "an uncompressed one", "unpack it first")
    archive = file if file.suffix == ARCHIVE else file.with_name(f"{file.name}{ARCHIVE}")
    if archive.is_file():
        metadata, data, offset, size = _from_archive(archive)
        name = archive.stem
    else:
        meta = meta_path(file)
        metadata, name = load_metadata(meta), meta.name.removesuffix(META)
        data, offset = _data_path(meta, metadata), 0
        size = data.stat().st_size
    return _recording(name, metadata, data, (offset, size), sample_rate_hz, center_hz)


def meta_path(path: Path) -> Path:
    """Return where the metadata of a recording lie; raises `DataError` when they are missing."""
    meta = path.with_suffix(META) if path.suffix in (META, DATA) else path.with_name(f"{path.name}{META}")
    if not meta.is_file():
        raise DataError(
            got=f"{path} without {meta.name}",
            expected="data and metadata side by side",
            do="find the metadata, or read the data as raw IQ: --format raw --datatype TYPE --sample-rate HZ",
        )
    return meta


def load_metadata(source: Path | str, name: str = "") -> dict[str, Any]:
    """Parse metadata (a file, or its text called `name`) through the SigMF library; raises `DataError`.

    Every field that Groundwave reads has its type checked here, and nowhere else.
    """
    import sigmf

    where = name or str(source)
    try:
        text = source.read_text() if isinstance(source, Path) else source
        parsed = json.loads(text)
    except ValueError as error:
        raise _not_sigmf(where, error) from error
    check_fields({"the file": parsed}, {"the file": OBJECT}, where, do=REMEDY)
    check_fields(parsed, {"global": OBJECT, **LISTS}, where, required=["global"], do=REMEDY)
    check_fields(parsed["global"], GLOBAL, f"{where}, global", required=["core:datatype"], do=REMEDY)
    for part, kinds in (("captures", CAPTURE), ("annotations", ANNOTATION)):
        for fields in parsed.setdefault(part, []):
            check_fields(fields, kinds, f"{where}, {part}", required=["core:sample_start"], do=REMEDY)
    try:
        return dict(sigmf.SigMFFile(metadata=parsed).ordered_metadata())
    except (ValueError, KeyError, TypeError, AttributeError, sigmf.error.SigMFError) as error:
        raise _not_sigmf(where, error) from error


def _not_sigmf(where: str, error: Exception) -> DataError:
    return DataError(
        got=f"{where}, which is not SigMF metadata ({type(error).__name__}: {error})",
        expected="JSON with global (and core:datatype), captures and annotations",
        do=REMEDY,
    )


def _data_path(meta: Path, metadata: Mapping[str, Any]) -> Path:
    """Return the data file: what `core:dataset` names, or the one beside the metadata."""
    named = metadata["global"].get("core:dataset")
    if named is not None and Path(named).name != named:
        raise DataError(f"{meta} with core:dataset {named!r}", "a file name in the same folder", "correct it")
    data = meta.with_name(named) if named else meta.with_suffix(DATA)
    if not data.is_file():
        raise DataError(
            got=f"{meta} without its data {data.name}",
            expected="data and metadata side by side",
            do="put the data file beside the metadata",
        )
    return data


def _from_archive(archive: Path) -> tuple[dict[str, Any], Path, int, int]:
    """Return (metadata, archive, offset and size of the samples in it): the archive is read in place."""
    try:
        with tarfile.open(archive, mode="r:") as tar:
            members = [member for member in tar.getmembers() if member.isfile()]
            metas = [member for member in members if member.name.endswith(META)]
            if len(metas) != 1:
                raise DataError(
                    got=f"{archive} with {len(metas)} recordings", expected="exactly one", do="unpack it: tar xf"
                )
            handle = tar.extractfile(metas[0])
            assert handle is not None
            metadata = load_metadata(handle.read().decode(errors="replace"), f"{archive}:{metas[0].name}")
    except tarfile.TarError as error:
        raise DataError(f"{archive} ({error})", "an uncompressed tar archive", "copy it again, or unpack it") from error
    named = metadata["global"].get("core:dataset")
    wanted = named or Path(metas[0].name).with_suffix(DATA).name
    found = [member for member in members if Path(member.name).name == wanted]
    if not found:
        raise DataError(f"{archive} without {wanted}", "data and metadata in one archive", "copy it again")
    return metadata, archive, found[0].offset_data, found[0].size


def _recording(
    name: str,
    metadata: dict[str, Any],
    data: Path,
    extent: tuple[int, int],
    sample_rate_hz: float | None,
    center_hz: float | None,
) -> Recording:
    head = metadata["global"]
    rate = sample_rate_hz if sample_rate_hz is not None else head.get("core:sample_rate")
    if rate is None:
        raise DataError(f"{data}, whose metadata carry no sample rate", "one", "give --sample-rate HZ")
    kind, channels = sample_type(head["core:datatype"]), head.get("core:num_channels", 1)
    captures = metadata["captures"] or [{"core:sample_start": 0}]
    headers = [capture.get("core:header_bytes", 0) for capture in captures]
    foreign = sum(headers) + head.get("core:trailing_bytes", 0)
    count = count_samples(data, extent[1] - foreign, kind, channels)
    starts = [capture["core:sample_start"] for capture in captures]
    if starts != sorted(set(starts)) or starts[0] < 0 or starts[-1] >= count:
        raise DataError(
            got=f"captures that start at {starts} in {data}",
            expected=f"ascending starts within its {count} samples",
            do="check that metadata and data belong together, and the data type",
        )
    step = kind.num_bytes * channels
    stretches = tuple(
        (start, extent[0] + sum(headers[: i + 1]) + (start - starts[0]) * step) for i, start in enumerate(starts)
    )
    return Recording(
        name=name,
        path=data,
        sample_rate_hz=float(rate),
        num_samples=count,
        num_channels=channels,
        samples=FileSamples(data, kind, channels, ((0, stretches[0][1]), *stretches[1:]), count),
        captures=_captures(captures, center_hz),
        annotations=tuple(_annotation(a, count) for a in metadata["annotations"]),
        metadata=metadata,
    )


def _captures(captures: Sequence[Mapping[str, Any]], center_hz: float | None) -> tuple[Capture, ...]:
    tuned = [Capture(c["core:sample_start"], c.get("core:frequency", center_hz), _rest(c)) for c in captures]
    # Samples before the first capture belong to no tuning that we know of.
    return tuple(tuned) if tuned[0].start == 0 else (Capture(0), *tuned)


def _annotation(fields: Mapping[str, Any], num_samples: int) -> Annotation:
    start = fields["core:sample_start"]
    return Annotation(
        start=start,
        count=fields.get("core:sample_count", max(0, num_samples - start)),
        label=fields.get("core:label"),
        low_hz=fields.get("core:freq_lower_edge"),
        high_hz=fields.get("core:freq_upper_edge"),
        confidence=fields.get(CONFIDENCE),
        extra=_rest(fields),
    )


def _rest(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that have no attribute of their own."""
    own = ("sample_start", "sample_count", "label", "freq_lower_edge", "freq_upper_edge", "frequency", "header_bytes")
    return {key: value for key, value in fields.items() if key not in (*(f"core:{name}" for name in own), CONFIDENCE)}
