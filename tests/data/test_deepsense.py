"""DeepSense: powers, positions in metres and sequences come back; the real set where it is there."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fake.beams import write_deepsense

from groundwave.data import open_source
from groundwave.data.ingest import ingest
from groundwave.errors import DataError

POWERS = np.random.default_rng(0).random((6, 8))


def test_powers_positions_and_sequences_come_back(tmp_path: Path) -> None:
    file = write_deepsense(tmp_path / "x.npz", {2: POWERS, 7: POWERS[::-1]}, calibrated=(7,))
    source = open_source(file, format="deepsense")
    record = source[torch.arange(12)]
    torch.testing.assert_close(record["power"], torch.from_numpy(np.concatenate([POWERS, POWERS[::-1]])).float())
    assert record["label"].tolist() == record["power"].argmax(1).tolist()
    assert record["scenario"].tolist() == [2] * 6 + [7] * 6
    assert record["group"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert source.group_names == ("scenario2/1", "scenario2/2", "scenario7/1", "scenario7/2")
    north = 10.0 * torch.arange(6).repeat(2)
    east = torch.tensor([0.0, 4.0]).repeat_interleave(6)  # calibrated positions win
    torch.testing.assert_close(record["position"], torch.stack((east, north), 1), atol=1e-2, rtol=0)
    assert len(open_source(file, format="deepsense", scenarios=[7])) == 6


def test_a_store_keeps_them(tmp_path: Path) -> None:
    file = write_deepsense(tmp_path / "x.npz", {2: POWERS})
    store = ingest([file], tmp_path / "store", format="deepsense")
    record = store[torch.arange(6)]
    torch.testing.assert_close(record["power"], torch.from_numpy(POWERS).float())
    assert record["position"].shape == (6, 2)
    assert record["scenario"].tolist() == [2] * 6


def test_other_files_are_told(tmp_path: Path) -> None:
    file = write_deepsense(tmp_path / "x.npz", {2: POWERS})
    with pytest.raises(DataError, match="scenarios 3"):
        open_source(file, format="deepsense", scenarios=[3])
    np.savez(tmp_path / "y.npz", x=POWERS)
    with pytest.raises(DataError, match="at least one"):
        open_source(tmp_path / "y.npz", format="deepsense")
    with np.load(file) as arrays:
        np.savez(tmp_path / "z.npz", **{**arrays, "scenario2_seq_index": np.zeros(3, int)})
    with pytest.raises(DataError, match=r"sequence \[3\]"):
        open_source(tmp_path / "z.npz", format="deepsense")


def test_the_real_set_is_read(shared_data: Path) -> None:
    file = shared_data / "beam" / "deepsense6g_beam_power_scen1-9.npz"
    if not file.is_file():
        pytest.skip(f"no {file}")
    source = open_source(file, format="deepsense")
    record = source[torch.arange(len(source))]
    assert len(record["scenario"].unique()) == 9
    assert len(source.classes) == 64
    assert record["position"].isfinite().all()
    assert 5 < float(record["position"].norm(dim=1).median()) < 60
