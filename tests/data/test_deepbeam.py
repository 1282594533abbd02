"""DeepBeam files: blocks, frames and settings come back, out of files far larger than memory, too."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from fake.beams import write_deepbeam, write_large_deepbeam

from groundwave.data import open_source
from groundwave.data.deepbeam import _runs
from groundwave.data.ingest import ingest
from groundwave.data.store import Store
from groundwave.errors import DataError

BLOCKS = np.random.default_rng(0).normal(size=(2 * 3 * 2 * 4, 16, 2)).astype(np.float32).view(np.complex64)[..., 0]
SHAPE: dict[str, Any] = {"num_samples": 16, "blocks_per_frame": 2}


def write(path: Path, **changes: Any) -> Path:
    return write_deepbeam(path, BLOCKS, gains=(40, 60), beams=(4, 12, 20), **{"angles": (-45, 45), **changes})


def test_blocks_come_back_with_what_they_were_sent_and_received_with(tmp_path: Path) -> None:
    file = write(tmp_path / "srf-24-beams-aoa-tx-ant-2-rx-ant-1.h5", chunks=(40, 2), compression="gzip")
    source = open_source(file, format="deepbeam", **SHAPE)
    assert len(source) == 48
    assert source.classes[-1] == "20"
    for order in (torch.arange(48), torch.tensor([47, 3, 3, 20, 21, 0])):
        record = source[order]
        torch.testing.assert_close(record["iq"], torch.from_numpy(BLOCKS)[order], rtol=0, atol=0)
        assert record["label"].tolist() == [(4, 12, 20)[k // 8 % 3] for k in order.tolist()]
        assert record["gain_db"].tolist() == [(40.0, 60.0)[k // 24] for k in order.tolist()]
        degrees = [(-45.0, 45.0)[k // 4 % 2] for k in order.tolist()]
        expected = torch.tensor([[[d, 0.0]] for d in degrees]).deg2rad()
        torch.testing.assert_close(record["angle"], expected)
        assert record["group"].tolist() == [k // 2 for k in order.tolist()]
        assert (record["front_end"] == 2).all()
        assert (record["rx_beam"] == 12).all()
    assert len(source.group_names) == 24
    assert source.columns["gain_db"].shape == (48,)


@pytest.mark.parametrize("lengths", [[1], [3, 1, 1, 7], [64, 1, 200, 5], [1] * 20])
def test_runs_are_found_with_few_looks(lengths: list[int]) -> None:
    values = np.repeat(np.arange(len(lengths)), lengths)
    looks: Counter[int] = Counter()

    def setting(block: int) -> tuple[int]:
        looks[block] += 1
        return (int(values[block]),)

    ends = np.cumsum(lengths).tolist()
    expected = [(end - count, end, (k,)) for k, (end, count) in enumerate(zip(ends, lengths, strict=True))]
    assert _runs(len(values), setting) == expected
    assert looks.total() <= sum(2 + 2 * np.log2(count) + 1 for count in lengths) + len(lengths)


def test_pi_radio_names_gains_in_words_and_has_five_blocks_a_frame(tmp_path: Path) -> None:
    blocks = np.tile(BLOCKS[:10], (5, 1))
    file = write_deepbeam(tmp_path / "mrf.h5", blocks, gains=("att-tx-0-0-",), beams=range(5))
    record = open_source(file, format="deepbeam", num_samples=16)[torch.arange(50)]
    assert record["gain_db"].isnan().all()
    assert record["front_end"].unique().tolist() == [-1]
    assert record["group"].unique(return_counts=True)[1].tolist() == [5] * 10
    assert "angle" not in record


# Prints by how many kB the most memory of the process grows while a seventh of a file is read; HDF5's own counts.
READING = """
import resource, sys, torch
from groundwave.data import open_source
def most(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source = open_source(sys.argv[1], format="deepbeam")
source[torch.arange(8)]
before = most()
for start in range(0, len(source) - 512, len(source) // 90):
    source[torch.arange(start, start + 512)]
print(most() - before)
"""


def test_a_file_of_five_gigabytes_is_read_in_little_memory(tmp_path: Path) -> None:
    per_cell = 29 * 150  # 72 cells of so many blocks of 2048 samples of 8 bytes
    file = write_large_deepbeam(tmp_path / "large-tx-ant-0.h5", 29)
    ran = subprocess.run([sys.executable, "-c", READING, str(file)], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 200_000
    source = open_source(file, format="deepbeam")
    assert len(source) * 2048 * 8 > 5e9
    record = source[torch.arange(72) * per_cell]
    cells = torch.view_as_real(record["iq"][:, 0])
    torch.testing.assert_close(cells, torch.stack((record["gain_db"], record["label"].float()), 1))
    assert len(cells.unique(dim=0)) == 72


def test_a_store_keeps_settings_and_frames(tmp_path: Path) -> None:
    blocks = np.repeat(BLOCKS[:30], 128, axis=1)
    file = write_deepbeam(tmp_path / "a-tx-ant-1.h5", blocks, gains=(40, 50))
    store = ingest([file], tmp_path / "store", format="deepbeam", sample_rate=1e9, dtype="float32")
    record = Store.open(store.path)[torch.arange(30)]
    torch.testing.assert_close(record["iq"], torch.from_numpy(blocks), rtol=0, atol=0)
    assert record["gain_db"].tolist() == [40.0] * 15 + [50.0] * 15
    assert record["front_end"].tolist() == [1] * 30
    assert record["group"].tolist() == [0] * 15 + [1] * 15


def test_other_files_are_told(tmp_path: Path) -> None:
    def spoiled(name: str, values: Any) -> Path:
        file = write(tmp_path / "x.h5")
        with h5py.File(file, "a") as handle:
            del handle[name]
            if values is not None:
                handle[name] = values
        return file

    with pytest.raises(DataError, match="check the file"):
        open_source(spoiled("gain", None), format="deepbeam", **SHAPE)
    with pytest.raises(DataError, match="check the file"):
        open_source(spoiled("tx_beam", np.zeros(5)), format="deepbeam", **SHAPE)
    with pytest.raises(DataError, match="come and go"):
        open_source(spoiled("gain", np.arange(BLOCKS.size) // 64 % 2), format="deepbeam", **SHAPE)
    with pytest.raises(DataError, match="whole frames of 3 blocks"):
        open_source(write(tmp_path / "x.h5"), format="deepbeam", num_samples=16, blocks_per_frame=3)
    (tmp_path / "y.h5").write_bytes(b"no")
    with pytest.raises(DataError, match="HDF5"):
        open_source(tmp_path / "y.h5", format="deepbeam")
