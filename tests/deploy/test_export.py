"""The ONNX file: the same numbers as PyTorch, a description of itself, or nothing at all."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from groundwave import __version__
from groundwave.contract import CSIContract, SpectrogramContract
from groundwave.contract.csi import DOPPLER
from groundwave.data.spectrograms import Transform
from groundwave.deploy import export as module
from groundwave.deploy import graphs
from groundwave.deploy.export import export, start_session
from groundwave.errors import ContractError, GroundwaveError, ModelError, OutputExistsError
from groundwave.model import InputContract, Model
from groundwave.nn.complex import to_channels
from groundwave.nn.dense import LinearDecoder
from groundwave.nn.heads import LinearHead
from groundwave.rng import generator

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


class Moments(torch.nn.Module):
    """A backbone that is exported in a moment."""

    num_features = 4

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lag = (x[..., 1:] * x[..., :-1]).mean(-1)
        return torch.cat([x.mean(-1), lag], dim=1)[:, :4] * self.weight


def quick() -> Model:
    model = small("spectrum")
    args = {"in_features": 4, "out_features": 3}
    model.backbone = Moments()
    return model.with_head("linear", LinearHead(**args), args, ("am", "fm", "psk"))


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.complex64, generator=generator(1, "records"))


def test_an_ort_file_of_one_interleaved_record_is_what_live_tools_load(tmp_path: Path) -> None:
    model, iq = quick(), draw(1, 256)
    out = export(model, tmp_path / "m.ort", layout="interleaved", shapes="static", records=iq[:, None])
    assert out.read_bytes()[4:8] == b"ORTM"
    session = start_session(out)
    assert session.get_inputs()[0].shape == [1, 1, 512]
    told = session.get_modelmeta().custom_metadata_map
    assert (told["input_size"], told["history_depth"], told["normalise_mode"]) == ("512", "1", "None")
    found = session.run(None, {"iq": torch.view_as_real(iq).reshape(1, 1, 512).numpy()})[0]
    np.testing.assert_allclose(found, model.predict(iq), atol=1e-5)


@pytest.mark.parametrize("layout", ["rows", "interleaved"])
def test_a_free_length_takes_every_length_of_the_contract(tmp_path: Path, layout: str) -> None:
    model = quick()
    session = start_session(export(model, tmp_path / "m.onnx", shapes="free", layout=layout))
    for length in (64, 99, 512):
        iq = draw(2, length)
        given = to_channels(iq) if layout == "rows" else torch.view_as_real(iq).reshape(2, 1, -1)
        np.testing.assert_allclose(session.run(None, {"iq": given.numpy()})[0], model.predict(iq), atol=1e-5)


def test_a_free_length_of_a_model_that_takes_one_is_refused(tmp_path: Path) -> None:
    model = quick()
    model.contract = InputContract(num_samples=128, min_samples=128, max_samples=128)
    with pytest.raises(ContractError, match=r"128 samples, no more and no less.*--shapes batch"):
        export(model, tmp_path / "m.onnx", shapes="free")


class FixedLength(Moments):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * torch.fft.rfft(torch.ones(int(x.shape[-1]))).real[0]


class Quantile(Moments):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.kthvalue(3, dim=-1).values.repeat(1, 2) * self.weight


def test_a_network_without_an_onnx_path_names_the_operator(tmp_path: Path) -> None:
    model = quick()
    model.backbone = Quantile()
    with pytest.raises(ModelError, match=r"operator aten\.kthvalue"):
        export(model, tmp_path / "m.onnx")
    model.backbone = FixedLength()
    with pytest.raises(ModelError, match="--shapes batch"):
        export(model, tmp_path / "m.onnx", shapes="free")
    assert list(tmp_path.iterdir()) == []


def vit(contract: SpectrogramContract | CSIContract, cells: bool) -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Model.build("vit", contract, {"dim": 16, "depth": 1, "num_heads": 2, "patch": (4, 4)})
        if not cells:
            return model
        args = {"num_features": 16, "num_outputs": 3, "patch": [4, 4]}
        return model.with_head("linear_decoder", LinearDecoder(**args), args, ("noise", "lte", "nr"))


@pytest.mark.parametrize(("cells", "window"), [(True, "hann"), (False, "rectangular")])
def test_a_model_of_spectrograms_takes_samples(tmp_path: Path, cells: bool, window: str) -> None:
    contract = SpectrogramContract(num_freqs=16, num_frames=18, hop=12, num_averaged=2, window=window)
    model = vit(contract, cells)
    session = start_session(export(model, tmp_path / "m.onnx"))
    transform = Transform(16, 18, 12, 2, window)
    iq = 1e-3 * draw(3, transform.num_samples) + torch.polar(torch.ones(1), 0.4 * torch.arange(transform.num_samples))
    spec = transform.cells(iq)["spec"]
    found = session.run(None, {"iq": to_channels(iq).numpy()})[0]
    np.testing.assert_allclose(found, model.predict(spec) if cells else model.embed(spec), atol=1e-4)
    told = session.get_modelmeta().custom_metadata_map
    assert told["input_size"] == str(transform.num_samples)
    assert ("of each cell" in told["output"]) == cells


def test_a_model_of_csi_takes_packets_as_rows(tmp_path: Path) -> None:
    model = vit(CSIContract(num_antennas=2, min_subcarriers=8, min_packets=8), cells=False)
    with pytest.raises(ContractError, match="--size SUBCARRIERS PACKETS"):
        export(model, tmp_path / "m.onnx")
    session = start_session(export(model, tmp_path / "m.onnx", size=(9, 12)))
    csi = draw(3, 2, 9, 12)
    packets = np.stack([csi.real, csi.imag], axis=-1).transpose(0, 3, 1, 2, 4).reshape(3, 12, 2 * 9 * 2)
    np.testing.assert_allclose(session.run(None, {"csi": packets})[0], model.embed(csi), atol=1e-4)
    told = session.get_modelmeta().custom_metadata_map
    assert (told["history_depth"], told["input_size"]) == ("12", "36")


def test_a_model_of_doppler_spectra_is_exported_for_one_antenna(tmp_path: Path) -> None:
    model = vit(CSIContract(min_packets=32, normalisation=DOPPLER), cells=False)
    session = start_session(export(model, tmp_path / "m.onnx", size=(9, 40)))
    csi = draw(3, 1, 9, 40)
    packets = np.stack([csi.real, csi.imag], axis=-1).transpose(0, 3, 1, 2, 4).reshape(3, 40, 2 * 9)
    np.testing.assert_allclose(session.run(None, {"csi": packets})[0], model.embed(csi), atol=1e-4)


class Loudest(Moments):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.max_pool1d(x, x.shape[-1] // 4).sum(-1).tanh().repeat(1, 2) * self.weight


def broken(session: object, name: str, given: torch.Tensor) -> list[bool]:
    """For which of four records, the second with NaN and the third infinite, a file answers with NaN alone."""
    given = given.clone()
    given[1, 0, 5], given[2, 0, 7] = torch.nan, torch.inf
    found = session.run(None, {name: given.numpy()})[0].reshape(4, -1)
    assert (np.isnan(found).all(axis=1) == np.isnan(found).any(axis=1)).all()
    return np.isnan(found).any(axis=1).tolist()


@pytest.mark.parametrize("modality", ["iq", "spec", "csi"])
def test_a_record_that_is_not_finite_has_no_answer(tmp_path: Path, modality: str) -> None:
    if modality == "iq":
        model = quick()
        model.backbone = Loudest()
    else:
        spec = SpectrogramContract(num_freqs=16, num_frames=16, hop=16)
        model = vit(spec if modality == "spec" else CSIContract(), cells=modality == "spec")
    size = (9, 12) if modality == "csi" else None
    session = start_session(export(model, tmp_path / "m.onnx", size=size))
    given = session.get_inputs()[0]
    x = torch.randn(4, *given.shape[1:], generator=generator(0, "broken"))
    assert broken(session, given.name, x) == [False, True, True, False]


def test_a_graph_in_which_nan_gets_lost_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "where_finite", lambda found, power: found)
    model = quick()
    model.backbone = Loudest()
    session = start_session(export(model, tmp_path / "m.onnx"))
    assert not all(broken(session, "iq", torch.randn(4, 2, 256))[1:3])  # a class of noise that is none


def test_records_that_the_file_answers_otherwise_are_told_of(tmp_path: Path) -> None:
    """A file that divides by the power of the whole batch is right for one record, and wrong for real ones together."""
    model, loud = quick(), draw(8, 1, 256) * torch.logspace(-3, 0, 8)[:, None, None]
    export(model, tmp_path / "right.onnx", records=loud)

    class Wrong(module.GRAPHS["iq"](model, None, None, "rows").__class__):
        def forward(self, iq: torch.Tensor) -> torch.Tensor:
            return self.answer(iq / (2 * iq.square().mean()).sqrt())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "GRAPHS", {"iq": lambda m, n, s, layout: Wrong(m, n, layout)})
        with pytest.raises(ModelError, match="differs from the model"):
            export(model, tmp_path / "wrong.onnx", records=loud)


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


def test_a_file_whose_name_would_be_false_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GroundwaveError, match=r"m\.pt; expected a file that ends in \.onnx or \.ort"):
        export(quick(), tmp_path / "m.pt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("num_samples", [63, 513])
def test_a_length_that_the_model_would_cut_is_refused(tmp_path: Path, num_samples: int) -> None:
    with pytest.raises(ContractError, match="64 to 512"):
        export(small("spectrum"), tmp_path / "m.onnx", num_samples=num_samples)


def test_missing_packages_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(GroundwaveError, match=r"groundwave\[deploy\]"):
        export(small("spectrum"), tmp_path / "m.onnx")
