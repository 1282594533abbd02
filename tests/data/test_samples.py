"""Every sample type of SigMF, both byte orders, against struct and against the official library."""

import struct
from pathlib import Path

import numpy as np
import pytest
import sigmf
from fake.sigmf import ramp, write_pair
from hypothesis import given
from hypothesis import strategies as st

from groundwave.data.samples import ALIASES, DATATYPES, encode, sample_type, to_complex
from groundwave.data.sigmf import open_sigmf
from groundwave.errors import DataError, UnknownNameError

LETTER = {"i8": "b", "u8": "B", "i16": "h", "u16": "H", "i32": "i", "u32": "I", "f32": "f", "f64": "d"}


def slow_bytes(iq: np.ndarray, datatype: str) -> bytes:
    """Write samples one number at a time, after the words of the specification."""
    kind, _, order = datatype.partition("_")
    number = kind[1:]
    full = 1 if number[0] == "f" else 2 ** (int(number[1:]) - 1)
    parts = [p for z in iq.reshape(-1) for p in ((z.real, z.imag) if kind[0] == "c" else (z.real,))]
    values = [float(p) * full + (full if number[0] == "u" else 0) for p in parts]
    values = values if number[0] == "f" else [int(v) for v in values]
    return struct.pack(f"{'>' if order == 'be' else '<'}{len(values)}{LETTER[number]}", *values)


@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_type_reads_as_the_official_library_does(tmp_path: Path, datatype: str, channels: int) -> None:
    iq = ramp(40, channels)
    meta = write_pair(tmp_path, slow_bytes(iq, datatype), datatype, num_channels=channels)
    got = open_sigmf(meta).read(3, 30)
    wanted = iq[3:33].T if datatype[0] == "c" else iq[3:33].real.T.astype(np.complex64)
    bits = int("".join(filter(str.isdigit, datatype)))
    half_step = 2.0**-bits if datatype[1] == "u" else 0.0  # unsigned types are centred between their middle steps
    shift = half_step * (1 + 1j if datatype[0] == "c" else 1)
    np.testing.assert_allclose(got, wanted + shift, atol=1e-7)
    theirs = sigmf.fromfile(meta).read_samples(3, 30).reshape(30, channels).T
    np.testing.assert_allclose(got, theirs + shift, atol=1e-7)


def test_the_other_byte_order_is_not_the_same(tmp_path: Path) -> None:
    """The oracle above must catch a reader that ignores byte order."""
    raw = slow_bytes(ramp(40), "ci16_be")
    wrong = to_complex(np.frombuffer(raw, dtype="<i2").reshape(-1, 2), True)[:, 0]
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(wrong, ramp(40)[:, 0], atol=1e-3)


@pytest.mark.parametrize("datatype", [name for name in DATATYPES if name[0] == "c"])
def test_encoding_is_the_inverse(datatype: str) -> None:
    iq = ramp(64) * 0.9
    raw = np.frombuffer(encode(iq, datatype), dtype=sample_type(datatype).component).reshape(-1, 2)
    step = 1 / 100 if "8" in datatype else 1e-4 if "16" in datatype else 1e-6
    np.testing.assert_allclose(to_complex(raw, True), iq, atol=step)


@given(st.binary(min_size=2, max_size=64).filter(lambda raw: len(raw) % 2 == 0))
def test_any_bytes_survive_cu8(raw: bytes) -> None:
    values = to_complex(np.frombuffer(raw, np.uint8).reshape(-1, 2), True)
    assert encode(values, "cu8") == raw
    assert np.abs(values.real).max() < 1


def test_aliases_are_types() -> None:
    assert {sample_type(alias).name for alias in ALIASES} <= set(DATATYPES)


@pytest.mark.parametrize("name", ["cx16", "ci16_xe", "", "c16"])
def test_an_unknown_type_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match="unknown datatype"):
        sample_type(name)


@pytest.mark.parametrize(("datatype", "message"), [("ci16_le", "full scale"), ("ri16_le", "a complex type")])
def test_encoding_refuses(datatype: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        encode(np.array([[2 + 0j]], np.complex64), datatype)
