"""Which found direction belongs to which source, beside SciPy; an array from its labels, beside a planted one."""

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from groundwave.errors import GroundwaveError
from groundwave.rng import generator
from groundwave.signal.array import planar_array, separation_rad, steering
from groundwave.signal.array_errors import coupling, draw_errors
from groundwave.signal.direction import best_order, covariance, fit_response

PLANE = planar_array(3, 3)


def directions(*shape: int) -> Tensor:
    return torch.rand(*shape, 2, generator=generator(0, "directions", *shape)) - 0.5


def first_to_first(found: Tensor, wanted: Tensor) -> Tensor:
    """Pair directions as they come: what must be caught."""
    return torch.arange(wanted.shape[-2]).expand(wanted.shape[:-1])


def optimal(order: Tensor, found: Tensor, wanted: Tensor) -> bool:
    """Return whether an order is as good as SciPy's assignment."""
    for one, other, chosen in zip(found, wanted, order, strict=True):
        cost = separation_rad(one[None], other[:, None]).double().numpy()
        rows, columns = linear_sum_assignment(cost)
        if cost[range(len(other)), chosen.numpy()].sum() > cost[rows, columns].sum() + 1e-6:
            return False
    return True


def test_the_order_is_that_of_the_least_sum() -> None:
    found, wanted = directions(40, 3), directions(41, 3)[1:]
    assert optimal(best_order(found, wanted), found, wanted)
    assert not optimal(first_to_first(found, wanted), found, wanted)


def test_a_direction_that_is_missing_is_paired_last() -> None:
    wanted = torch.tensor([[0.1, 0.0], [0.5, 0.0]])
    found = torch.tensor([[0.5, 0.0], [torch.nan, torch.nan]])
    assert best_order(found, wanted).tolist() == [1, 0]


def heard(response: Tensor, angle: Tensor, snr_db: float) -> Tensor:
    draw = generator(0, "heard")
    signal, noise = (torch.randn(len(angle), n, 100, dtype=torch.complex64, generator=draw) for n in (1, len(PLANE)))
    return (steering(PLANE, angle) @ response.mT)[..., None] * signal + 10 ** (-snr_db / 20) * noise


def test_the_response_is_found_but_for_a_factor() -> None:
    errors = draw_errors(1, len(PLANE), severity=1.0, generator=generator(0, "array"))
    planted = errors.chain[0][:, None] * coupling(PLANE, -12.0)
    angle = 2 * directions(300)
    found = fit_response(covariance(heard(planted, angle, 10.0)), steering(PLANE, angle))
    factor = (planted.conj() * found).sum() / (found.conj() * found).sum()
    assert float((factor.conj() * found - planted).abs().max()) < 0.05
    assert float((torch.eye(len(PLANE)) - planted).abs().max()) > 0.15, "the ideal array would be caught"


def test_too_few_records_are_told() -> None:
    angle = directions(8)
    with pytest.raises(GroundwaveError, match="8 records for 9 elements"):
        fit_response(covariance(heard(torch.eye(9) + 0j, angle, 10.0)), steering(PLANE, angle))
