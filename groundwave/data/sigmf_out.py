"""Writing SigMF: recordings, and annotations beside a recording that never touch the user's own metadata."""

import copy
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from groundwave import __version__
from groundwave.atomic import full_disk_told, write_atomically
from groundwave.data.recording import Annotation, Capture, Recording, check_range
from groundwave.data.samples import ComplexArray, FileSamples, encode, sample_type
from groundwave.data.sigmf import CONFIDENCE, DATA, META
from groundwave.errors import DataError, OutputExistsError

GENERATOR = f"groundwave {__version__}"
EXTENSION = {"name": "groundwave", "version": __version__, "optional": True}


def write_sigmf(
    path: str | PathLike[str],
    iq: ComplexArray,
    sample_rate_hz: float,
    *,
    captures: Sequence[Capture] = (Capture(0),),
    annotations: Sequence[Annotation] = (),
    datatype: str = "cf32_le",
    description: str | None = None,
) -> Path:
    """Write `NAME.sigmf-data` and `NAME.sigmf-meta`; each appears whole, the metadata last.

    Args:
        path: NAME, with or without either suffix.
        iq: Complex samples `[time]` or `[channel, time]`.
        sample_rate_hz: Complex samples per second.
        captures: Where each tuning starts; the first at 0.
        annotations: What is where.
        datatype: A complex SigMF type; integers take full scale as 1.
        description: Free text.

    Returns:
        The path of the metadata.

    Raises:
        DataError: Samples not finite or beyond full scale, an annotation beyond the end, or a full disk.
        OutputExistsError: One of the two files exists.
    """
    import sigmf

    base = Path(path)
    base = base.with_suffix("") if base.suffix in (META, DATA) else base
    meta, data = base.with_name(f"{base.name}{META}"), base.with_name(f"{base.name}{DATA}")
    for target in (meta, data):
        if target.exists():
            raise OutputExistsError(target)
    channels = np.atleast_2d(iq)
    if not np.isfinite(channels).all():
        raise DataError("a NaN or infinite sample", "finite IQ", "repair it before writing")
    for annotation in annotations:
        check_range(annotation, channels.shape[1], data)
    with full_disk_told(data):
        write_atomically(data, encode(channels.T, datatype))
        head = {
            "core:datatype": sample_type(datatype).name,
            "core:sample_rate": float(sample_rate_hz),
            "core:num_channels": len(channels),
            "core:sha512": sigmf.hashing.calculate_sha512(filename=data),
            "core:recorder": GENERATOR,
            "core:version": sigmf.__specification__,
            **({"core:description": description} if description else {}),
        }
        _save(meta, {"global": head, "captures": [_capture(c) for c in captures]}, annotations)
    return meta


def write_annotations(
    recording: Recording,
    annotations: Sequence[Annotation],
    out: str | PathLike[str] | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Write annotations beside a recording as SigMF metadata that point at its data (`core:dataset`).

    The user's own fields, captures and annotations are kept before ours; ours carry `core:generator` and, if known,
    `groundwave:confidence`. Works for any recording: raw files and WAV become non-conforming datasets, and what SigMF
    cannot describe byte by byte (some `.npy`) gets metadata only.

    Args:
        recording: As opened by a reader.
        annotations: What to add.
        out: Where to write; by default `NAME.groundwave.sigmf-meta` in the recording's folder. Elsewhere, the metadata
            still name the data file, which SigMF tools look for in the same folder.
        overwrite: Replace an earlier file of ours; the user's own metadata are never replaced.

    Returns:
        The path written.

    Raises:
        OutputExistsError: The target exists.
        DataError: An annotation beyond the recording's end, or a full disk.
    """
    target = Path(out) if out is not None else recording.path.with_name(f"{recording.name}.groundwave{META}")
    if target.suffix != META:
        raise DataError(f"{target}", f"a name that ends in {META}", "choose such a name")
    if target.exists() and not (overwrite and _is_ours(target)):
        raise OutputExistsError(target)
    for annotation in annotations:
        check_range(annotation, recording.num_samples, recording.path)
    ours = [replace(a, extra={**a.extra, "core:generator": GENERATOR}) for a in annotations]
    with full_disk_told(target):
        _save(target, _described(recording), ours)
    return target


def _is_ours(path: Path) -> bool:
    try:
        return str(json.loads(path.read_text())["global"].get("groundwave:version", "")) != ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def _described(recording: Recording) -> dict[str, Any]:
    """Return metadata for a recording's data file, starting from the user's own."""
    import sigmf

    metadata = copy.deepcopy(dict(recording.metadata or {"annotations": []}))
    head = metadata.setdefault("global", {"core:version": sigmf.__specification__})
    captures = metadata.get("captures") or [_capture(c) for c in recording.captures]
    head.setdefault("core:sample_rate", recording.sample_rate_hz)
    if recording.num_channels > 1:
        head.setdefault("core:num_channels", recording.num_channels)
    if isinstance(recording.samples, FileSamples):
        _point_at(recording.path, recording.samples, head, captures)
    else:
        head |= {"core:datatype": "cf32_le", "core:metadata_only": True}
    head["groundwave:version"] = __version__
    declared = [extension for extension in head.get("core:extensions", []) if extension.get("name") != "groundwave"]
    head["core:extensions"] = [*declared, EXTENSION]
    return {**metadata, "captures": captures}


def _point_at(path: Path, samples: FileSamples, head: dict[str, Any], captures: list[dict[str, Any]]) -> None:
    """Name the data file, and say which of its bytes are not samples (a WAV's or an archive's header)."""
    head |= {"core:datatype": samples.kind.name, "core:dataset": path.name}
    step = samples.kind.num_bytes * samples.num_channels
    before = samples.stretches[0][1]
    headers = sum(capture.get("core:header_bytes", 0) for capture in captures[1:])
    after = path.stat().st_size - before - headers - samples.num_samples * step
    if before or after:
        captures[0]["core:header_bytes"] = before
        head["core:trailing_bytes"] = after
        head.pop("core:sha512", None)  # it was the hash of an archive's member, not of this whole file


def _save(path: Path, metadata: Mapping[str, Any], annotations: Sequence[Annotation]) -> None:
    """Add annotations, check with the official validator, and write."""
    import sigmf

    everything = [*metadata.get("annotations", []), *(_fields(annotation) for annotation in annotations)]
    full = {**metadata, "annotations": sorted(everything, key=lambda fields: fields["core:sample_start"])}
    if any(CONFIDENCE in fields for fields in everything):
        declared = full["global"].get("core:extensions", [])
        if EXTENSION not in declared:
            full["global"] = {**full["global"], "core:extensions": [*declared, EXTENSION]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # extensions that the user's own metadata do not declare
        checked = sigmf.SigMFFile(metadata=full)
        try:
            checked.validate()
        except Exception as error:  # the library raises jsonschema's errors, which are no dependency of ours
            raise DataError(
                got=f"metadata that SigMF's validator refuses ({str(error).splitlines()[0]})",
                expected="valid SigMF",
                do="correct the recording's own metadata: sigmf_validate tells more",
            ) from error
    write_atomically(path, f"{checked.dumps()}\n".encode())


def _capture(capture: Capture) -> dict[str, Any]:
    frequency = {} if capture.center_hz is None else {"core:frequency": float(capture.center_hz)}
    return {"core:sample_start": capture.start, **frequency, **capture.extra}


def _fields(annotation: Annotation) -> dict[str, Any]:
    optional = {
        "core:label": annotation.label,
        "core:freq_lower_edge": annotation.low_hz,
        "core:freq_upper_edge": annotation.high_hz,
        CONFIDENCE: annotation.confidence,
    }
    known = {key: value for key, value in optional.items() if value is not None}
    return {"core:sample_start": annotation.start, "core:sample_count": annotation.count, **known, **annotation.extra}
