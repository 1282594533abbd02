"""SimSiam against its pseudo-code one record at a time, and its gradient against finite differences."""

import pytest
import torch
from torch import Tensor, nn

from groundwave.pretrain.simsiam import SimSiam, simsiam_loss, spread
from groundwave.rng import generator
from groundwave.views import Rotate


def slow_loss(p1: Tensor, p2: Tensor, z1: Tensor, z2: Tensor) -> float:
    """Chen and He (2021), equations 1 and 2, in plain sums."""

    def distance(p: list[float], z: list[float]) -> float:
        dot = sum(a * b for a, b in zip(p, z, strict=True))
        return -dot / (sum(a * a for a in p) * sum(b * b for b in z)) ** 0.5

    total = 0.0
    for rows in zip(p1.tolist(), p2.tolist(), z1.tolist(), z2.tolist(), strict=True):
        total += 0.5 * distance(rows[0], rows[3]) + 0.5 * distance(rows[1], rows[2])
    return total / len(p1)


def test_the_loss_matches_its_slow_twin_and_its_best_is_minus_one() -> None:
    p1, p2, z1, z2 = torch.randn(4, 6, 5)
    found = simsiam_loss(p1, p2, z1, z2)
    torch.testing.assert_close(found, torch.tensor(slow_loss(p1, p2, z1, z2)))
    torch.testing.assert_close(simsiam_loss(p1, p2, 3 * p2, 0.1 * p1), torch.tensor(-1.0))
    with pytest.raises(AssertionError):  # each view predicts itself: a mistake that the oracle must catch
        torch.testing.assert_close(found, torch.tensor(slow_loss(p1, p2, z2, z1)))


class Flat(nn.Module):
    """A backbone of one layer, in double precision, so that differences can be taken."""

    num_features = 3

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, self.num_features, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.double().flatten(1)).tanh()


def difference(objective: SimSiam, weight: Tensor, *, still: bool) -> Tensor:
    """Return d loss / d weight by central differences, with the other side's projections held still or not."""
    record = {"iq": torch.randn(6, 4, dtype=torch.complex64, generator=generator(0, "iq"))}
    views = objective.look_twice(record, generator(1))

    def projections() -> list[Tensor]:
        return [objective.project(objective.backbone(seen)) for seen in views]

    held = projections()

    def loss() -> float:
        z = projections()
        p = [objective.predict(each) for each in z]
        return slow_loss(*p, *(held if still else z))

    slope, step = torch.zeros_like(weight), 1e-5
    for place in torch.cartesian_prod(*(torch.arange(n) for n in weight.shape)).tolist():
        at = tuple(place)
        with torch.no_grad():
            weight[at] += step
            above = loss()
            weight[at] -= 2 * step
            below = loss()
            weight[at] += step
        slope[at] = (above - below) / (2 * step)
    return slope


def test_the_stop_gradient_stops_and_no_more_than_it_should() -> None:
    torch.manual_seed(0)
    objective = SimSiam(Flat(), views=[Rotate()], projection=4, bottleneck=2).double()
    record = {"iq": torch.randn(6, 4, dtype=torch.complex64, generator=generator(0, "iq"))}
    objective(record, generator(1))["loss"].backward()
    for weight in (objective.backbone.layer.weight, objective.project[0].weight, objective.predict[0].weight):
        # The loss itself is taken in single precision, the differences are not.
        torch.testing.assert_close(weight.grad, difference(objective, weight, still=True), atol=1e-5, rtol=1e-3)
    flowing = difference(objective, objective.backbone.layer.weight, still=False)
    with pytest.raises(AssertionError):  # without the stop: a mistake that the oracle must catch
        torch.testing.assert_close(objective.backbone.layer.weight.grad, flowing, atol=1e-5, rtol=1e-3)


def test_the_spread_tells_a_collapse_from_a_sphere() -> None:
    torch.manual_seed(0)
    torch.testing.assert_close(spread(torch.randn(5000, 16)), torch.tensor(1.0), atol=0.02, rtol=0)
    torch.testing.assert_close(spread(torch.ones(50, 16)), torch.tensor(0.0))
