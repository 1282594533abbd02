"""Every objective of the table keeps the same contract, on a tiny backbone that it can train."""

import pytest
import torch
from torch import nn

from groundwave.contracts import Objective, Record
from groundwave.nn import BACKBONES
from groundwave.pretrain import OBJECTIVES
from groundwave.rng import generator
from groundwave.views import Normalise, Rotate

TOWERS = {
    "time": {"kind": "xcit", "dim": 16, "depth": 1, "patch": 4},
    "frequency": {"kind": "spectrum", "dim": 16, "depth": 2},
}
# The backbone that an objective asks for; any will do for those that are not named.
BACKBONE = {"lsm": ("lsm", {"towers": TOWERS})}
ANY = ("xcit", {"dim": 16, "depth": 1, "patch": 4})


def build(name: str) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    kind, settings = BACKBONE.get(name, ANY)
    backbone = BACKBONES[kind](num_channels=2, **settings)
    return backbone, OBJECTIVES[name](backbone, views=[Rotate(), Normalise()])


def batch() -> Record:
    iq = torch.randn(16, 64, dtype=torch.complex64, generator=generator(0, "batch"))
    return {"iq": iq, "group": torch.arange(16)}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_loss_is_a_finite_scalar_and_the_rest_can_be_logged(name: str) -> None:
    _, objective = build(name)
    assert isinstance(objective, Objective)
    scalars = objective(batch(), generator(0, "step"))
    assert scalars["loss"].requires_grad
    assert all(value.shape == () and value.isfinite() for value in scalars.values())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_weight_of_the_backbone_gets_a_gradient(name: str) -> None:
    backbone, objective = build(name)
    objective(batch(), generator(0, "step"))["loss"].backward()
    missing = [n for n, p in backbone.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A bias before a batch norm, and the bias of keys, shift what the next operation takes out again.
    assert [n for n in missing if not n.endswith("bias")] == []


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_views_come_from_the_generator_alone(name: str) -> None:
    _, objective = build(name)
    one, same, other = (objective.eval()(batch(), generator(seed, "step"))["loss"] for seed in (0, 0, 1))
    torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert one != other


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_few_steps_lower_the_loss(name: str) -> None:
    _, objective = build(name)
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-2)
    losses = []
    for _ in range(10):
        loss = objective(batch(), generator(0, "step"))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
