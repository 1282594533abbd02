"""CSI files: what was written comes back; what is missing is filled by the stated rule; anything else is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake import csi as fake
from scipy.io import savemat

from groundwave.contract.csi import CSIContract
from groundwave.contracts import Source
from groundwave.data import open_source
from groundwave.data.csi import CSIWindows, PacketStream, received
from groundwave.data.ingest import ingest
from groundwave.data.intel5300 import measurements
from groundwave.errors import DataError, UnknownNameError

RNG = np.random.default_rng(3)


def stream(csi: np.ndarray, times_s: Any = None, rate: float = 10.0, **columns: np.ndarray) -> PacketStream:
    times = np.arange(len(csi)) / rate if times_s is None else np.asarray(times_s, float)
    return PacketStream(Path("x"), csi, times, rate, columns, ("a", "b"), ("g", "h"))


def numbered(count: int) -> np.ndarray:
    """Return packets `[count, 2, 3]` that tell their number."""
    return np.broadcast_to(1.0 + np.arange(count)[:, None, None], (count, 2, 3)).astype(np.complex64)


def packets(windows: CSIWindows) -> list[list[int]]:
    """Return the numbers of the packets in each window."""
    numbers = windows[torch.arange(len(windows))]["csi"].real[:, 0, 0] - 1
    return [[int(number) for number in row] for row in numbers.round().tolist()]


# --- streams of packets ---------------------------------------------------------------------------------------------


def test_a_regular_stream_is_cut_as_it_is() -> None:
    windows = stream(numbered(11)).windows(4, 3)
    assert packets(windows) == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    record = windows[torch.tensor([1])]
    assert record["csi"].shape == (1, 2, 3, 4)
    assert record["csi"].dtype == torch.complex64
    assert float(record["sample_rate_hz"]) == 10
    assert isinstance(windows, Source)


def test_irregular_times_come_to_the_grid_by_the_nearest_packet() -> None:
    times = [0.0, 0.13, 0.19, 0.31, 0.38, 0.52, 0.61, 0.69]
    grid = [int(np.abs(np.array(times) - step / 10).argmin()) for step in range(8)]
    assert grid == [0, 1, 2, 3, 4, 5, 6, 7]
    assert packets(stream(numbered(8), times).windows(8)) == [grid]
    fast = stream(numbered(80), np.arange(80) / 40 + 0.002 * RNG.standard_normal(80)).windows(20)
    assert packets(fast) == [[4 * step for step in range(20)]]


@pytest.mark.parametrize("lost", ["absent", "zeros", "nan", "zeros at one antenna"])
def test_lost_packets_are_filled_by_the_nearest(lost: str) -> None:
    csi, keep = numbered(20).copy(), np.ones(20, bool)
    if lost == "absent":
        keep[[5, 6]] = False
    elif lost == "zeros at one antenna":
        csi[[5, 6], 1] = 0
    else:
        csi[[5, 6]] = 0 if lost == "zeros" else np.nan
    windows = stream(csi[keep], np.arange(20)[keep] / 10).windows(20)
    wanted = [*range(5), 4, 7, *range(7, 20)]
    numbers = np.flatnonzero(keep)
    got = packets(windows)[0]
    assert got == wanted, numbers
    CSIContract(num_antennas=2, min_subcarriers=3).prepare(windows[torch.tensor([0])])


def test_windows_do_not_cross_long_holes_nor_captures_nor_people() -> None:
    keep = np.ones(60, bool)
    keep[20:24] = False  # 4 in a row of windows of 10: one is the most
    assert packets(stream(numbered(60)[keep], np.arange(60)[keep] / 10).windows(10)) == [
        list(range(start, start + 10)) for start in (0, 10, 24, 34, 44)
    ]
    user = np.repeat([0, 1], [25, 35])
    windows = stream(numbered(60), user=user).windows(10)
    assert [row[0] for row in packets(windows)] == [0, 10, 25, 35, 45]
    assert windows.columns["user"].tolist() == [0, 0, 1, 1, 1]
    with pytest.raises(DataError, match=r"longest stretch without a hole lasts 0\.9 s.*--num-samples"):
        stream(numbered(30)[::2], np.array([*range(10), *range(20, 25)]) / 10).windows(12)


def test_a_window_has_the_label_of_most_of_its_packets() -> None:
    label = np.array([0, 0, 0, 1, 1, 1, 1, 0, -1, -1, -1, 0, 1, 1, 0, 0])
    assert stream(numbered(16), label=label).windows(4).labels.tolist() == [0, 1, -1, -1]
    named = stream(numbered(16)).windows(4, label="walk")
    assert (named.classes, named.labels.tolist()) == (("walk",), [0, 0, 0, 0])


@pytest.mark.parametrize(("num_packets", "hop"), [(0, None), (4, -1)])
def test_windows_of_nothing_are_refused(num_packets: int, hop: int | None) -> None:
    with pytest.raises(DataError, match="positive numbers"):
        stream(numbered(8)).windows(num_packets, hop)


def test_times_that_go_back_are_refused() -> None:
    with pytest.raises(DataError, match="do not ascend"):
        stream(numbered(4), [0, 0.2, 0.1, 0.3]).windows(2)
    with pytest.raises(DataError, match="do not ascend"):
        stream(numbered(4), [0, 0.1, np.nan, 0.3]).windows(2)


# --- Intel 5300 -----------------------------------------------------------------------------------------------------


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


# --- ESP32 ----------------------------------------------------------------------------------------------------------


def esp32_csi(count: int = 24) -> np.ndarray:
    csi = fake.whole_numbers(count, 64)
    csi[:, [0, *range(27, 38)]] = 0  # DC and guards in the chip's order
    return csi


@pytest.mark.parametrize("header", [True, False])
def test_esp32_lines_come_back_in_the_order_of_frequency(tmp_path: Path, header: bool) -> None:
    csi = esp32_csi()
    clocks = [(2**32 - 50_000 + 10_000 * n) % 2**32 for n in range(24)]
    opened = open_source(fake.write_esp32(tmp_path / "x.csv", csi, clocks, header=header), format="esp32")
    wanted = np.concatenate((csi[:, 38:], csi[:, 1:27]), axis=1)  # -26 ... -1, 1 ... 26
    np.testing.assert_array_equal(opened.csi[:, 0], wanted)
    assert opened.packet_rate_hz == pytest.approx(100)
    np.testing.assert_allclose(np.diff(opened.times_s), 0.01)


def test_esp32_damaged_lines_are_lost_packets(tmp_path: Path) -> None:
    csi = esp32_csi()
    lines = [fake.esp32_line(packet, 10_000 * n) for n, packet in enumerate(csi)]
    lines[3] = lines[3][:-40]
    lines[9] = lines[9].replace("[", "[x ")
    lines[14] = "I (305) wifi: " + lines[14][20:]
    lines[20] = lines[20].replace(",128,", ",126,")
    (tmp_path / "x.csv").write_text("\n".join(["boot", fake.ESP32_HEADER, *lines]) + '\nCSI_DATA,"')
    opened = open_source(tmp_path / "x.csv", format="esp32", sample_rate_hz=100.0)
    assert len(opened.csi) == 20
    windows = opened.windows(24)
    assert windows[torch.tensor([0])]["csi"].shape == (1, 1, 52, 24)


def test_espressifs_own_columns_are_found_by_their_names(tmp_path: Path) -> None:
    csi = esp32_csi(3)
    header = "type,seq,mac,local_timestamp,len,first_word,data"
    body = [
        f'CSI_DATA,{n},aa,{n * 1000},128,0,"[{",".join(f"{int(v.imag)},{int(v.real)}" for v in packet)}]"'
        for n, packet in enumerate(csi)
    ]
    (tmp_path / "x.csv").write_text("\n".join([header, *body]))
    opened = open_source(tmp_path / "x.csv", format="esp32")
    np.testing.assert_array_equal(opened.csi[:, 0, 26:], csi[:, 1:27])


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", fake.ESP32_HEADER + "\nCSI_DATA,AP\n", "CSI_DATA,[1 2]\n" * 5])
def test_what_is_no_esp32_capture_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.csv").write_text(content)
    with pytest.raises(DataError, match="ESP32"):
        open_source(tmp_path / "x.csv", format="esp32")


# --- NTU-Fi, UT-HAR -------------------------------------------------------------------------------------------------


def ntu_fi(root: Path, **changes: np.ndarray) -> Path:
    samples = {f"{label}/{label}_{n}": 1 + RNG.random((3, 4, 40)) for label in ("walk", "box") for n in (0, 1)}
    return fake.write_ntu_fi(root, {**samples, **{name.replace("__", "/"): x for name, x in changes.items()}})


def test_ntu_fi_folders_are_classes_in_order(tmp_path: Path) -> None:
    special = 1 + RNG.random((3, 4, 40))
    special[:, :, 7] = 0  # written as -inf dB
    source = open_source(ntu_fi(tmp_path, walk__walk_0=special), format="ntu-fi")
    assert (source.classes, source.labels.tolist()) == (("box", "walk"), [0, 0, 1, 1])
    assert source.group_names == ("box/box_0", "box/box_1", "walk/walk_0", "walk/walk_1")
    record = source[torch.tensor([2])]
    assert float(record["sample_rate_hz"]) == 500
    special[:, :, 7] = special[:, :, 6]
    np.testing.assert_allclose(record["csi"][0].numpy(), special, rtol=1e-5)


def test_ntu_fi_goes_into_a_store_file_by_file(tmp_path: Path) -> None:
    ntu_fi(tmp_path / "in")
    store = ingest([tmp_path / "in"], tmp_path / "out", format="ntu-fi")
    assert (list(store.classes), store.labels.tolist()) == (["box", "walk"], [0, 0, 1, 1])
    assert len(set(store.group_names)) == 4
    got = store[torch.tensor([3])]
    torch.testing.assert_close(got["csi"], open_source(tmp_path / "in", format="ntu-fi")[torch.tensor([3])]["csi"])


def test_mat_files_of_version_73_are_read_alike(tmp_path: Path) -> None:
    decibels = 40 + RNG.random((12, 40))
    (tmp_path / "walk").mkdir()
    fake.write_mat73(tmp_path / "walk" / "new.mat", CSIamp=decibels)
    savemat(tmp_path / "walk" / "old.mat", {"CSIamp": decibels}, format="4")
    new, old = open_source(tmp_path, format="ntu-fi")[torch.arange(2)]["csi"]
    torch.testing.assert_close(new, old, rtol=0, atol=0)
    np.testing.assert_allclose(20 * np.log10(np.abs(new.numpy())), decibels.reshape(3, 4, 40), rtol=1e-6)


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        ({"other": np.ones((12, 4))}, UnknownNameError, "CSIamp"),
        ({"CSIamp": np.ones((10, 4))}, DataError, r"shape \[10, 4\].*3 x subcarriers"),
        ({"CSIamp": np.ones((3, 2, 2))}, DataError, r"shape \[3, 2, 2\]"),
        ({"CSIamp": np.array(["text"])}, DataError, "array of numbers"),
        ({"CSIamp": np.ones((3, 0))}, DataError, "array of numbers"),
        ({"CSIamp": {"a": 1}}, DataError, "plain arrays"),
    ],
)
def test_other_mat_files_are_refused(
    tmp_path: Path, arrays: dict[str, Any], error: type[DataError], message: str
) -> None:
    savemat(tmp_path / "x.mat", arrays)
    with pytest.raises(error, match=message):
        open_source(tmp_path / "x.mat", format="ntu-fi")


def test_broken_mat_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.mat"
    savemat(path, {"CSIamp": np.ones((12, 40))}, do_compression=True)
    whole = path.read_bytes()
    old = fake.write_mat73(tmp_path / "new.mat", CSIamp=np.ones((12, 40))).read_bytes()
    for content in (b"", b"MATLAB", whole[:150], whole[:-20], bytes(700), old[:700], old[:-300]):
        path.write_bytes(content)
        with pytest.raises(DataError, match="-v7"):
            open_source(path, format="ntu-fi")


def test_a_mat_file_that_points_elsewhere_is_refused(tmp_path: Path) -> None:
    import h5py

    fake.write_mat73(tmp_path / "secret.mat", CSIamp=np.ones((12, 40)))
    with h5py.File(tmp_path / "x.mat", "w") as file:
        file["CSIamp"] = h5py.ExternalLink("secret.mat", "CSIamp")
    with pytest.raises(UnknownNameError, match="CSIamp"):
        open_source(tmp_path / "x.mat", format="ntu-fi")


def test_an_array_beyond_all_measure_is_refused_before_it_is_read(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "x.mat", "w") as file:
        file.create_dataset("CSIamp", (3 << 20, 1 << 20), "f8", chunks=True)
    with pytest.raises(DataError, match="split it"):
        open_source(tmp_path / "x.mat", format="ntu-fi")


def test_ut_har_arrays_come_back_antenna_by_antenna(tmp_path: Path) -> None:
    windows = 1 + RNG.random((5, 25, 90))
    path = fake.write_ut_har(tmp_path, windows, np.array([0, 6, 2, 2, 1]))
    source = open_source(path, format="ut-har")
    record = source[torch.tensor([4, 1])]
    np.testing.assert_allclose(
        record["csi"][1].real.numpy(), windows[1].reshape(25, 3, 30).transpose(1, 2, 0), rtol=1e-6
    )
    assert [source.classes[code] for code in record["label"].tolist()] == ["fall", "stand up"]
    assert set(source.groups.tolist()) == {0}


@pytest.mark.parametrize(
    ("windows", "labels", "message"),
    [
        (np.ones((5, 25, 60)), np.zeros(5), r"\[N, packets, 90\]"),
        (np.ones((5, 25, 90), np.int16), np.zeros(5), "int16"),
        (np.ones((5, 25, 90)), np.zeros(4), "5 whole numbers from 0 to 6"),
        (np.ones((5, 25, 90)), np.full(5, 7), "whole numbers from 0 to 6"),
        (np.ones((5, 25, 90)), np.full(5, 0.5), "whole numbers from 0 to 6"),
    ],
)
def test_other_arrays_than_ut_hars_are_refused(
    tmp_path: Path, windows: np.ndarray, labels: np.ndarray, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        open_source(fake.write_ut_har(tmp_path, windows, labels), format="ut-har")


def test_ut_har_files_that_are_broken_or_would_run_code_are_refused(tmp_path: Path) -> None:
    path = fake.write_ut_har(tmp_path, np.ones((5, 25, 90)), np.zeros(5))
    whole = path.read_bytes()
    for content in (b"", b"1,2,3\n", whole[:-8], whole.replace(b"(5, 25, 90)", b"(9, 99, 90)")):
        path.write_bytes(content)
        with pytest.raises(DataError, match="NumPy array"):
            open_source(path, format="ut-har")
    with path.open("wb") as file:
        np.save(file, np.array([{}, None], dtype=object))
    with pytest.raises(DataError, match="NumPy array"):
        open_source(path, format="ut-har")
    path.unlink()
    path.write_bytes(whole)
    (tmp_path / "label" / "y_train.csv").unlink()
    with pytest.raises(DataError, match=r"without y_train\.csv"):
        open_source(path, format="ut-har")


# --- .npz with the user's names -------------------------------------------------------------------------------------


def test_npz_windows_by_the_users_names_and_axes(tmp_path: Path) -> None:
    parts = RNG.integers(1, 60, (6, 2, 3, 20, 4)).astype(np.int8)
    scale = RNG.random((6, 20)).astype(np.float32) + 0.5
    np.savez(
        tmp_path / "w.npz",
        x=parts,
        k=scale,
        y=np.arange(6) % 2,
        names=["a", "b"],
        r=np.arange(6) // 3,
        u=list("ppqqrr"),
    )
    source = open_source(
        tmp_path / "w.npz", format="csi-npz", csi="x", axes="iq antenna packet subcarrier", scale="k", label="y",
        classes="names", room="r", user="u", group="u", sample_rate_hz=20,
    )  # fmt: skip
    record = source[torch.tensor([4])]
    wanted = (parts[4, 0] + 1j * parts[4, 1]).transpose(0, 2, 1) * scale[4]
    np.testing.assert_allclose(record["csi"][0].numpy(), wanted, rtol=1e-6)
    known = {name: int(record[name]) for name in ("label", "room", "user", "group")}
    assert known == {"label": 0, "room": 1, "user": 2, "group": 2}
    assert (source.classes, source.group_names) == (("a", "b"), ("p", "q", "r"))
    assert record["room"].dtype == torch.int64


def test_npz_streams_are_cut_within_sequences(tmp_path: Path) -> None:
    csi = (1 + RNG.random((50, 2, 2, 5))).astype(np.float32)
    sequence = np.repeat(["first", "second"], [23, 27])
    np.savez(tmp_path / "s.npz", amp=csi, s=sequence, y=np.repeat([0, 1], 25), t=np.arange(50) / 100)
    options: dict[str, Any] = {"csi": "amp", "axes": "antenna antenna subcarrier", "label": "y", "group": "s"}
    opened = open_source(tmp_path / "s.npz", format="csi-npz", **options, times="t", sample_rate_hz=100)
    windows = opened.windows(10)
    assert windows.labels.tolist() == [0, 0, 1, 1]
    assert [windows.group_names[code] for code in windows.groups.tolist()] == ["first", "first", "second", "second"]
    got = windows[torch.tensor([2])]["csi"][0]
    np.testing.assert_allclose(got.real.numpy(), csi[23:33].reshape(10, 4, 5).transpose(1, 2, 0))
    store = ingest([tmp_path / "s.npz"], tmp_path / "out", format="csi-npz", sample_rate=100, num_samples=10, **options)
    torch.testing.assert_close(store[torch.tensor([2])]["csi"][0], got)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axes": "antenna subcarrier"}, "axes after the first"),
        ({"axes": "iq antenna time subcarrier"}, "axes among iq, antenna"),
        ({"axes": "antenna iq packet subcarrier"}, "I and Q"),
        ({"scale": "y"}, "a scale of shape"),
        ({"label": "k"}, "class values of float32"),
        ({"room": "few"}, "room of shape"),
        ({"times": "y"}, "times for windows"),
        ({"sample_rate_hz": -1.0}, "positive number"),
    ],
)
def test_npz_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    np.savez(
        tmp_path / "w.npz",
        x=np.ones((6, 2, 3, 20, 4), np.int8),
        y=np.arange(5),
        k=np.ones((6, 20), np.float32),
        few=[1, 2],
    )
    options = {"csi": "x", "axes": "iq antenna packet subcarrier", **changes}
    with pytest.raises(DataError, match=message):
        open_source(tmp_path / "w.npz", format="csi-npz", **options)


def test_npz_streams_say_what_they_lack(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", amp=np.ones((50, 5)), few=np.zeros(3))
    for options, message in (
        ({}, "--sample-rate"),
        ({"sample_rate_hz": 10.0, "group": "few"}, "group values of float64"),
        ({"sample_rate_hz": 10.0, "times": "few"}, "times of float64"),
    ):
        with pytest.raises(DataError, match=message):
            open_source(tmp_path / "s.npz", format="csi-npz", csi="amp", axes="subcarrier", **options)


# --- what is missing in windows -------------------------------------------------------------------------------------


def test_windows_are_mended_or_refused() -> None:
    csi = numbered(30).transpose(1, 2, 0)[None].repeat(3, 0)
    csi[0, :, :, [4, 5, 6]] = 0
    csi[1] = np.nan
    windows = CSIWindows(lambda rows: csi[rows], 3, columns={})
    assert packets(CSIWindows(lambda rows: csi[rows], 1, columns={}))[0][3:8] == [3, 3, 3, 7, 7]
    assert float(windows[torch.tensor([1])]["csi"].abs().max()) == 0  # silent
    csi[2, 1, :, 10:14] = 0
    with pytest.raises(DataError, match="window 2, which lost 4 packets of 30 in a row; expected at most 3"):
        windows[torch.tensor([0, 2])]
    assert not received(csi[2])[10:14].any()


def test_columns_of_another_length_are_refused() -> None:
    with pytest.raises(DataError, match="room"):
        CSIWindows(lambda rows: rows, 3, columns={"room": np.zeros(2)})


# --- the real sets --------------------------------------------------------------------------------------------------


def test_real_intel5300_windows(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "csi" / "csi_har_11act_2rooms.npz"
    if not path.is_file():
        pytest.skip(f"absent: {path}")
    source = open_source(
        path, format="csi-npz", csi="csi_i8", axes="iq antenna packet subcarrier", scale="packet_scale", label="label",
        classes="label_names", room="room", user="user", group="user", group_names="user_names", sample_rate_hz=20,
    )  # fmt: skip
    assert len(source) == 2101
    record = source[torch.arange(0, 2101, 300)]
    assert record["csi"].shape == (8, 3, 30, 200)
    assert (len(source.classes), len(source.group_names)) == (11, 5)
    assert set(source.columns["room"].tolist()) == {0, 1}
    assert CSIContract(num_antennas=3).prepare(record).shape == (8, 3, 30, 200)


def test_real_esp32_stream(shared_data: Path) -> None:
    path = shared_data / "csi" / "wifi_csi_har_esp32_stability.npz"
    if not path.is_file():
        pytest.skip(f"absent: {path}")
    opened = open_source(
        path, format="csi-npz", csi="amp", axes="subcarrier", label="label", classes="label_names",
        group="sequence_id", room="session", sample_rate_hz=100,
    )  # fmt: skip
    windows = opened.windows(50)
    assert len(windows) == sum(int(count) // 50 for count in torch.tensor(opened.columns["group"]).bincount())
    assert len(set(windows.groups.tolist())) == 32
    assert set(windows.columns["room"].tolist()) == {1, 2, 3, 4}
    assert CSIContract().prepare(windows[torch.arange(4)]).shape == (4, 1, 56, 50)
