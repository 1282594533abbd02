"""Adapting with many labels: a large store lends as many as it has, whatever is enough to score a few."""

from pathlib import Path

import numpy as np
import pytest

from groundwave.model import InputContract, Model
from groundwave.recipes.adapt import MAX_PER_CLASS, adapt


@pytest.mark.parametrize("shots", [2, MAX_PER_CLASS])
def test_a_large_store_lends_as_many_labels_as_are_asked(tmp_path: Path, shots: int) -> None:
    count = 8 * MAX_PER_CLASS
    stream = np.random.default_rng(0)
    windows = stream.normal(size=(count, 32, 2)).astype(np.float32).view(np.complex64)[..., 0]
    np.savez(tmp_path / "x.npz", iq=windows, label=np.arange(count) % 2, group=np.arange(count) // 10)
    contract = InputContract(num_samples=32, min_samples=32, max_samples=64)
    Model.build("spectrum", contract, {"dim": 8, "depth": 1}).save(tmp_path / "model")
    names = {"iq": "iq", "label": "label", "group": "group", "sample_rate_hz": 1e6}
    result = adapt(
        str(tmp_path / "model"),
        data=tmp_path / "x.npz",
        shots=shots,
        out=tmp_path / "out",
        learner="prototypes",
        options=names,
    )
    assert result.num_labels == 2 * shots
