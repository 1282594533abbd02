"""LSM's objective: it pulls views of a record together, refuses destructive views, and trains end to end."""

from pathlib import Path

import pytest
import torch

from groundwave.contracts import Objective
from groundwave.data.sources import Records
from groundwave.errors import GroundwaveError, OutputExistsError
from groundwave.model import InputContract
from groundwave.nn import BACKBONES, LSM
from groundwave.pretrain import OBJECTIVES
from groundwave.pretrain.run import pretrain
from groundwave.rng import generator
from groundwave.train import Schedule
from groundwave.views import Conjugate, Crop, Normalise, Rotate

VIEWS = (Crop(48), Rotate(), Normalise())
ARGS = {
    "towers": {
        "time": {"kind": "xcit", "dim": 16, "depth": 1, "patch": 4},
        "frequency": {"kind": "spectrum", "dim": 16, "depth": 2},
    }
}


def tones(num_records: int) -> dict[str, torch.Tensor]:
    stream = torch.Generator().manual_seed(0)
    cycles = torch.rand(num_records, 1, generator=stream) - 0.5
    noise = torch.randn(num_records, 64, dtype=torch.complex64, generator=stream)
    return {"iq": torch.exp(2j * torch.pi * cycles * torch.arange(64)) + 0.1 * noise}


@pytest.mark.parametrize(
    "terms",
    [
        (("time", "frequency"),),
        (("time", "frequency"), ("time", "time"), ("frequency", "frequency")),
        (("time", "frequency"), ("fused", "fused")),
    ],
)
@pytest.mark.parametrize("projection", [0, 8])
def test_loss_falls_and_every_parameter_learns(terms: tuple[tuple[str, str], ...], projection: int) -> None:
    torch.manual_seed(0)
    objective = OBJECTIVES["lsm"](LSM(**ARGS), views=VIEWS, projection=projection, terms=terms)
    assert isinstance(objective, Objective)
    optimizer, record, losses = torch.optim.AdamW(objective.parameters(), 3e-3), tones(32), []
    for step in range(30):
        scalars = objective(record, generator(0, step))
        optimizer.zero_grad()
        scalars["loss"].backward()
        optimizer.step()
        losses.append(scalars["loss"].item())
    assert set(scalars) == {"loss", *("-".join(term) for term in terms)}
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert all(p.grad is not None for p in objective.parameters())


def test_a_view_that_changes_the_answer_is_refused() -> None:
    with pytest.raises(GroundwaveError, match="leave Conjugate out"):
        OBJECTIVES["lsm"](LSM(**ARGS), views=(*VIEWS, Conjugate()), answer="sideband")


def test_pretrain_returns_the_saved_model_and_a_second_call_costs_nothing(tmp_path: Path) -> None:
    def run(seed: int = 0) -> torch.Tensor:
        model = pretrain(
            Records(tones(64)),
            out=tmp_path / "run",
            contract=InputContract(64, 32, 128),
            views=VIEWS,
            schedule=Schedule(epochs=2, precision="32-true"),
            backbone_args=ARGS,
            batch_size=16,
            seed=seed,
            progress=False,
        )
        return model.embed(tones(4))

    first = run()
    before = (tmp_path / "run" / "model" / "model.safetensors").stat().st_mtime_ns
    torch.testing.assert_close(run(), first, rtol=0, atol=0)
    assert (tmp_path / "run" / "model" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(OutputExistsError):
        run(seed=1)


def test_a_backbone_without_towers_is_refused() -> None:
    with pytest.raises(GroundwaveError, match="backbone lsm"):
        OBJECTIVES["lsm"](BACKBONES["xcit"](dim=16, depth=1), views=VIEWS)


def test_a_partner_is_the_second_view_and_its_recording_is_no_negative() -> None:
    torch.manual_seed(0)
    objective = OBJECTIVES["lsm"](LSM(**ARGS), views=(Normalise(),), projection=8)
    record = tones(8)
    alone = objective(record, generator(0))["loss"]
    itself = objective({**record, "partner_iq": record["iq"], "group": torch.arange(8)}, generator(0))["loss"]
    torch.testing.assert_close(alone, itself)
    one = torch.zeros(8, dtype=torch.int64)
    one_group = objective({**record, "partner_iq": record["iq"], "group": one}, generator(0))["loss"]
    torch.testing.assert_close(one_group, torch.tensor(0.0))


def test_a_tower_sees_only_the_views_that_a_term_asks_for() -> None:
    seen: dict[str, list[int]] = {"time": [], "frequency": []}
    for terms in ((("time", "frequency"),), (("time", "frequency"), ("time", "time"))):
        objective = OBJECTIVES["lsm"](LSM(**ARGS), views=VIEWS, terms=terms)
        for name, tower in objective.backbone.towers.items():
            tower.register_forward_pre_hook(lambda _, given, name=name: seen[name].append(len(given[0])))
        objective(tones(32), generator(0, "step"))
    assert seen == {"time": [32, 64], "frequency": [32, 32]}
