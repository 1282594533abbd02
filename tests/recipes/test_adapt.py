"""Adapting: a large store lends as many labels as it has, and classes that cannot be asked honestly are left out."""

from pathlib import Path

import numpy as np
import pytest

from groundwave.errors import DataError, SplitError
from groundwave.model import InputContract, Model
from groundwave.recipes.adapt import MAX_PER_CLASS, Adapted, adapt


@pytest.mark.parametrize("shots", [2, MAX_PER_CLASS])
def test_a_large_store_lends_as_many_labels_as_are_asked(tmp_path: Path, shots: int) -> None:
    count = 8 * MAX_PER_CLASS
    result = adapted(tmp_path, np.arange(count) % 2, np.arange(count) // 10, shots)
    assert result.num_labels == 2 * shots
    assert set(result.beside) == {"features + logistic"}
    assert result.left_out == []


def adapted(folder: Path, label: np.ndarray, group: np.ndarray, shots: int) -> Adapted:
    """Adapt to windows of noise whose second class is louder at one frequency."""
    stream = np.random.default_rng(0)
    windows = stream.normal(size=(len(label), 32, 2)).astype(np.float32).view(np.complex64)[..., 0]
    windows += 3 * (label == 1)[:, None] * np.exp(0.5j * np.arange(32)).astype(np.complex64)
    np.savez(folder / "x.npz", iq=windows, label=label, group=group, names=np.array(["a", "b", "rare"]))
    contract = InputContract(num_samples=32, min_samples=32, max_samples=64)
    Model.build("spectrum", contract, {"dim": 8, "depth": 1}).save(folder / "model")
    names = {"iq": "iq", "label": "label", "group": "group", "classes": "names", "sample_rate_hz": 1e6}
    return adapt(
        str(folder / "model"),
        data=folder / "x.npz",
        shots=shots,
        out=folder / "out",
        learner="prototypes",
        options=names,
    )


def test_a_class_of_one_group_is_left_out_and_told(tmp_path: Path) -> None:
    label = np.array([0, 1] * 20 + [2] * 6)
    result = adapted(tmp_path, label, np.r_[np.arange(40) // 4, np.full(6, 99)], 3)
    assert result.model.classes == ("a", "b")
    assert result.left_out == ["rare"]
    assert result.beside["features + logistic"].mean > 0.8


def test_what_no_class_can_be_asked_of_is_refused_before_anything_is_embedded(tmp_path: Path) -> None:
    label = np.array([0, 1] * 20)
    with pytest.raises(DataError, match="0 classes that have records of two groups or more"):
        adapted(tmp_path, label, label, 3)
    (tmp_path / "model").rename(tmp_path / "first")
    with pytest.raises(SplitError, match="class b with"):
        adapted(tmp_path, np.array([0] * 20 + [1, 1]), np.arange(22) // 2 + np.arange(22) // 21, 3)
