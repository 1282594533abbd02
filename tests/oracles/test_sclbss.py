"""SCLBSS against its description written out: two different quarter turns for the batch, NT-Xent both ways."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from groundwave.pretrain.sclbss import SCLBSS
from groundwave.rng import generator

Array = npt.NDArray[np.float64]


class Flat(nn.Module):
    """A backbone that passes the samples on."""

    num_features = 8

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def turned(iq: Array, quarters: int) -> Array:
    """Turn `[B, 2, time]` by multiples of 90 degrees with the rotation matrix of the paper."""
    angle = quarters * math.pi / 2
    matrix = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.stack([matrix @ record for record in iq])


def project(head: nn.Sequential, x: Array) -> Array:
    """Dense, batch norm, ReLU, dense, batch norm, written out."""
    weights = {name: value.detach().double().numpy() for name, value in head.state_dict().items()}
    for dense, norm, bends in ((0, 1, True), (3, 4, False)):
        x = x @ weights[f"{dense}.weight"].T + weights[f"{dense}.bias"]
        x = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
        x = x * weights[f"{norm}.weight"] + weights[f"{norm}.bias"]
        x = np.maximum(x, 0) if bends else x
    return x


def nt_xent(a: Array, b: Array, temperature: float) -> float:
    """Return the mean over both directions of -log of a pair's share of all similarities."""
    z = [row / np.linalg.norm(row) for row in (*a, *b)]
    total = 0.0
    for i in range(len(z)):
        similar = [math.exp(float(z[i] @ z[k]) / temperature) for k in range(len(z)) if k != i]
        pair = (i + len(a)) % len(z)
        total -= math.log(math.exp(float(z[i] @ z[pair]) / temperature) / sum(similar))
    return total / len(z)


def losses(objective: SCLBSS, iq: Tensor) -> dict[tuple[int, int], float]:
    """Return the slow loss for each pair of turns."""
    samples = torch.view_as_real(iq).movedim(-1, 1).double().numpy()
    z = [project(objective.project, turned(samples, k).reshape(len(iq), -1)) for k in range(4)]
    return {(i, j): nt_xent(z[i], z[j], 0.1) for i in range(4) for j in range(4)}


def test_the_loss_is_that_of_two_different_turns_and_all_pairs_are_drawn() -> None:
    torch.manual_seed(0)
    objective = SCLBSS(Flat(), views=[])
    iq = torch.randn(7, 4, dtype=torch.complex64)
    slow, drawn = losses(objective, iq), set()
    for seed in range(60):
        found = float(objective({"iq": iq}, generator(seed))["loss"].detach())
        # Which of the two is called the first does not change the loss.
        matching = [pair for pair, value in slow.items() if math.isclose(value, found, rel_tol=1e-4)]
        assert matching, f"{found} is the loss of no pair of turns"
        drawn.update(matching)
    assert drawn == {(i, j) for i in range(4) for j in range(4) if i != j}


def test_the_oracle_catches_a_wrong_turn_and_one_drawn_for_each_record() -> None:
    torch.manual_seed(0)
    objective = SCLBSS(Flat(), views=[])
    iq = torch.randn(7, 4, dtype=torch.complex64)
    slow = losses(objective, iq)
    eighth = torch.polar(torch.ones(()), torch.tensor(math.pi / 4))
    each = torch.tensor([1, 1j, -1, -1j, 1, 1j, -1])[:, None]
    for wrong in (iq * eighth, iq * each):
        a, b = (objective.project(torch.view_as_real(x).movedim(-1, 1).flatten(1)) for x in (iq, wrong))
        found = nt_xent(a.detach().double().numpy(), b.detach().double().numpy(), 0.1)
        with pytest.raises(AssertionError):
            assert any(math.isclose(value, found, rel_tol=1e-4) for value in slow.values())
