"""Intel 5300 captures: every bit comes back; what is broken or something else is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fake import csi as fake

from groundwave.data import open_source
from groundwave.data.intel5300 import measurements
from groundwave.errors import DataError


@pytest.mark.parametrize(("num_receive", "num_transmit"), [(1, 1), (2, 1), (3, 1), (3, 2), (2, 3), (3, 3)])
def test_intel5300_bits_come_back(tmp_path: Path, num_receive: int, num_transmit: int) -> None:
    gains = fake.whole_numbers(5, num_receive, num_transmit, 30)
    path = fake.write_intel5300(tmp_path / "x.dat", gains, [10_000 * n for n in range(5)])
    np.testing.assert_array_equal(measurements(path).gains, gains)
    with pytest.raises(AssertionError):  # real and imaginary parts the other way round would be seen
        np.testing.assert_array_equal(measurements(path).gains, 1j * gains.conj())


def test_intel5300_chains_go_to_their_antennas(tmp_path: Path) -> None:
    gains = fake.whole_numbers(3, 1, 30)
    # chain 0 is antenna C, chain 1 antenna A, chain 2 antenna B
    (tmp_path / "x.dat").write_bytes(fake.bfee(gains, 0, antennas=0b010010))
    np.testing.assert_array_equal(measurements(tmp_path / "x.dat").gains[0], gains[[1, 2, 0]])
    (tmp_path / "x.dat").write_bytes(fake.bfee(gains, 0, antennas=0))  # says nothing
    np.testing.assert_array_equal(measurements(tmp_path / "x.dat").gains[0], gains)


def test_intel5300_gains_are_in_units_of_noise(tmp_path: Path) -> None:
    gains = np.full((1, 1, 1, 30), 10 + 0j)
    (tmp_path / "x.dat").write_bytes(fake.bfee(gains[0], 0, rssi_b=0) + fake.bfee(gains[0], 1000, rssi_b=0, noise=-127))
    csi = open_source(tmp_path / "x.dat", format="intel5300").csi
    received_mw = 10 ** ((40 - 44 - 35) / 10)  # by hand: RSSI less 44 dB less the gain
    for packet, noise_dbm in ((0, -90), (1, -92)):
        noise_mw = 10 ** (noise_dbm / 10) + received_mw / 100  # and half a step of I and of Q, squared, twice
        np.testing.assert_allclose(np.abs(csi[packet]) ** 2, received_mw / noise_mw, rtol=1e-5)


def test_intel5300_stream_unwraps_its_clock_and_leaves_out_other_shapes(tmp_path: Path) -> None:
    gains = fake.whole_numbers(24, 2, 1, 30)
    clocks = [(2**32 - 100_000 + 10_000 * n) % 2**32 for n in range(24)]
    records = [fake.bfee(packet, clock) for packet, clock in zip(gains, clocks, strict=True)]
    records[7] = fake.bfee(fake.whole_numbers(1, 1, 30), clocks[7])
    (tmp_path / "x.dat").write_bytes(b"".join(records)[:-9])  # the last is cut off
    opened = open_source(tmp_path / "x.dat", format="intel5300")
    assert len(opened.csi) == 22
    assert opened.packet_rate_hz == pytest.approx(100)
    windows = opened.windows(23)
    assert windows[torch.tensor([0])]["csi"].shape == (1, 2, 30, 23)


def test_a_record_shorter_than_its_header_says_does_not_read_on_into_the_next(tmp_path: Path) -> None:
    gains = fake.whole_numbers(4, 2, 1, 30)
    records = [fake.bfee(packet, 10_000 * n) for n, packet in enumerate(gains)]
    short = records[1][2:42]
    records[1] = len(short).to_bytes(2, "big") + short
    (tmp_path / "x.dat").write_bytes(b"".join(records))
    np.testing.assert_array_equal(measurements(tmp_path / "x.dat").gains, gains[[0, 2, 3]])


@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"nothing of the kind " * 20, b"\x00\x19\xbb" + bytes(24), b"\xff\xff\xbb" + bytes(100)]
)
def test_what_is_no_intel5300_capture_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.dat").write_bytes(content)
    with pytest.raises(DataError, match=r"802\.11n CSI Tool"):
        open_source(tmp_path / "x.dat", format="intel5300")


def test_a_random_file_is_refused_and_never_crashes(tmp_path: Path) -> None:
    good = fake.bfee(fake.whole_numbers(3, 2, 30), 5) * 4
    for seed in range(60):
        rng = np.random.default_rng(seed)
        broken = bytearray(good)
        for place in rng.integers(0, len(good), 6):
            broken[place] = rng.integers(256)
        (tmp_path / "x.dat").write_bytes(bytes(broken[: rng.integers(1, len(good))]))
        try:
            opened = open_source(tmp_path / "x.dat", format="intel5300", sample_rate_hz=10.0)
        except DataError:
            continue
        assert np.isfinite(opened.csi).all()
