"""Raw files, WAV and npy: what is read, and what is refused with a remedy."""

from pathlib import Path

import numpy as np
import pytest
from fake import wav
from fake.sigmf import ramp
from scipy.io import wavfile

from groundwave.data import SUFFIXES, format_of, open_source
from groundwave.data.recording import Recording
from groundwave.data.samples import ALIASES
from groundwave.errors import DataError, UnknownNameError


def write(path: Path, content: bytes | np.ndarray) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.tobytes())
    return path


@pytest.mark.parametrize(
    ("suffix", "dtype", "scale", "middle"),
    [("cu8", "u1", 128, 127.5), ("cs8", "i1", 128, 0), ("cs16", "<i2", 32768, 0), ("cf32", "<f4", 1, 0)],
)
def test_raw_by_suffix(tmp_path: Path, suffix: str, dtype: str, scale: float, middle: float) -> None:
    numbers = np.random.default_rng(0).integers(0, 120, (50, 2)).astype(dtype)
    recording = open_source(write(tmp_path / f"x.{suffix}", numbers), sample_rate_hz=2e6, center_hz=1e9)
    wanted = (numbers.astype(float) - middle) / scale
    np.testing.assert_allclose(recording.read(0, 50)[0], wanted[:, 0] + 1j * wanted[:, 1], rtol=1e-6)
    assert (recording.name, recording.num_samples, recording.sample_rate_hz) == ("x", 50, 2e6)
    assert recording.center_hz == 1e9


@pytest.mark.parametrize("alias", ALIASES)
def test_every_common_name_of_a_type_is_a_suffix(alias: str) -> None:
    assert SUFFIXES[f".{alias}"] == "raw"


def test_raw_with_channels(tmp_path: Path) -> None:
    iq = ramp(20, 3)
    path = write(tmp_path / "x.bin", iq)
    recording = open_source(path, sample_rate_hz=1, datatype="cf32", num_channels=3)
    np.testing.assert_array_equal(recording.read(5, 10), iq[5:15].T)


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("x.cu8", b"", {"sample_rate_hz": 1}, r"0 bytes.*may be cut short"),
        ("x.cu8", b"123", {"sample_rate_hz": 1}, "3 bytes.*multiple of 2"),
        ("x.cs16", b"123456", {"sample_rate_hz": 1}, "6 bytes.*multiple of 4"),
        ("x.cf32", b"12345678" * 3, {"sample_rate_hz": 1, "num_channels": 2}, "multiple of 16"),
        ("x.cf32", b"12345678", {"sample_rate_hz": 1, "num_channels": 0}, "with 0 channels.*--num-channels"),
        ("x.cf32", b"12345678", {"sample_rate_hz": 1, "num_channels": -1}, "with -1 channels"),
        ("x.cu8", b"1234", {}, "without a sample rate.*--sample-rate"),
        ("x.cu8", b"1234", {"sample_rate_hz": -1}, "sample rate of -1"),
        ("x.iq", b"1234", {"sample_rate_hz": 1}, "--datatype"),
        ("x.txt", b"1234", {"sample_rate_hz": 1}, "--format"),
        ("x.npy", b"1234", {"sample_rate_hz": 1}, "numpy.save"),
        ("x.wav", b"1234", {}, "not a WAV"),
        ("x.wav", b"RIFF0000WAVE", {}, "cut short"),
    ],
)
def test_bad_files_are_refused(
    tmp_path: Path, name: str, content: bytes, options: dict[str, float], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        open_source(write(tmp_path / name, content), **options)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="check the path"):
        open_source(tmp_path / "x.cu8", sample_rate_hz=1)


def test_an_unknown_format_offers_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'sigmf'"):
        open_source(tmp_path / "x", format="sigfm")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, complex(0, np.nan), complex(0, -np.inf)])
def test_non_finite_samples_name_the_first_offset(tmp_path: Path, bad: complex) -> None:
    iq = ramp(1000)[:, 0]
    iq[[700, 800]] = bad
    recording = open_source(write(tmp_path / "x.cf32", iq), sample_rate_hz=1)
    recording.read(0, 700)
    with pytest.raises(DataError, match=r"offset 700.*byte order"):
        recording.read(600, 300)
    with pytest.raises(DataError, match="offset 700"):
        list(recording.windows(64, batch=4))


@pytest.mark.parametrize("range_", [(-1, 5), (45, 6), (0, -1)])
def test_reading_beyond_is_refused(tmp_path: Path, range_: tuple[int, int]) -> None:
    with pytest.raises(DataError, match="within its 50 samples"):
        open_source(write(tmp_path / "x.cf32", ramp(50)), sample_rate_hz=1).read(*range_)


@pytest.mark.parametrize(("num_samples", "hop"), [(16, 16), (16, 5), (16, 50), (1, 1), (200, 1)])
@pytest.mark.parametrize("channels", [1, 2])
def test_windows_are_cuts(tmp_path: Path, num_samples: int, hop: int, channels: int) -> None:
    iq = ramp(200, channels)
    path = write(tmp_path / "x.cf32", iq)
    recording = open_source(path, sample_rate_hz=1, num_channels=channels)
    batches = list(recording.windows(num_samples, hop, batch=3))
    starts = [int(s) for batch in batches for s in batch["start"]]
    assert starts == list(range(0, 200 - num_samples + 1, hop))
    got = np.concatenate([batch["iq"].numpy() for batch in batches])
    wanted = np.stack([iq[s : s + num_samples].T for s in starts])
    np.testing.assert_array_equal(got, wanted[:, 0] if channels == 1 else wanted)
    assert [int(i) for batch in batches for i in batch["index"]] == list(range(len(starts)))


@pytest.mark.parametrize(
    "array",
    [
        ramp(30)[:, 0],
        ramp(30, 2).T.copy(),
        np.stack([ramp(30)[:, 0].real, ramp(30)[:, 0].imag]),
        np.stack([ramp(30)[:, 0].real, ramp(30)[:, 0].imag], axis=1),
        (np.stack([ramp(30)[:, 0].real, ramp(30)[:, 0].imag]) * 128).astype(np.int8),
    ],
    ids=["complex", "channels", "2xN", "Nx2", "int8"],
)
def test_npy_layouts(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", array)
    recording: Recording = open_source(tmp_path / "x.npy", sample_rate_hz=1.0)
    wanted = array if array.dtype.kind == "c" else ramp(30)[:, 0]
    np.testing.assert_array_equal(recording.read(2, 20), np.atleast_2d(wanted)[:, 2:22])


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 2)), np.zeros(5), np.zeros((3, 4)), np.zeros((0, 2)), np.array([{}, 1], dtype=object)],
    ids=["2x2", "real", "3x4", "empty", "objects"],
)
def test_npy_of_another_kind_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(DataError):
        open_source(tmp_path / "x.npy", sample_rate_hz=1.0)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_wav(tmp_path: Path, dtype: str) -> None:
    rng = np.random.default_rng(0)
    numbers = (rng.uniform(0, 100, (40, 2))).astype(dtype)
    for path in (wav.write(tmp_path / "hand.wav", numbers), tmp_path / "scipy.wav"):
        if path.stem == "scipy":
            wavfile.write(path, 48_000, numbers)
        recording = open_source(path)
        assert (recording.sample_rate_hz, recording.num_samples) == (48_000, 40)
        half = 1 if "float" in dtype else 2.0 ** (8 * numbers.itemsize - 1)
        parts = (numbers.astype(float) - 127.5 * (dtype == "uint8")) / half
        np.testing.assert_allclose(recording.read(0, 40)[0], parts[:, 0] + 1j * parts[:, 1], rtol=1e-6)


def test_wav_of_unknown_size_reaches_to_the_end(tmp_path: Path) -> None:
    path = wav.write(tmp_path / "x.wav", np.zeros((10, 2), np.int16), size=0xFFFFFFFF)
    assert open_source(path).num_samples == 10


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (np.zeros((10, 1), np.int16), {"channels": 1}, "1 channel.*receiver audio"),
        (np.zeros((10, 2), np.int64), {}, "64 bits"),
        (np.zeros((10, 2), np.int16), {"size": 80}, "cut short"),
        (np.zeros((10, 2), np.int16), {"size": 38}, "38 bytes"),
        (np.zeros((0, 2), np.int16), {}, "0 bytes"),
    ],
)
def test_bad_wav_is_refused(tmp_path: Path, samples: np.ndarray, options: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_source(wav.write(tmp_path / "x.wav", samples, **options))


def test_metadata_beside_a_raw_file_win(tmp_path: Path) -> None:
    (tmp_path / "x.dat.sigmf-meta").write_text("{}")
    assert format_of(tmp_path / "x.dat") == "sigmf"


@pytest.mark.parametrize(
    ("file", "rate", "samples"),
    [("dump1090_modes1_1090MHz_2Msps.cu8", 2e6, 356_868), ("rc_car_light_2475MHz_2Msps.cs8", 2e6, 123_861)],
)
def test_real_files(shared_data: Path, file: str, rate: float, samples: int) -> None:
    recording = open_source(shared_data / "iq" / file, sample_rate_hz=rate)
    assert recording.num_samples == samples
    iq = recording.read(0, samples)[0]
    assert abs(iq.mean()) < 0.1  # noise and bursts around zero: a wrong type would not be centred
    assert 1e-3 < np.abs(iq).mean() < 1
