"""The model: its input contract, and its folder on disk."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from groundwave.adapt import LEARNERS
from groundwave.errors import ContractError, DataError, ModelError, OutputExistsError, UnknownNameError
from groundwave.model import InputContract, Model, packaged

CONTRACT = InputContract(num_samples=64, min_samples=32, max_samples=128)
ARGS = {
    "towers": {
        "time": {"kind": "xcit", "dim": 16, "depth": 1, "patch": 4},
        "frequency": {"kind": "spectrum", "dim": 16, "depth": 2},
    }
}


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    return Model.build("lsm", CONTRACT, ARGS, card="# a card\n")


@pytest.fixture
def iq() -> torch.Tensor:
    return torch.randn(6, 64, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def adapted(model: Model, iq: torch.Tensor) -> Model:
    learner = LEARNERS["ridge"]().fit({"features": model.embed(iq), "label": torch.tensor([0, 1, 2] * 2)})
    return model.with_head(learner.head_name, learner.head, learner.head_args(), ("a", "b", "c"))


def test_embed_does_not_depend_on_level_or_batch_size(model: Model, iq: torch.Tensor) -> None:
    whole = model.embed(iq)
    assert whole.shape == (6, model.num_features)
    torch.testing.assert_close(model.embed(1e-3 * iq, batch_size=2), whole, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model.embed(iq.numpy()[0]), whole[:1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model.embed({"iq": iq}), whole)


def test_long_input_is_the_mean_over_windows(model: Model) -> None:
    iq = torch.randn(2, 160, dtype=torch.complex64)
    unit = CONTRACT.prepare(iq)
    model.modules().eval()
    parts = [model.backbone(torch.view_as_real(unit[:, s : s + 64]).transpose(1, 2)) for s in (0, 32, 64, 96)]
    torch.testing.assert_close(model.embed(iq), torch.stack(parts).mean(0).detach(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (torch.randn(2, 64), "complex"),
        (torch.randn(2, 3, 64, dtype=torch.complex64), "3 antennas"),
        (torch.randn(2, 31, dtype=torch.complex64), "at least 32"),
        (torch.full((2, 64), complex("nan"), dtype=torch.complex64), "NaN or infinite samples in record 0"),
        (torch.full((1, 64), complex("inf"), dtype=torch.complex64), "finite"),
        (torch.zeros(2, 64, dtype=torch.complex64), "without any power"),
    ],
)
def test_input_that_does_not_fit_is_refused_with_a_reason(model: Model, bad: torch.Tensor, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        model.embed(bad)


def test_stated_oversampling_outside_the_contract_names_the_factor(model: Model, iq: torch.Tensor) -> None:
    model.embed(iq, oversampling=8)
    with pytest.raises(ContractError, match=r"resample by 0\.5"):
        model.embed(iq, oversampling=32)


def test_predict_needs_a_head(model: Model, adapted: Model, iq: torch.Tensor) -> None:
    with pytest.raises(ModelError, match="adapt"):
        model.predict(iq)
    probabilities = adapted.predict(iq)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(6))
    assert probabilities.argmax(1).tolist() == [0, 1, 2] * 2


def test_a_saved_model_comes_back_the_same(adapted: Model, iq: torch.Tensor, tmp_path: Path) -> None:
    back = Model.load(adapted.save(tmp_path / "m"))
    torch.testing.assert_close(back.predict(iq), adapted.predict(iq), rtol=0, atol=0)
    assert (back.classes, back.contract, back.spec) == (("a", "b", "c"), CONTRACT, adapted.spec)
    assert back.card == "# a card\n"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_save_refuses_an_existing_folder_and_leaves_nothing_half_written(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputExistsError, match="taken"):
        model.save(tmp_path / "taken")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match=r"no space left on the disk while writing .*new.*free some space"):
        model.save(tmp_path / "new")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize(
    "change",
    [
        {"num_samples": "1024"},
        {"min_samples": 0},
        {"max_samples": None},
        {"num_antennas": True},
        {"min_samples": 65},
        {"max_samples": 63},
        {"oversampling": (16.0, 2.0)},
        {"oversampling": (0.0, 2.0)},
        {"oversampling": ("2", 16.0)},
        {"modality": "csi"},
        {"normalisation": "none"},
    ],
)
def test_a_contract_that_no_input_could_keep_is_refused(change: dict[str, Any], model: Model, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="an input contract with"):
        replace(CONTRACT, **change)
    folder = model.save(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    config["contract"] |= change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="an input contract with"):
        Model.load(folder)


def test_a_head_has_an_output_for_each_class(adapted: Model) -> None:
    assert adapted.head is not None
    with pytest.raises(ContractError, match="3 outputs for 2 classes"):
        adapted.with_head("linear", adapted.head, {}, ("a", "b"))


def test_a_bad_record_is_named_by_its_index(model: Model, iq: torch.Tensor) -> None:
    iq[4] = 0
    with pytest.raises(ContractError, match=r"record 4\)"):
        model.embed(iq)
    with pytest.raises(ContractError, match=r"record 1004\)"):
        model.embed({"iq": iq, "index": 1000 + torch.arange(6)})
    iq[2] = torch.nan
    with pytest.raises(ContractError, match="samples in record 1002;"):
        model.embed({"iq": iq, "index": 1000 + torch.arange(6)})


def test_a_card_of_another_encoding_does_not_matter(model: Model, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "m")
    (folder / "README.md").write_bytes("# Gerät\n".encode("latin-1"))
    assert Model.load(folder).card == "# Ger\ufffdt\n"


def damage(folder: Path, how: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    if how == "hash":
        blob = bytearray((folder / "model.safetensors").read_bytes())
        blob[-1] ^= 1
        (folder / "model.safetensors").write_bytes(blob)
    elif how in ("config.json", "model.safetensors"):
        (folder / how).unlink()
    elif how == "not json":
        (folder / "config.json").write_text("{")
    elif how == "no keys":
        (folder / "config.json").write_text("[]")
    elif how == "format":
        (folder / "config.json").write_text(json.dumps({**config, "format_version": 99}))
    elif how == "architecture":
        config["spec"]["backbone"]["args"]["towers"]["time"]["dim"] = 32
        (folder / "config.json").write_text(json.dumps(config))
    elif how in ("patch", "num_heads"):
        config["spec"]["backbone"]["args"]["towers"]["time"][how] = {"patch": 12, "num_heads": 0}[how]
        (folder / "config.json").write_text(json.dumps(config))
    elif how in ("classes", "class names", "contract", "spec", "oversampling", "sha"):
        wrong = {
            "classes": {"classes": ["a", "b"]},
            "class names": {"classes": "abc"},
            "contract": {"contract": []},
            "spec": {"spec": 5},
            "oversampling": {"contract": {**config["contract"], "oversampling": [1, 2, 3]}},
            "sha": {"weights_sha256": 5},
        }[how]
        (folder / "config.json").write_text(json.dumps(config | wrong))
    elif how == "backbone":
        config["spec"]["backbone"]["name"] = "lsn"
        (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("hash", "hash"),
        ("config.json", "without config.json"),
        ("model.safetensors", "without model.safetensors"),
        ("not json", "not a model's"),
        ("no keys", "not a model's"),
        ("format", "format 99"),
        ("architecture", "architecture"),
        ("backbone", "did you mean 'lsm'"),
        ("patch", "patch must be a power of two"),
        ("num_heads", "do not make a model"),
        ("classes", "3 outputs for 2 classes"),
        ("class names", "classes 'abc'"),
        ("contract", "do not make a model"),
        ("spec", "do not make a model"),
        ("oversampling", "do not make a model"),
        ("sha", "hash"),
    ],
)
def test_a_broken_model_folder_is_refused(adapted: Model, tmp_path: Path, how: str, words: str) -> None:
    folder = adapted.save(tmp_path / "m")
    damage(folder, how)
    with pytest.raises(ModelError, match=words):
        Model.load(folder)


def test_an_unknown_model_offers_the_packaged_ones() -> None:
    with pytest.raises(UnknownNameError, match="iq-small"):
        Model.load("iq-smal")


def test_packaged_models_load_and_are_small() -> None:
    assert "iq-small" in packaged()
    for name, folder in packaged().items():
        model = Model.load(name)
        assert sum(f.stat().st_size for f in folder.iterdir()) < 10_000_000
        assert model.card.count("\n") > 10, "a packaged model has a model card"
        given = {
            "csi": torch.randn(2, 3, 30, 50, dtype=torch.complex64),
            "iq": torch.exp(2j * torch.pi * 0.01 * torch.arange(1024))[None],
            "spec": torch.randn(2, 64, 48),
        }[model.contract.modality]
        assert model.embed(given).isfinite().all(), name


def test_antennas_are_part_of_the_contract() -> None:
    two = Model.build("lsm", replace(CONTRACT, num_antennas=2), ARGS)
    assert two.embed(torch.randn(3, 2, 64, dtype=torch.complex64)).shape == (3, two.num_features)
