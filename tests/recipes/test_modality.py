"""`groundwave pretrain` on whatever records hold: a store of spectrograms, a scene, both kinds in one store."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from groundwave.contract import ArrayContract, CSIContract, InputContract, SpectrogramContract
from groundwave.data.ingest import ingest
from groundwave.data.manifest import Array
from groundwave.data.sources import Records, SceneSource
from groundwave.data.store import Store
from groundwave.errors import DataError, GroundwaveError
from groundwave.model import Model
from groundwave.nn import BACKBONES
from groundwave.nn.convlstm import ConvLSTM
from groundwave.nn.vit import ViT
from groundwave.recipes.adapt import adapt
from groundwave.recipes.generate import generate
from groundwave.recipes.modality import contract_of, modality_of, windows_of
from groundwave.recipes.predict import predict
from groundwave.recipes.pretrain import pretrain
from groundwave.rng import generator
from groundwave.scenes.angles import Angles
from groundwave.scenes.cellular import Cellular
from groundwave.scenes.spectrogram import Spectrogram


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "vit", partial(ViT, dim=16, depth=1, num_heads=2, patch=(8, 8)))


def spectrograms(folder: Path, **options: Any) -> Path:
    draw = np.random.default_rng(0).normal(size=(8000, 2)).astype(np.float32)
    draw.tofile(folder / "air.cf32")
    size: dict[str, Any] = {"spectrogram": 32, "num_frames": 24}
    return ingest([folder / "air.cf32"], folder / "store", 1e6, **{**size, **options}).path


def test_a_store_of_spectrograms_is_pretrained_on_without_being_told(tmp_path: Path) -> None:
    data = spectrograms(tmp_path, frame_hop=16)
    model = pretrain(str(data), out=tmp_path / "run", epochs=1, progress=False)
    assert model.contract == SpectrogramContract(num_freqs=32, num_frames=24, hop=16)
    assert model.spec["backbone"]["name"] == "vit"
    assert model.card.startswith("# vit pretrained with msm on spec")
    record = Store.open(data)[torch.arange(3)]
    assert Model.load(tmp_path / "run" / "model").embed(record).shape == (3, 16)


def test_a_convlstm_hides_cells_in_its_own_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "convlstm", partial(ConvLSTM, dim=4, depth=1))
    data = spectrograms(tmp_path)
    model = pretrain(str(data), out=tmp_path / "run", backbone="convlstm", epochs=1, progress=False)
    assert model.embed(Store.open(data)[torch.arange(2)]).shape == (2, 4)
    told = json.loads((tmp_path / "run" / "run.json").read_text())["objective"]
    assert told == ["msm", {"ratio": 0.2, "fill": "noise", "decoder": {"name": "linear"}}]


def test_a_model_looks_through_the_window_of_its_store(tmp_path: Path) -> None:
    data = Store.open(spectrograms(tmp_path, window="rectangular"))
    contract = contract_of(data, data[torch.tensor([0])], "spec")
    assert isinstance(contract, SpectrogramContract)
    iq = torch.from_numpy(np.fromfile(tmp_path / "air.cf32", np.complex64))[: contract.transform.num_samples]
    torch.testing.assert_close(contract.transform.cells(iq[None])["spec"], data[torch.tensor([0])]["spec"])


def test_a_scene_of_spectrograms_too(tmp_path: Path) -> None:
    model = pretrain("spectrogram", out=tmp_path / "run", epochs=1, num_records=2, progress=False)
    assert model.contract == SpectrogramContract()


def test_adapt_learns_a_head_on_spectrograms(tmp_path: Path) -> None:
    spec = torch.randn(24, 32, 24, generator=generator(0, "levels"))
    label = torch.arange(24) % 2
    spec[label == 1, :16] += 10  # half of the band is occupied
    arrays = {"spec": Array("float32", (32, 24))}
    store = Store.create(tmp_path / "s", classes=("free", "busy"), num_samples=None, arrays=arrays)
    store.append({"spec": spec, "label": label, "group": torch.arange(24) // 2})
    Model.build("vit", SpectrogramContract(num_freqs=32, num_frames=24)).save(tmp_path / "model")
    result = adapt(
        str(tmp_path / "model"), data=store.path, shots=2, out=tmp_path / "adapted", learner="logistic", seed=0
    )
    assert result.recall[0] > 0.9
    path, found = predict(
        str(tmp_path / "adapted"), store.path, out=None, format=None, threshold_db=3.0, options={"iq": None}
    )
    assert found == "labels of 24 windows"
    assert [line.split(",")[1] for line in path.read_text().splitlines()[1:]].count("busy") == 12


def test_what_records_hold_decides_and_can_be_named() -> None:
    record = {"spec": torch.zeros(1, 32, 40), "iq": torch.zeros(1, 2, 64), "csi": torch.zeros(1, 3, 30, 50)}
    assert modality_of(record, None, "x") == "iq"
    assert modality_of({"label": torch.zeros(1), "csi": record["csi"]}, None, "x") == "csi"
    assert modality_of(record, "spec", "x") == "spec"
    with pytest.raises(DataError, match=r"x with iq; expected spec; .*--modality iq"):
        modality_of({"iq": record["iq"]}, "spec", "x")
    with pytest.raises(DataError, match="one of iq, spec, csi"):
        modality_of({"label": torch.zeros(1)}, None, "x")
    source = Records(record)
    assert contract_of(source, record, "iq") == InputContract(64, 16, 128, num_antennas=2)
    assert contract_of(source, record, "csi") == CSIContract(num_antennas=3)
    assert contract_of(source, record, "spec") == SpectrogramContract(num_freqs=32, num_frames=40, hop=32)


def test_an_objective_of_iq_is_refused_for_spectrograms(tmp_path: Path) -> None:
    data = spectrograms(tmp_path)
    with pytest.raises(GroundwaveError, match=r"objective simclr for records of 'spec'; expected one of .*msm"):
        pretrain(str(data), out=tmp_path / "run", objective="simclr", progress=False)
    with pytest.raises(DataError, match="--modality spec"):
        pretrain(str(data), out=tmp_path / "run", modality="iq", progress=False)
    assert not (tmp_path / "run").exists()


def test_equal_cells_are_told_before_training(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "s", classes=(), num_samples=None, arrays={"spec": Array("float32", (32, 32))})
    spec = torch.randn(4, 32, 32, generator=generator(0, "spec"))
    spec[1] = -120.0
    store.append({"spec": spec})
    with pytest.raises(GroundwaveError, match=r"all equal \(record 1\)"):
        pretrain(str(store.path), out=tmp_path / "run", epochs=1, progress=False)


@pytest.mark.parametrize(
    ("notes", "windows"),
    [
        ({}, (32, 1, "hann")),
        ({"spectrogram": {"hop": 8}}, (8, 1, "hann")),
        ({"spectrogram": {"hop": 8, "num_averaged": 5}}, (8, 5, "hann")),
        ({"spectrogram": {"hop": 8, "window": "rectangular"}}, (8, 1, "rectangular")),
    ],
)
def test_how_frames_are_made_is_what_the_store_says(
    notes: dict[str, Any], windows: tuple[int, int, str], tmp_path: Path
) -> None:
    arrays = {"spec": Array("float32", (32, 32))}
    store = Store.create(tmp_path / "s", classes=(), num_samples=None, arrays=arrays, notes=notes)
    assert windows_of(store, 32) == windows


def test_a_scene_says_it_and_its_store_remembers(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"num_freqs": 64, "num_frames": 16, "hop": 16, "num_per_block": 2}
    told = (16, 1, "hann")
    assert windows_of(SceneSource(Spectrogram(**settings), 2), 64) == told
    generate("spectrogram", num=2, out=tmp_path / "s", seed=0, settings=settings)
    assert windows_of(Store.open(tmp_path / "s"), 64) == told
    waterfall = SceneSource(Cellular(num_frames=16, num_averaged=3, num_per_block=3), 3)
    assert windows_of(waterfall, 256) == (256, 3, "hann")


def test_a_store_remembers_how_the_elements_of_an_array_stand(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"size": (2, 3), "spacing": 0.4, "num_samples": 32, "records_per_class": 2}
    source = SceneSource(Angles(**settings, seed=1), 4)
    generate("angles", num=4, out=tmp_path / "angles", seed=1, settings=settings)
    for opened in (source, Store.open(tmp_path / "angles")):
        contract = contract_of(opened, opened[torch.arange(1)], "array")
        assert isinstance(contract, ArrayContract)
        assert (contract.size, contract.spacing) == ((2, 3), 0.4)
    record = source[torch.arange(1)]
    row = contract_of(Records(record, classes=source.classes), record, "array")
    assert isinstance(row, ArrayContract)
    assert (row.size, row.spacing) == ((1, 6), 0.5)
