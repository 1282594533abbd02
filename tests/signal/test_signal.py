"""The physics folder: purity, shapes, gradients."""

import inspect

import pytest
import torch

from groundwave.errors import UnknownNameError
from groundwave.rng import generator
from groundwave.signal import constellation, fading, filters, impair, message, noise

DRAWS = {
    "symbols": lambda g: constellation.draw_symbols(constellation.constellation("QPSK"), 3, 20, generator=g),
    "faders": lambda g: fading.draw_faders(3, [4.0, 0.0], 1e-3, generator=g).phase_i,
    "walk": lambda g: impair.draw_walk(torch.zeros(3), 10, 0.1, 1.0, generator=g),
    "noise": lambda g: noise.noise_like(torch.zeros(3, 10, dtype=torch.complex64), generator=g),
    "speech": lambda g: message.speech(3, 100, 200e3, generator=g),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_depend_on_their_generator_alone(name):
    draw = DRAWS[name]
    first = draw(generator(0, name))
    torch.rand(7)  # the global generator must not matter
    torch.testing.assert_close(draw(generator(0, name)), first, rtol=0, atol=0)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(draw(generator(1, name)), first)


@pytest.mark.parametrize("module", [constellation, fading, impair, message, noise])
def test_generators_are_handed_in(module):
    for _, function in inspect.getmembers(module, inspect.isfunction):
        parameter = inspect.signature(function).parameters.get("generator")
        assert parameter is None or parameter.default is inspect.Parameter.empty, function


@pytest.mark.parametrize(
    "apply",
    [
        lambda x: impair.shift_frequency(x, torch.full((2,), 0.1)),
        lambda x: impair.rotate(x, torch.full((2,), 0.5)),
        lambda x: filters.fir(x, torch.tensor([1.0, -0.5, 0.25])),
        lambda x: filters.upsample(x, torch.tensor([1.0, 2.0, 1.0, 0.5], dtype=torch.float64), 2),
        lambda x: filters.sample_at(x, 5 + 0.7 * torch.arange(20, dtype=torch.float64).expand(2, -1)),
        lambda x: filters.sample_drifting(x, 5 + 1e-3 * torch.arange(20, dtype=torch.float64).expand(2, -1)),
        lambda x: filters.interpolate_knots(x[:, :5], 12),
        lambda x: filters.interpolate_knots(x, 40),
        lambda x: fading.apply_paths(x, torch.ones(2, 2, 3, dtype=x.dtype), fading.delay_taps([0.0, 0.5], 4).double()),
        noise.unit_power,
    ],
)
def test_gradients_are_right(apply):
    x = torch.randn(2, 30, dtype=torch.complex128, generator=generator(0, "gradient"), requires_grad=True)
    assert torch.autograd.gradcheck(apply, (x,), atol=1e-4)


def test_gradients_reach_path_gains():
    x = torch.randn(2, 20, dtype=torch.complex128, generator=generator(0, "gradient"))
    gains = torch.randn(2, 2, 4, dtype=torch.complex128, generator=generator(1, "gradient"), requires_grad=True)
    taps = fading.delay_taps([0.0, 0.5], 4).double()
    assert torch.autograd.gradcheck(lambda g: fading.apply_paths(x, g, taps), (gains,), atol=1e-4)


def test_constants_of_inference_serve_training():
    x, knots = torch.randn(2, 50, generator=generator(0, "cache")), torch.randn(2, 7, generator=generator(1, "cache"))
    taps = torch.tensor([0.3, 0.7, 0.2])
    with torch.inference_mode():
        filters.fir(x, taps)
        filters.interpolate_knots(knots, 53)
    x.requires_grad_()
    knots.requires_grad_()
    (filters.fir(x, taps).square().sum() + filters.interpolate_knots(knots, 53).square().sum()).backward()
    assert x.grad.isfinite().all()
    assert knots.grad.isfinite().all()


def test_leading_dimensions_are_free():
    x = torch.randn(2, 3, 40, dtype=torch.complex64, generator=generator(0, "batch"))
    taps = torch.tensor([1.0, 0.5])
    torch.testing.assert_close(filters.fir(x, taps)[1, 2], filters.fir(x[1, 2], taps))
    torch.testing.assert_close(filters.upsample(x, taps, 2)[1, 2], filters.upsample(x[1, 2], taps, 2))


def test_knots_are_joined_by_straight_lines():
    out = filters.interpolate_knots(torch.tensor([[0.0, 1.0, 0.0]]), 5)
    torch.testing.assert_close(out, torch.tensor([[0.0, 0.5, 1.0, 0.5, 0.0]]))


def test_unknown_constellation_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="QAM16"):
        constellation.constellation("QAM61")
