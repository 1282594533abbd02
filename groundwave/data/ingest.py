"""Turning any files into a store, window by window; an interrupted run goes on where it stopped."""

import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from groundwave.atomic import sha256
from groundwave.contracts import Record
from groundwave.data import NAMED_FILES, SUFFIXES, format_of
from groundwave.data import reader as reader_of
from groundwave.data.csi import CSIWindows, PacketStream
from groundwave.data.cut import RecordingWindows
from groundwave.data.draft import draft
from groundwave.data.manifest import Array
from groundwave.data.named import NamedSource
from groundwave.data.part import WHOLE_NUMBERS, arrays
from groundwave.data.recording import Recording
from groundwave.data.spectrograms import Spectrograms, Transform
from groundwave.data.store import Store
from groundwave.data.writer import Appender
from groundwave.errors import DataError, OutputExistsError

BATCH_BYTES = 32 << 20  # IQ decoded at once
WINDOW = 1024  # samples of a window by default
KEPT = ("spec", "phase", "csi", "mask", "power", "position", "angle", "rgb", "depth")  # copied as they are
Progress = Callable[[int, int], None]


def ingest(
    sources: Sequence[Path],
    out: Path,
    sample_rate: float | None = None,
    num_samples: int | None = None,
    hop: int | None = None,
    format: str | None = None,
    datatype: str | None = None,
    num_channels: int | None = None,
    center: float | None = None,
    iq: str | None = None,
    csi: str | None = None,
    axes: str | None = None,
    scale: str | None = None,
    label: str | None = None,
    group: str | None = None,
    room: str | None = None,
    user: str | None = None,
    snr: str | None = None,
    classes: str | None = None,
    group_names: str | None = None,
    dtype: str = "int16",
    spectrogram: int | None = None,
    num_frames: int | None = None,
    frame_hop: int | None = None,
    average: int | None = None,
    window: str | None = None,
    phase: bool = False,
    reader: Mapping[str, Any] = MappingProxyType({}),
    progress: Progress | None = None,
) -> Store:
    """Turn recordings or window sets into a training store.

    Works in `OUT.partial`, renamed at the end. After an interruption the same command goes on from the last whole part;
    another command is refused. A data file that is named twice (or by SigMF metadata, too) is read once. Records
    without any power teach nothing, and models refuse them: they are left out, and `notes["silent"]` in the manifest
    counts them.

    Args:
        sources: Files or folders (searched for files of a known format).
        out: The store to make; it must not exist.
        sample_rate: Hz; required where a file does not say.
        num_samples: Window length for recordings; 1024 by default. Spectrograms bring their own.
        hop: Samples from one window to the next; the window's length by default, so that nothing is left out and, of
            spectrograms, the frames go on from one to the next.
        format: A name in READERS; by default told by each file's name.
        datatype: Sample type of raw files: cu8, cs8, cs16, cf32, ...
        num_channels: Interleaved channels of raw files.
        center: Centre frequency of recordings that do not say, Hz.
        iq: Array of windows in a .npz.
        csi: Array of CSI in a .npz (see `open_csi_npz`).
        axes: Its axes after the first; or those of a spectrum frame.
        scale: Array of what multiplies it.
        label: Array of labels in a .npz; for recordings, "folder" labels each by the folder that holds it.
        group: Array of groups in a .npz.
        room: Array of rooms in a .npz of CSI.
        user: Array of people in a .npz of CSI.
        snr: Array of SNRs in dB in a .npz.
        classes: Array of class names in a .npz.
        group_names: Array of group names in a .npz.
        dtype: int16 or float32 in the store, for IQ.
        spectrogram: Cells in frequency: keep spectrograms (`spec`, decibels) instead of IQ. `notes["spectrogram"]` in
            the manifest says what the cells mean.
        num_frames: Cells in time of a spectrogram, 256 by default.
        frame_hop: Samples from one window to the next; as many as cells in frequency by default.
        average: Windows whose mean power makes a frame of a spectrogram, 1 by default.
        window: What weighs each frame, a name in `WINDOWS`: hann by default.
        phase: Keep phases, too, as a further array `phase` (radians).
        reader: Further arguments of the format's reader, such as `metres_per_count`.
        progress: Called with (records done, records in all).

    Returns:
        The store, opened.

    Raises:
        OutputExistsError: `out` exists.
        DataError: A source is broken, silent or does not fit the others, options mean nothing, another command left
            `OUT.partial`, or the disk is full.
    """
    if out.exists():
        raise OutputExistsError(out)
    transform = _transform(spectrogram, num_samples, (num_frames, frame_hop, average), window, phase)
    length = transform.num_samples if transform else num_samples or WINDOW
    files = find_files(sources, format)
    options = {
        "sample_rate_hz": sample_rate,
        "datatype": datatype,
        "num_channels": num_channels,
        "center_hz": center,
        "iq": iq,
        "csi": csi,
        "axes": axes,
        "scale": scale,
        "label": label,
        "group": group,
        "room": room,
        "user": user,
        "snr": snr,
        "classes": classes,
        "group_names": group_names,
        **reader,
    }
    _refuse_useless(files, format, options, label == "folder")
    step = transform.step if transform and hop is None else hop
    by_file = _each_once(files, lambda file: _open(file, format, options, length, step, label == "folder"))
    files, opened = list(by_file), list(by_file.values())
    _tell_apart(files, opened)
    if transform:
        opened = [Spectrograms(source, transform) for source in opened]
    plan = {
        "files": [[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in files],
        **options,
        "format": format,
        "num_samples": length,
        "hop": hop,
        "dtype": dtype,
        **({"spectrogram": asdict(transform)} if transform else {}),
    }
    layout = {
        "classes": list(dict.fromkeys(name for source in opened for name in source.classes)),
        **_layout(opened[0][torch.tensor([0])]),
        "dtype": dtype,
        "notes": {"spectrogram": transform.told()} if transform else {},
    }
    with draft(out, "ingest", plan, **layout) as store:
        _copy(opened, store, [_provenance(file) for file in files], progress)
        _note_silent(store, sum(map(len, opened)))
    return Store.open(out)


def _transform(
    spectrogram: int | None,
    num_samples: int | None,
    counts: tuple[int | None, int | None, int | None],
    window: str | None,
    phase: bool,
) -> Transform | None:
    """Return how IQ becomes spectrograms, None where it stays; raises `DataError` for options that mean nothing."""
    if spectrogram is not None:
        if num_samples is not None:
            raise DataError("num_samples for spectrograms", "a number of frames", "give --num-frames instead")
        return Transform.chosen(spectrogram, *counts, window, phase)
    if any(choice is not None for choice in (*counts, window)) or phase:
        raise DataError(
            got="options of spectrograms for a store of IQ",
            expected="--spectrogram NUM_FREQS with them",
            do="name the number of frequencies, or leave them out",
        )
    return None


def _layout(record: Record) -> dict[str, Any]:
    """Return the arguments of `Store.create` for records like this one."""
    iq = record.get("iq")
    kept = {name: record[name] for name in KEPT if name in record}
    return {
        "num_samples": None if iq is None else iq.shape[-1],
        "num_antennas": iq.shape[1] if iq is not None and iq.ndim == 3 else None,
        "arrays": {
            name: Array(str(values.dtype).removeprefix("torch."), tuple(values.shape[1:]))
            for name, values in kept.items()
        },
        "extra": [name for name in (*WHOLE_NUMBERS, "gain_db") if name in record],
    }


def find_files(sources: Sequence[Path], format: str | None = None) -> list[Path]:
    """Return the files to read, those of folders by their names; raises `DataError` if none.

    Args:
        sources: Files and folders.
        format: A name in READERS; where it is one of NAMED_FILES, its files alone are looked for.
    """
    pattern = NAMED_FILES.get(format or "")
    files: list[Path] = []
    for source in map(Path, sources):
        if source.is_dir() and not (source / "manifest.json").is_file():
            found = {path for one in (pattern or "*").split() for path in source.rglob(one)}
            inside = sorted(path for path in found if path.is_file())
            known = [path for path in inside if pattern or path.suffix.lower() in SUFFIXES]
            files += [path for path in known if ".groundwave." not in path.name]
        elif source.exists():
            files.append(source)
        else:
            raise DataError(f"{source}, which does not exist", "an existing file or folder", "check the path")
    if not files:
        raise DataError(
            got=f"no recording in {', '.join(map(str, sources)) or '(nothing)'}",
            expected=f"files {pattern}" if pattern else f"files that end in one of {', '.join(SUFFIXES)}",
            do="name the files, with --format where needed",
        )
    return files


def _each_once(files: Sequence[Path], open_file: Callable[[Path], NamedSource]) -> dict[Path, NamedSource]:
    """Open each data file once, whatever names it: the same records in two groups would leak across every split.

    Metadata come first, as they say more about the data than the data file's own name.
    """
    opened: dict[Path, NamedSource] = {}
    known: set[Path] = set()
    for file in sorted(files, key=lambda file: file.suffix != ".sigmf-meta"):
        if file.resolve() in known:
            continue
        source = open_file(file)
        data = (source.recording.path if isinstance(source, RecordingWindows) else file).resolve()
        if data not in known:
            known.add(data)
            opened[file] = source
    return {file: opened[file] for file in files if file in opened}


def _open(
    file: Path, format: str | None, options: Mapping[str, Any], num_samples: int, hop: int | None, by_folder: bool
) -> NamedSource:
    """Open one file with the options that its reader takes, and cut it when it is a recording."""
    read = reader_of(format or format_of(file))
    takes = signature(read).parameters
    given = {k: v for k, v in options.items() if k in takes and v is not None and not (by_folder and k == "label")}
    source = read(file, **given)
    if isinstance(source, Recording):
        label = file.resolve().parent.name if by_folder else None
        return RecordingWindows(source, num_samples, hop=hop, label=label)
    if isinstance(source, PacketStream):
        return source.windows(num_samples, hop, label=file.resolve().parent.name if by_folder else None)
    if by_folder:
        raise DataError(
            got=f"--label folder for {file}, which holds windows",
            expected="recordings, each labelled by the folder that holds it",
            do="name its array of labels: --label NAME",
        )
    return source  # type: ignore[no-any-return]


def _refuse_useless(files: Sequence[Path], format: str | None, options: Mapping[str, Any], by_folder: bool) -> None:
    """Refuse an option that no reader takes: labels that are silently left out would be missed much later."""
    taken = {name for file in files for name in signature(reader_of(format or format_of(file))).parameters}
    useless = [k for k, v in options.items() if v is not None and k not in taken and not (by_folder and k == "label")]
    if useless:
        raise DataError(
            got=f"{', '.join(useless)}, which mean nothing for these files",
            expected="options that one of the files' formats has",
            do="leave them out, or name the format: --format",
        )


def _tell_apart(files: Sequence[Path], opened: Sequence[NamedSource]) -> None:
    """Name recordings of the same name after their folders too, so that they stay different groups."""
    common = os.path.commonpath([file.resolve().parent for file in files])
    alike = Counter(tuple(source.group_names) for source in opened)
    for file, source in zip(files, opened, strict=True):
        same = len(source.group_names) == 1 and alike[tuple(source.group_names)] > 1
        if isinstance(source, RecordingWindows | CSIWindows) and same:
            source.group_names = (file.resolve().relative_to(common).as_posix(),)


def _provenance(file: Path) -> dict[str, Any]:
    if file.is_dir():  # a store: its manifest vouches for the rest
        file = file / "manifest.json"
    return {"path": str(file), "size": file.stat().st_size, "sha256": sha256(file)}


def _copy(
    opened: Sequence[NamedSource], store: Store, sources: Sequence[Mapping[str, Any]], progress: Progress | None
) -> None:
    done, total = int(store.manifest.notes.get("num_read", len(store))), sum(map(len, opened))
    held = 4 * sum(math.prod(array.shape) for array in arrays(store.manifest).values())
    made_of = max((source.record_bytes for source in opened if isinstance(source, Spectrograms)), default=0)
    batch = max(1, BATCH_BYTES // max(held, made_of))
    with store.appender(sources=sources, commit_each_part=True) as appender:
        first = 0
        for source in opened:
            codes = torch.tensor([*(store.classes.index(name) for name in source.classes), -1])
            for start in range(max(0, done - first), len(source), batch):
                rows = torch.arange(start, min(start + batch, len(source)))
                _add(source, rows, first, codes, appender)
                done += len(rows)
                if progress:
                    progress(done, total)
            first += len(source)


def _add(source: NamedSource, rows: Tensor, first: int, codes: Tensor, appender: Appender) -> None:
    """Copy rows that are not silent, with labels in the store's own numbering (the last of `codes` is unlabelled)."""
    record = source[rows]
    loud = _loud(record)
    kept = {name: values[loud] for name, values in {**record, "index": first + rows}.items()}
    groups = [source.group_names[code] if code >= 0 else None for code in kept["group"].tolist()]
    appender.add({**kept, "label": codes[kept["label"]]}, groups=groups)


def _loud(record: Record) -> Tensor:
    """Return which records hold any power, of a spectrogram: any contrast.

    What holds NaN is kept: of IQ the appender refuses it, of anything else the models do.
    """
    x = next((record[name] for name in ("iq", "csi", "power", "rgb") if name in record), None)
    if x is None:
        cells = record["spec"].flatten(1)
        return cells.amax(1) != cells.amin(1)
    return x.abs().square().flatten(1).mean(1) != 0


def _note_silent(store: Store, num_read: int) -> None:
    """Note in the manifest how many records were left out; raises `DataError` when no other was there."""
    if not len(store):
        raise DataError(f"{num_read} records, all without any power", "a signal or noise", "check the recordings")
    notes = {**store.manifest.notes, "num_read": num_read, "silent": num_read - len(store)}
    replace(store.manifest, notes=notes).save(store.path)
