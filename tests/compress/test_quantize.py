"""Eight-bit files: close to the float ones, smaller, described, and refused where they make no sense."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from torch import nn

from groundwave.compress.quantize import quantize
from groundwave.deploy.export import export, start_session
from groundwave.errors import DataError, ModelError
from groundwave.model import InputContract, Model
from groundwave.nn.heads import LinearHead
from groundwave.rng import generator


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    torch.manual_seed(0)
    contract = InputContract(num_samples=128, min_samples=128, max_samples=128)
    model = Model.build("amc_cnn", contract, {"width": 32})
    for layer in model.backbone.modules():
        if isinstance(layer, nn.BatchNorm1d):
            layer.running_var.uniform_(0.2, 0.5)
    args = {"in_features": model.num_features, "out_features": 4}
    model = model.with_head("linear", LinearHead(**args), args, ("a", "b", "c", "d"))
    return export(model, tmp_path_factory.mktemp("onnx") / "m.onnx").read_bytes()


def records(num: int) -> torch.Tensor:
    return torch.randn(num, 2, 128, generator=generator(0, "records"))


def test_it_says_nearly_the_same_and_is_smaller(exported: bytes, tmp_path: Path) -> None:
    made = quantize(exported, records(64))
    assert len(made) < 0.45 * len(exported)
    wanted, found = (start_session(m).run(None, {"iq": records(100).numpy()})[0] for m in (exported, made))
    np.testing.assert_allclose(found, wanted, atol=0.03)
    assert np.abs(found - wanted).max() > 0
    noise = records(2)
    noise[0, 1, 9] = torch.nan
    told = start_session(made).run(None, {"iq": noise.numpy()})[0]
    assert np.isnan(told).all(axis=1).tolist() == [True, False]
    loud = quantize(exported, records(64) * 0 + 1)  # ranges of one constant signal, which noise leaves far behind
    wrong = start_session(loud).run(None, {"iq": records(100).numpy()})[0]
    assert np.abs(wrong - wanted).mean() > 2 * np.abs(found - wanted).mean()


def test_weights_are_within_half_a_step_of_their_channel(exported: bytes) -> None:
    model = onnx.load_model_from_string(quantize(exported, records(32)))
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = [n for n in model.graph.node if n.op_type == "DequantizeLinear" and n.input[0] in tensors]
    per_channel = [n for n in nodes if tensors[n.input[0]].dtype == np.int8 and tensors[n.input[1]].ndim == 1]
    assert len(per_channel) >= 8
    for node in per_channel:
        assert not tensors[node.input[2]].any()  # symmetric
        assert np.abs(tensors[node.input[0]].astype(int)).max() <= 127


def test_it_keeps_what_the_file_says_of_itself(exported: bytes) -> None:
    before, after = (
        {p.key: p.value for p in onnx.load_model_from_string(m).metadata_props}
        for m in (exported, quantize(exported, records(8)))
    )
    assert after == {**before, "quantisation": "INT8 QDQ, per channel"}


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 1000), rows=st.integers(2, 6), size=st.floats(1e-2, 1e2))
def test_every_weight_is_within_half_a_step(seed: int, rows: int, size: float) -> None:
    draw = generator(seed, "weights")
    weight = size * torch.randn(rows, 5, 3, generator=draw)
    model = onnx.load_model_from_string(quantize(one_conv(weight), torch.randn(4, 5, 16, generator=draw)))
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    name = next(name for name, tensor in tensors.items() if tensor.dtype == np.int8 and tensor.ndim == 3)
    scale = next(n.input[1] for n in model.graph.node if n.op_type == "DequantizeLinear" and n.input[0] == name)
    step = tensors[scale][:, None, None]
    error = np.abs(tensors[name] * step - weight.numpy())
    assert (error <= step / 2 * (1 + 1e-4)).all()
    assert not (error <= step / 16).all()  # a bound that a coarser step would break


def one_conv(weight: torch.Tensor) -> bytes:
    make = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"], name="conv", kernel_shape=[3])],
        "one",
        [make("x", onnx.TensorProto.FLOAT, ["batch", 5, 16])],
        [make("y", onnx.TensorProto.FLOAT, ["batch", len(weight), 14])],
        [numpy_helper.from_array(weight.numpy(), "w")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    return model.SerializeToString()


def test_mistakes(exported: bytes) -> None:
    with pytest.raises(DataError, match="0 records"):
        quantize(exported, records(0))
    with pytest.raises(DataError, match="such as the model takes"):
        quantize(exported, torch.zeros(3, 2, 64))
    with pytest.raises(DataError, match="repair or drop"):
        quantize(exported, records(3) * torch.nan)
    with pytest.raises(DataError, match="complex64 records for a file with 1 inputs"):
        quantize(exported, records(3).to(torch.complex64))
    with pytest.raises(DataError, match="a batch_size of 0"):
        quantize(exported, records(3), batch_size=0)
    with pytest.raises(ModelError, match="9 bytes that are no ONNX file"):
        quantize(b"no graph.", records(3))
    with pytest.raises(ModelError, match="at least one of"):
        quantize(b"", records(3))
    model = onnx.load_model_from_string(one_conv(torch.ones(2, 5, 3)))
    model.graph.node[0].CopyFrom(onnx.helper.make_node("Relu", ["x"], ["y"]))
    with pytest.raises(ModelError, match="got a file with Relu"):
        quantize(model.SerializeToString(), torch.zeros(3, 5, 16))
