"""Files from anywhere: what they say of themselves is believed only where it fits what they do."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from groundwave.contract import InputContract, SpectrogramContract
from groundwave.deploy.classifiers import OnnxClassifier
from groundwave.errors import GroundwaveError

CONTRACT = InputContract(num_samples=64, min_samples=32, max_samples=128)
HUGE = InputContract(num_samples=1 << 40, min_samples=1, max_samples=1 << 50)
GOOD: dict[str, Any] = {
    "classes": ["a", "b"],
    "record": [1, 64],
    "input_contract": asdict(CONTRACT),
    "sample_rate_range": [2.0, 16.0],
}


def written(path: Path, told: dict[str, Any], shape: tuple[object, ...] = ("batch", 2, 64), **types: int) -> Path:
    """Write a file that answers with the mean of each of its rows."""
    made = helper.make_graph(
        [helper.make_node("ReduceMean", ["iq", "axes"], ["probabilities"], keepdims=0)],
        "means",
        [helper.make_tensor_value_info("iq", types.get("input", TensorProto.FLOAT), shape)],
        [helper.make_tensor_value_info("probabilities", types.get("input", TensorProto.FLOAT), None)],
        [numpy_helper.from_array(np.array([2]), "axes")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    words = {key: value if isinstance(value, str) else json.dumps(value) for key, value in told.items()}
    onnx.helper.set_model_props(model, words)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_file_that_fits_is_taken(tmp_path: Path) -> None:
    iq = (np.arange(128) + 1j * np.arange(128)[::-1]).astype(np.complex64).reshape(2, 1, 64)
    rows = OnnxClassifier(written(tmp_path / "rows.onnx", GOOD))
    np.testing.assert_allclose(rows.answer(iq), np.stack([iq.real.mean((1, 2)), iq.imag.mean((1, 2))], axis=1))
    free = written(tmp_path / "turns.onnx", {**GOOD, "classes": ["a"]}, ("batch", 1, "columns"))
    np.testing.assert_allclose(OnnxClassifier(free).answer(iq)[:, 0], (iq.real + iq.imag).mean((1, 2)) / 2)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"classes": ["a", "b", "c"]}, r"answers \[1, 2\] to one record; expected \[1, 3\]"),
        ({"classes": []}, "0 classes"),
        ({"classes": ["a", ""]}, "some without a name"),
        ({"classes": "a, b"}, "no JSON"),
        ({"classes": {"a": 0}}, "each entry text"),
        ({"record": [1, 63]}, "which takes iq tensor"),
        ({"record": [1, 256]}, "32 to 128"),
        ({"record": [2, 64]}, r"\[antennas, samples\] = \[1, "),
        ({"record": [64]}, r"\[antennas, samples\]"),
        ({"record": [1, -64]}, "each entry a whole number, at least 1"),
        ({"record": [1, 1 << 40], "input_contract": asdict(HUGE)}, "more than 1048576 samples"),
        ({"input_contract": {**asdict(CONTRACT), "max_samples": 8}}, "the lengths ascending"),
        ({"input_contract": {**asdict(CONTRACT), "oversampling": [-1, 4]}}, "two positive numbers"),
        ({"input_contract": asdict(SpectrogramContract())}, "a model of 'spec'"),
        ({"input_contract": {"modality": "smell"}}, "unknown modality 'smell'"),
        ({"input_contract": {"modality": "iq"}}, "cannot be run"),
        ({"input_contract": "[" * 10_000}, "no JSON"),
        ({"sample_rate_range": [2.0, 99.0]}, r"for rates of \[2.0, 99.0\]"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    with pytest.raises(GroundwaveError, match=told) as caught:
        OnnxClassifier(written(tmp_path / "m.onnx", {**GOOD, **change}))
    assert caught.value.do


@pytest.mark.parametrize("missing", ["classes", "record", "input_contract"])
def test_what_is_missing_is_told(tmp_path: Path, missing: str) -> None:
    with pytest.raises(GroundwaveError, match=f"with no {missing}.*export the model again"):
        OnnxClassifier(written(tmp_path / "m.onnx", {key: GOOD[key] for key in GOOD if key != missing}))


@pytest.mark.parametrize("shape", [(1, 2, 63), ("batch", 4, 64), ("batch", 128)])
def test_a_graph_of_other_records_is_refused(tmp_path: Path, shape: tuple[object, ...]) -> None:
    with pytest.raises(GroundwaveError, match=r"which takes iq|cannot be run"):
        OnnxClassifier(written(tmp_path / "m.onnx", GOOD, shape))
    double = written(tmp_path / "d.onnx", GOOD, input=TensorProto.DOUBLE)
    with pytest.raises(GroundwaveError, match=r"tensor\(double\)"):
        OnnxClassifier(double)
