"""UT-HAR arrays: they come back antenna by antenna; others are refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fake import csi as fake

from groundwave.data import open_source
from groundwave.errors import DataError

RNG = np.random.default_rng(3)


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
        (np.ones((5, 25, 90)), np.array([0, 1, np.nan, 2, np.inf]), "whole numbers from 0 to 6"),
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
