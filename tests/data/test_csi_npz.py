"""CSI in a .npz by the user's names, the real sets among them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from groundwave.contract.csi import CSIContract
from groundwave.data import open_source
from groundwave.data.ingest import ingest
from groundwave.errors import DataError

RNG = np.random.default_rng(3)


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
