"""The ONNX file: the same numbers as PyTorch, a description of itself, or nothing at all."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from groundwave import __version__
from groundwave.deploy import export as module
from groundwave.deploy.export import export, start_session
from groundwave.errors import ContractError, GroundwaveError, ModelError, OutputExistsError
from groundwave.model import InputContract, Model
from groundwave.nn.complex import to_channels
from groundwave.nn.heads import LinearHead

SMALL = {
    "envelope": {"dim": 16},
    "lsm": {
        "towers": {
            "time": {"kind": "xcit", "dim": 16, "depth": 1, "num_heads": 2},
            "frequency": {"kind": "spectrum", "dim": 16, "depth": 2},
            "attributes": {"kind": "attributes"},
        }
    },
    "spectrum": {"dim": 16, "depth": 2},
    "welch": {"dim": 16},
    "xcit": {"dim": 16, "depth": 1, "num_heads": 2},
}


def small(backbone: str, antennas: int = 1, head: bool = True) -> Model:
    contract = InputContract(num_samples=256, min_samples=64, max_samples=512, num_antennas=antennas)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Model.build(backbone, contract, SMALL[backbone], card="# Test\n")
        if head:
            args = {"in_features": model.num_features, "out_features": 3}
            model = model.with_head("linear", LinearHead(**args), args, ("am", "fm", "psk"))
        for layer in model.backbone.modules():
            if isinstance(layer, torch.nn.BatchNorm1d):  # batch statistics that matter
                layer.running_mean.uniform_(-1, 1)
                layer.running_var.uniform_(0.5, 2)
    return model


@pytest.mark.parametrize(
    ("backbone", "antennas", "head"), [("lsm", 1, True), ("spectrum", 2, True), ("xcit", 1, False)]
)
def test_file_computes_what_the_model_computes(tmp_path: Path, backbone: str, antennas: int, head: bool) -> None:
    model = small(backbone, antennas, head)
    session = start_session(export(model, tmp_path / "m.onnx"))
    draw = torch.Generator().manual_seed(0)
    shape = (256,) if antennas == 1 else (antennas, 256)
    for batch in (1, 3):
        iq = 1e-3 * torch.randn(batch, *shape, dtype=torch.complex64, generator=draw)
        wanted = model.predict(iq) if head else model.embed(iq)
        name = "probabilities" if head else "features"
        found = session.run([name], {"iq": to_channels(iq).numpy()})[0]
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_file_describes_itself(tmp_path: Path) -> None:
    session = start_session(export(small("spectrum"), tmp_path / "m.onnx", num_samples=128))
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["classes"]) == ["am", "fm", "psk"]
    assert told["input_size"] == "128"
    assert told["history_depth"] == "2"
    assert told["normalise_mode"] == "None"
    assert told["architecture"] == "spectrum"
    assert told["groundwave_version"] == __version__
    assert session.get_inputs()[0].shape == ["batch", 2, 128]


def test_file_says_nothing_about_this_machine(tmp_path: Path) -> None:
    content = export(small("spectrum"), tmp_path / "m.onnx").read_bytes()
    assert str(Path(module.__file__).parents[2]).encode() not in content
    assert b"site-packages" not in content


def test_an_export_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small("spectrum")
    convert = module.converted

    def other(graph: module.Graph, *rest: object) -> bytes:
        content = convert(graph, *rest)
        model.head.bias.data += torch.tensor([1.0, 0.0, 0.0])  # the model is another by the time it is compared
        return content

    monkeypatch.setattr(module, "converted", other)
    with pytest.raises(ModelError, match="differs from the model"):
        export(model, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


class FixedBatch(torch.nn.Module):
    num_features = 8

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 0, :8] * self.weight.expand(len(x), 8)


def test_a_fixed_batch_is_refused(tmp_path: Path) -> None:
    model = small("spectrum", head=False)
    model.backbone = FixedBatch()
    with pytest.raises(ModelError, match="batches of 2 only"):
        export(model, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_existing_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_text("mine")
    with pytest.raises(OutputExistsError):
        export(small("spectrum"), path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("num_samples", [63, 513])
def test_a_length_that_the_model_would_cut_is_refused(tmp_path: Path, num_samples: int) -> None:
    with pytest.raises(ContractError, match="64 to 512"):
        export(small("spectrum"), tmp_path / "m.onnx", num_samples=num_samples)


def test_missing_packages_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(GroundwaveError, match=r"groundwave\[deploy\]"):
        export(small("spectrum"), tmp_path / "m.onnx")
