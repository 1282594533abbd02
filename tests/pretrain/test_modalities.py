"""Models and pretraining of every modality, with a network and an objective that are as small as can be."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from groundwave.contract import (
    CONTRACTS,
    ArrayContract,
    Contract,
    CSIContract,
    DepthContract,
    InputContract,
    RGBContract,
    SpectrogramContract,
)
from groundwave.contracts import Record
from groundwave.data.fingerprint import fingerprint
from groundwave.data.sources import Records
from groundwave.errors import ContractError, DataError, GroundwaveError, OutputExistsError
from groundwave.model import Model
from groundwave.nn import BACKBONES
from groundwave.pretrain import OBJECTIVES
from groundwave.pretrain.run import pretrain
from groundwave.rng import generator
from groundwave.train import Schedule

CONTRACT: dict[str, Contract] = {
    "iq": InputContract(64, 32, 128),
    "spec": SpectrogramContract(num_freqs=16, num_frames=16),
    "csi": CSIContract(num_antennas=2),
    "array": ArrayContract(64, 32, 128, size=(2, 2)),
    "rgb": RGBContract(),
    "depth": DepthContract(),
}


class Levels(nn.Module):
    """A backbone: statistics of each channel, mixed."""

    num_features = 6

    def __init__(self, num_channels: int = 1) -> None:
        super().__init__()
        self.mix = nn.Linear(2 * num_channels, 6)

    def forward(self, x: Tensor) -> Tensor:
        """Return mean and deviation of each channel, mixed."""
        cells = x.flatten(2)
        return self.mix(torch.cat([cells.mean(2), cells.std(2)], dim=1))


class Spread(nn.Module):
    """An objective that asks for the contract, and makes features of different records differ."""

    def __init__(self, backbone: nn.Module, views: Any, contract: Contract) -> None:
        super().__init__()
        self.backbone, self.contract = backbone, contract

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return a loss that falls with the variance of the features."""
        x = self.contract.channels(self.contract.prepare(record))
        return {"loss": -self.backbone(x).var(0).mean().log()}


@pytest.fixture(autouse=True)
def _tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "levels", Levels)
    monkeypatch.setitem(OBJECTIVES, "spread", Spread)


def records(modality: str, seed: int = 0, num: int = 12) -> Records:
    shapes = {"iq": (num, 64), "spec": (num, 16, 20), "csi": (num, 2, 10, 12)}
    shapes |= {"rgb": (num, 3, 8, 9), "depth": (num, 1, 8, 9), "array": (num, 4, 64)}
    x = torch.randn(shapes[modality], dtype=torch.complex64, generator=generator(seed, modality))
    if modality in ("rgb", "depth"):
        return Records({modality: x.abs().clamp(0.01, 1)})
    return Records({modality: 20 * x.abs().log10() if modality == "spec" else x})


def run(modality: str, out: Path, **settings: Any) -> Model:
    given: dict[str, Any] = {
        "source": records(modality),
        "contract": CONTRACT[modality],
        "views": (),
        "schedule": Schedule(epochs=2, precision="32-true"),
        "backbone": "levels",
        "objective": "spread",
        "batch_size": 4,
        "progress": False,
    }
    return pretrain(out=out, **{**given, **settings})


@pytest.mark.parametrize("modality", CONTRACTS)
def test_pretraining_leaves_a_model_that_embeds_and_loads_again(modality: str, tmp_path: Path) -> None:
    model = run(modality, tmp_path / "run")
    record = records(modality)[torch.arange(5)]
    features = model.embed(record, batch_size=2)
    assert features.shape == (5, 6)
    torch.testing.assert_close(model.embed(record[modality]), features)
    again = Model.load(tmp_path / "run" / "model")
    assert again.contract == CONTRACT[modality]
    torch.testing.assert_close(again.embed(record), features, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("modality", CONTRACTS)
def test_other_records_are_another_run(modality: str, tmp_path: Path) -> None:
    run(modality, tmp_path / "run")
    with pytest.raises(OutputExistsError):
        run(modality, tmp_path / "run", source=records(modality, seed=1))
    rows = torch.arange(12)
    prints = {fingerprint(records(modality, seed), rows, None, modality) for seed in (0, 0, 1)}
    assert len(prints) == 2


def test_records_of_another_modality_are_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"records of label.*hold 'csi'"):
        run("csi", tmp_path / "run", source=records("spec"))
    assert list(tmp_path.iterdir()) == []


def test_what_the_objective_cannot_take_is_told_with_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: Spread, record: Record, generator: Generator) -> dict[str, Tensor]:
        raise RuntimeError("too small")

    monkeypatch.setattr(Spread, "forward", failing)
    with pytest.raises(GroundwaveError, match=r"records of 16 by 20 cells, .*too small"):
        run("spec", tmp_path / "run")


def test_oversampling_is_a_matter_of_iq() -> None:
    model = Model.build("levels", CONTRACT["spec"])
    with pytest.raises(ContractError, match="oversampling for a model of 'spec'"):
        model.embed(records("spec")[torch.arange(2)], oversampling=4)
