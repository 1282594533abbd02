"""Converters and gain control against theory: quantisation noise, clipping, settling."""

import math

import numpy as np
import pytest
import torch

from groundwave.rng import generator
from groundwave.signal import converter

ONE = torch.tensor(1.0)


def noise(num: int, size: float = 1.0) -> torch.Tensor:
    return size * torch.randn((1, num), dtype=torch.complex64, generator=generator(0, "converter"))


@pytest.mark.parametrize("bits", [6, 8, 12])
def test_a_full_sine_has_6_db_a_bit_and_1_76(bits):
    amplitude = 1 - 2.0**-bits  # of the largest code, half a step off
    x = amplitude * torch.exp(2j * math.pi * 0.1234567 * torch.arange(50_000, dtype=torch.float64))
    x = x.to(torch.complex64)[None]
    error = converter.adc(x, torch.tensor(float(bits)), ONE) - x
    snr_db = 10 * math.log10(float(x.abs().square().mean() / error.abs().square().mean()))
    assert snr_db == pytest.approx(6.02 * bits + 1.76, abs=0.5)  # two per cent of the sine is cut
    assert abs(snr_db - (6.02 * (bits - 1) + 1.76)) > 5  # a step twice as wide would show


def test_quantisation_error_of_noise_is_uniform_in_a_step():
    x, step = noise(100_000, 0.2), torch.tensor(0.05)
    error = torch.view_as_real(converter.quantise(x, step, torch.tensor(4.0)) - x)
    assert float(error.abs().max()) <= 0.025 + 1e-6
    assert float(error.var()) == pytest.approx(0.05**2 / 12, rel=0.02)
    truncated = torch.view_as_real(x).div(step).floor() * step - torch.view_as_real(x)
    assert float(truncated.square().mean()) != pytest.approx(0.05**2 / 12, rel=0.02)  # rounding down is caught


def test_codes_are_those_of_twos_complement():
    x = torch.linspace(-2, 2, 2001)
    codes = converter.adc(torch.complex(x, -x)[None], torch.tensor(3.0), ONE).real.unique()
    torch.testing.assert_close(codes, torch.arange(-4, 4) / 4)


@pytest.mark.parametrize("full_scale", [0.5, 1.0, 2.0])
def test_noise_clips_as_often_as_the_normal_law_says(full_scale):
    y = torch.view_as_real(converter.clip(noise(200_000), torch.tensor(full_scale)))
    clipped = float((y.abs() >= full_scale).float().mean())
    assert clipped == pytest.approx(math.erfc(full_scale), rel=0.03, abs=2e-4)  # each part has variance 1/2
    assert clipped != pytest.approx(math.erfc(full_scale / math.sqrt(2)), rel=0.03, abs=2e-4)  # variance 1


def test_rounding_passes_the_gradient_of_clipping():
    x = torch.tensor([[0.3 + 0.3j, 5 - 5j]], requires_grad=True)
    torch.view_as_real(converter.quantise(x, torch.tensor(0.25), ONE)).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([[1 + 1j, 0 + 0j]]))


def slow_smooth(values: np.ndarray, decay: float, start: float) -> list[float]:
    p = [start]
    for value in values:
        p.append(decay * p[-1] + (1 - decay) * value)
    return p


def test_smoothing_by_doubling_is_the_recursion():
    values = torch.rand((2, 45), generator=generator(1, "smooth"))
    decay, start = torch.tensor([0.9, 0.2]), torch.tensor([3.0, 0.0])
    p = converter.smooth(values, decay, start)
    for row in range(2):
        slow = slow_smooth(values[row].numpy(), float(decay[row]), float(start[row]))
        np.testing.assert_allclose(p[row].numpy(), slow, rtol=1e-5)
        with np.testing.assert_raises(AssertionError):
            np.testing.assert_allclose(p[row].numpy(), slow_smooth(values[row].numpy(), 0.5, 0.0), rtol=1e-5)


def test_gain_control_settles_at_its_target_within_its_time_constant():
    x = torch.full((2, 4100), 4.0, dtype=torch.complex64)
    time_constant = torch.tensor([200.0, 1000.0])
    level = converter.agc(x, time_constant, torch.tensor([1.0, 1.0]), target=0.5).abs()
    torch.testing.assert_close(level[:, 0], torch.tensor([2.0, 2.0]))  # gain for a level of 1
    torch.testing.assert_close(level[0, -1], torch.tensor(0.5))
    for row in range(2):  # power p(t) = 16 - 15 exp(-t / tau): after one tau 10.48
        after = float(level[row, int(time_constant[row])])
        assert after == pytest.approx(0.5 * 4 / math.sqrt(16 - 15 / math.e), rel=0.03)
        assert after != pytest.approx(0.5 * 4 / math.sqrt(16 - 15 / math.e**2), rel=0.03)  # twice too fast


def test_gain_control_only_knows_the_past():
    x = noise(300)
    y = x.clone()
    y[:, 200:] *= 100
    before, after = (converter.agc(z, torch.tensor(50.0), ONE) for z in (x, y))
    torch.testing.assert_close(before[:, :192], after[:, :192])
