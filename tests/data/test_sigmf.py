"""SigMF in and out: captures, channels, archives, annotations, and every way in which a pair can be broken."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sigmf
from fake import wav
from fake.records import no_space
from fake.sigmf import pack, ramp, write_pair
from sigmf import validate

from groundwave.data import open_source, sigmf_out
from groundwave.data.cut import RecordingWindows
from groundwave.data.recording import Annotation, Capture
from groundwave.data.sigmf_out import write_annotations, write_sigmf
from groundwave.errors import DataError, OutputExistsError

NOTE = {"core:sample_start": 10, "core:sample_count": 20, "core:label": "user", "core:comment": "kept"}


def assert_valid(meta: Path) -> None:
    """Run the official validator; it exits when it finds a fault."""
    validate.main((str(meta),))


@pytest.mark.parametrize("ending", ["sigmf-meta", "sigmf-data", ""])
def test_a_pair_opens_by_any_of_its_names(tmp_path: Path, ending: str) -> None:
    write_pair(tmp_path, ramp(50).tobytes(), annotations=[NOTE])
    path = tmp_path / (f"fake.{ending}" if ending else "fake")
    recording = open_source(path)
    assert (recording.name, recording.num_samples, recording.center_hz) == ("fake", 50, 433.92e6)
    note = recording.annotations[0]
    assert (note.start, note.count, note.label, note.extra) == (10, 20, "user", {"core:comment": "kept"})


def test_an_archive_is_read_in_place(tmp_path: Path) -> None:
    iq = ramp(500)
    recording = open_source(pack(write_pair(tmp_path, iq.tobytes())))
    np.testing.assert_array_equal(recording.read(100, 300)[0], iq[100:400, 0])
    assert recording.name == "fake"


def test_an_archive_by_the_official_library(tmp_path: Path) -> None:
    iq = ramp(70)[:, 0]
    made = sigmf.fromarray(iq)
    made.sample_rate = 1e6
    made.tofile(tmp_path / "lib.sigmf")
    np.testing.assert_array_equal(open_source(tmp_path / "lib.sigmf").read(0, 70)[0], iq)


def test_captures_have_their_own_tuning_and_windows_do_not_cross(tmp_path: Path) -> None:
    captures = [{"core:sample_start": s, "core:frequency": f} for s, f in ((0, 1e9), (25, 2e9), (60, 3e9))]
    recording = open_source(write_pair(tmp_path, ramp(100).tobytes(), captures=captures))
    assert [c.center_hz for c in recording.captures] == [1e9, 2e9, 3e9]
    assert recording.center_hz is None
    starts = [int(s) for batch in recording.windows(10) for s in batch["start"]]
    assert starts == [0, 10, 25, 35, 45, 60, 70, 80, 90]


def test_foreign_bytes_of_a_nonconforming_dataset_are_skipped(tmp_path: Path) -> None:
    iq = ramp(30)
    data = b"HEAD" + iq[:20].tobytes() + b"MIDDLE" + iq[20:].tobytes() + b"END"
    captures = [{"core:sample_start": 0, "core:header_bytes": 4}, {"core:sample_start": 20, "core:header_bytes": 6}]
    meta = write_pair(tmp_path, data, captures=captures, trailing_bytes=3, dataset="other.bin")
    np.testing.assert_array_equal(open_source(meta).read(5, 25)[0], iq[5:, 0])


def test_annotations_label_windows(tmp_path: Path) -> None:
    notes = [
        {"core:sample_start": 0, "core:sample_count": 15, "core:label": "b"},
        {"core:sample_start": 20, "core:sample_count": 4, "core:label": "a"},
        {"core:sample_start": 24, "core:sample_count": 6, "core:label": "b"},
        {"core:sample_start": 30, "core:label": "a"},
        {"core:sample_start": 35, "core:sample_count": 2},
    ]
    windows = RecordingWindows(open_source(write_pair(tmp_path, ramp(50).tobytes(), annotations=notes)), 10)
    assert windows.classes == ("a", "b")
    assert windows.labels.tolist() == [1, 1, 1, 0, 0]
    none = RecordingWindows(open_source(write_pair(tmp_path, ramp(50).tobytes(), annotations=notes[:1])), 12, hop=10)
    assert none.labels.tolist() == [0, -1, -1, -1]


def broken(folder: Path, kind: str) -> Path:
    raw = ramp(50).tobytes()
    if kind == "no data":
        return write_pair(folder, None)
    if kind == "no metadata":
        write_pair(folder, raw).unlink()
        return folder / "fake.sigmf-data"
    if kind == "odd":
        return write_pair(folder, raw[:-1])
    if kind == "empty":
        return write_pair(folder, b"")
    if kind == "wrong type":
        return write_pair(folder, ramp(51).tobytes(), "cf64_le")
    if kind == "unknown type":
        return write_pair(folder, raw, "cx32_le")
    if kind == "no rate":
        return write_pair(folder, raw, sample_rate=None)
    if kind == "annotation beyond":
        return write_pair(folder, raw, annotations=[{"core:sample_start": 40, "core:sample_count": 11}])
    if kind == "capture beyond":
        return write_pair(folder, raw, captures=[{"core:sample_start": 0}, {"core:sample_start": 50}])
    if kind == "dataset missing":
        return write_pair(folder, None, dataset="gone.dat")
    if kind == "dataset elsewhere":
        return write_pair(folder, None, dataset="../../etc/passwd")
    meta = write_pair(folder, raw)
    meta.write_text({"not json": "{", "not sigmf": '{"a": 1}', "a list": "[]"}[kind])
    return meta


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no data", "without its data fake.sigmf-data.*put the data file"),
        ("no metadata", "without fake.sigmf-meta.*find the metadata"),
        ("odd", "399 bytes.*multiple of 8"),
        ("empty", "0 bytes"),
        ("wrong type", "408 bytes.*multiple of 16.*check the data type"),
        ("unknown type", "unknown datatype 'cx32_le'"),
        ("no rate", "no sample rate.*--sample-rate"),
        ("annotation beyond", "samples 40 to 51.*within the recording's 50"),
        ("capture beyond", r"captures that start at \[0, 50\]"),
        ("dataset missing", "without its data gone.dat"),
        ("dataset elsewhere", "same folder"),
        ("not json", "not SigMF metadata"),
        ("not sigmf", "no global"),
        ("a list", "an object"),
    ],
)
def test_broken_recordings_are_refused(tmp_path: Path, kind: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_source(broken(tmp_path, kind))


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        *(("global", "core:num_channels", value) for value in ("two", 0, -1, 1.5, True, None)),
        *(("global", "core:sample_rate", value) for value in ("fast", 0, -1e6, float("inf"), float("nan"), 10**400)),
        *(("global", "core:dataset", value) for value in (5, ["fake.sigmf-data"])),
        *(("global", "core:extensions", value) for value in ("text", ["text"], {})),
        ("global", "core:trailing_bytes", "x"),
        ("global", "core:datatype", 5),
        *(("captures", "core:header_bytes", value) for value in ("x", -8, 1.0)),
        ("captures", "core:frequency", "high"),
        *(("captures", "core:sample_start", value) for value in ("0", -1, None)),
        *(("annotations", "core:sample_start", value) for value in ("0", -1, 1.5)),
        *(("annotations", "core:sample_count", value) for value in (None, "9", 9.7)),
        *(("annotations", "core:label", value) for value in (5, ["a"])),
        ("annotations", "core:freq_lower_edge", "low"),
        ("annotations", "groundwave:confidence", "sure"),
    ],
)
def test_a_field_of_another_type_is_named(tmp_path: Path, part: str, field: str, value: Any) -> None:
    meta = write_pair(tmp_path, ramp(50).tobytes(), annotations=[NOTE])
    content = json.loads(meta.read_text())
    (content[part] if part == "global" else content[part][0])[field] = value
    meta.write_text(json.dumps(content))
    with pytest.raises(DataError, match=f"{part} with {field} .*; correct the metadata"):
        open_source(meta)


@pytest.mark.parametrize("part", ["captures", "annotations"])
@pytest.mark.parametrize("value", [5, [5], {"a": 1}])
def test_a_part_of_another_type_is_named(tmp_path: Path, part: str, value: Any) -> None:
    meta = write_pair(tmp_path, ramp(50).tobytes())
    meta.write_text(json.dumps({**json.loads(meta.read_text()), part: value}))
    with pytest.raises(DataError, match=f"with {part} .*a list"):
        open_source(meta)


@pytest.mark.parametrize("missing", ["core:datatype", "core:sample_start"])
def test_a_missing_field_is_named(tmp_path: Path, missing: str) -> None:
    meta = write_pair(tmp_path, ramp(50).tobytes())
    meta.write_text(meta.read_text().replace(missing, "core:other"))
    with pytest.raises(DataError, match=f"with no {missing}"):
        open_source(meta)


@pytest.mark.parametrize("grid", [1, 3])
@pytest.mark.parametrize("order", ["_le", "_be"])
def test_floats_in_the_wrong_byte_order_or_type_are_refused(tmp_path: Path, grid: int, order: str) -> None:
    """On a coarse grid swapped floats vanish, else they explode; swapped integers cannot be told from noise."""
    other = {"_le": "_be", "_be": "_le"}[order]
    raw = sigmf_out.encode(ramp(500) / np.float32(grid), f"cf32{order}")
    with pytest.raises(DataError, match="byte order"):
        open_source(write_pair(tmp_path, raw, f"cf32{other}")).read(0, 500)
    wide = sigmf_out.encode(ramp(500) / np.float32(grid), f"ci16{order}")
    with pytest.raises(DataError, match="data type"):
        open_source(write_pair(tmp_path, wide, f"cf32{order}")).read(0, 250)


def test_a_broken_archive_is_refused(tmp_path: Path) -> None:
    archive = pack(write_pair(tmp_path, ramp(50).tobytes()))
    archive.write_bytes(b"no tar" * 1000)
    with pytest.raises(DataError, match="uncompressed tar"):
        open_source(archive)


@pytest.mark.parametrize("datatype", ["cf32_le", "ci16_be", "cu8"])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_we_write_is_valid_and_reads_back(tmp_path: Path, datatype: str, channels: int) -> None:
    iq = ramp(80, channels).T * 0.5
    notes = [Annotation(30, 5, "late"), Annotation(2, 10, "early", 1e6, 2e6, 0.75, {"core:comment": "x"})]
    captures = [Capture(0, 1e9), Capture(40, 2e9)]
    meta = write_sigmf(tmp_path / "out", iq, 1e6, captures=captures, annotations=notes, datatype=datatype)
    assert_valid(meta)
    back = open_source(meta)
    np.testing.assert_allclose(back.read(0, 80), iq, atol=1 / 128)
    assert back.captures == tuple(captures)
    assert back.annotations == tuple(sorted(notes, key=lambda note: note.start))


def test_writing_refuses_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    iq = ramp(10)[:, 0]
    with pytest.raises(DataError, match="within the recording's 10"):
        write_sigmf(tmp_path / "x", iq, 1e6, annotations=[Annotation(5, 6)])
    with pytest.raises(DataError, match="NaN or infinite"):
        write_sigmf(tmp_path / "x", iq * np.complex64(np.nan), 1e6)
    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(DataError, match="no space left"):
        write_sigmf(tmp_path / "x", iq, 1e6)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
    write_sigmf(tmp_path / "x", iq, 1e6)
    with pytest.raises(OutputExistsError):
        write_sigmf(tmp_path / "x", iq, 1e6)


def recorded(folder: Path, kind: str) -> tuple[Path, dict[str, Any]]:
    """Return a recording of 50 samples of each kind that annotations may stand beside, and how to open it."""
    if kind == "pair":
        return write_pair(folder, ramp(50).tobytes(), annotations=[NOTE]), {}
    if kind == "archive":
        return pack(write_pair(folder, ramp(50).tobytes(), annotations=[NOTE])), {}
    if kind == "wav":
        return wav.write(folder / "x.wav", (ramp(50)[:, 0].view(np.float32) * 128).astype(np.int16).reshape(-1, 2)), {}
    if kind == "npy":
        np.save(folder / "x.npy", ramp(50)[:, 0])
        return folder / "x.npy", {"sample_rate_hz": 1e6}
    (folder / "x.cu8").write_bytes(bytes(range(100)))
    return folder / "x.cu8", {"sample_rate_hz": 1e6, "center_hz": 1e9}


@pytest.mark.parametrize("kind", ["pair", "archive", "wav", "npy", "raw"])
def test_annotations_beside_any_recording(tmp_path: Path, kind: str) -> None:
    path, options = recorded(tmp_path, kind)
    before = {file: hashlib.sha256(file.read_bytes()).digest() for file in tmp_path.iterdir()}
    recording = open_source(path, **options)
    out = write_annotations(recording, [Annotation(5, 30, "QPSK", confidence=0.9), Annotation(40, 10, "BPSK")])
    assert out == tmp_path / f"{recording.name}.groundwave.sigmf-meta"
    assert {file: hashlib.sha256(file.read_bytes()).digest() for file in before} == before
    assert_valid(out)
    metadata = json.loads(out.read_text())
    labels = [note["core:label"] for note in metadata["annotations"]]
    assert labels == (["QPSK", "user", "BPSK"] if kind in ("pair", "archive") else ["QPSK", "BPSK"])
    ours = metadata["annotations"][0]
    assert ours["core:generator"].startswith("groundwave")
    assert ours["groundwave:confidence"] == 0.9
    assert "groundwave" in [extension["name"] for extension in metadata["global"]["core:extensions"]]
    if kind != "npy":
        theirs = sigmf.fromfile(out, skip_checksum=True).read_samples(0, 50)
        np.testing.assert_allclose(open_source(out).read(0, 50), recording.read(0, 50))
        np.testing.assert_allclose(np.real(theirs), recording.read(0, 50)[0].real, atol=0.01)


def test_annotations_are_never_written_over_the_users_own(tmp_path: Path) -> None:
    meta = write_pair(tmp_path, ramp(50).tobytes(), annotations=[NOTE])
    recording = open_source(meta)
    for overwrite in (False, True):
        with pytest.raises(OutputExistsError):
            write_annotations(recording, [], meta, overwrite=overwrite)
    out = write_annotations(recording, [])
    with pytest.raises(OutputExistsError):
        write_annotations(recording, [])
    write_annotations(recording, [Annotation(0, 5, "again")], overwrite=True)
    assert [note.label for note in open_source(out).annotations] == ["again", "user"]
    with pytest.raises(DataError, match="within the recording's 50"):
        write_annotations(recording, [Annotation(45, 6)], tmp_path / "y.sigmf-meta")
    with pytest.raises(DataError, match=r"ends in .sigmf-meta"):
        write_annotations(recording, [], tmp_path / "y.json")
