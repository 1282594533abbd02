"""Spectrum frames of MATLAB: levels become classes, sizes meet by the nearest neighbour, everything else is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake.csi import write_frames
from scipy.io import savemat

from groundwave.data import open_source
from groundwave.data.ingest import ingest
from groundwave.data.spectrum_frames import resized
from groundwave.errors import DataError, UnknownNameError

RNG = np.random.default_rng(5)
SPEC = RNG.standard_normal((11, 16, 12))
LEVELS = RNG.choice(np.array([0, 127, 255], np.uint8), (11, 16, 12))


def frames(folder: Path, **options: Any) -> Any:
    return open_source(write_frames(folder, SPEC, LEVELS), format="spectrum-frames", **options)


def test_frames_come_back_frequency_first_and_in_order(tmp_path: Path) -> None:
    source = frames(tmp_path)
    record = source[torch.tensor([10, 2])]
    np.testing.assert_allclose(record["spec"].numpy(), SPEC[[10, 2]].transpose(0, 2, 1), rtol=1e-6)
    assert record["mask"].dtype == torch.uint8
    np.testing.assert_array_equal(record["mask"].numpy(), LEVELS[[10, 2]].transpose(0, 2, 1) // 127)
    assert source.classes == ("NR", "LTE")
    assert source.group_names[9:] == ("LTE_NR_spect_frame_9", "LTE_NR_spect_frame_10")
    other = frames(tmp_path, axes="freq time")[torch.tensor([10])]
    torch.testing.assert_close(other["spec"][0].T, record["spec"][0])
    torch.testing.assert_close(other["mask"][0].T, record["mask"][0])


def test_labels_of_another_size_take_the_nearest(tmp_path: Path) -> None:
    write_frames(tmp_path, SPEC, LEVELS.repeat(3, 1).repeat(2, 2))
    record = open_source(tmp_path, format="spectrum-frames")[torch.arange(11)]
    np.testing.assert_array_equal(record["mask"].numpy(), LEVELS.transpose(0, 2, 1) // 127)


def test_nearest_neighbour_by_hand() -> None:
    mask = RNG.integers(0, 3, (7, 5)).astype(np.uint8)
    made = resized(mask, (10, 4))
    for row, column in np.ndindex(10, 4):
        apart = ((np.arange(7) + 0.5) / 7 - (row + 0.5) / 10, (np.arange(5) + 0.5) / 5 - (column + 0.5) / 4)
        nearest = [np.flatnonzero(np.isclose(np.abs(a), np.abs(a).min())) for a in apart]
        assert made[row, column] in mask[np.ix_(*nearest)]
    assert set(np.unique(made)) <= {0, 1, 2}  # no class in between


def test_frames_go_into_a_store(tmp_path: Path) -> None:
    write_frames(tmp_path / "in", SPEC, LEVELS)
    store = ingest([tmp_path / "in"], tmp_path / "out", format="spectrum-frames", axes="freq time")
    assert (len(store), list(store.classes)) == (11, ["NR", "LTE"])
    got = store[torch.arange(11)]
    names = [store.group_names[group] for group in got["group"].tolist()]
    order = [int(name.rpartition("_")[2]) for name in names]
    np.testing.assert_allclose(got["spec"].numpy(), SPEC[order], rtol=1e-6)
    np.testing.assert_array_equal(got["mask"].numpy(), LEVELS[order] // 127)


@pytest.mark.parametrize(
    ("spec", "labels", "message"),
    [
        (SPEC[0], {"data": np.full((16, 12), 64)}, "0, 127, 255.*in between"),
        (SPEC[0], {"data": np.zeros((16, 12, 2))}, "two axes"),
        (SPEC[0], {"label": np.zeros((16, 12))}, "'data'"),
        (np.where(SPEC[0] > 1, np.nan, SPEC[0]), {"data": LEVELS[0]}, "not finite"),
        (SPEC[0] + 1j, {"data": LEVELS[0]}, "real numbers"),
        (SPEC[0, :, :8], {"data": LEVELS[0]}, r"of shape \[16, 12\]"),
    ],
)
def test_broken_frames_are_refused(tmp_path: Path, spec: np.ndarray, labels: dict[str, Any], message: str) -> None:
    write_frames(tmp_path, SPEC, LEVELS)
    savemat(tmp_path / "LTE_NR_spect_frame_3.mat", {"rxSpectrogram": spec})
    savemat(tmp_path / "LTE_NR_labels_frame_3.mat", labels)
    with pytest.raises(DataError if "'data'" not in message else UnknownNameError, match=message):
        open_source(tmp_path, format="spectrum-frames")[torch.tensor([3])]


def test_what_is_no_frame_is_refused(tmp_path: Path) -> None:
    write_frames(tmp_path, SPEC[:1], LEVELS[:1])
    (tmp_path / "LTE_NR_labels_frame_0.mat").rename(tmp_path / "elsewhere.mat")
    for path, options in ((tmp_path, {}), (tmp_path / "elsewhere.mat", {}), (tmp_path / "nowhere", {})):
        with pytest.raises(DataError):
            open_source(path, format="spectrum-frames", **options)
    with pytest.raises(DataError, match="'time freq', 'freq time'"):
        open_source(tmp_path, format="spectrum-frames", axes="time")
