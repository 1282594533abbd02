"""Amplifiers against closed forms: saturation, small-signal gain, AM/PM, intermodulation of two tones."""

import math

import numpy as np
import pytest
import torch

from groundwave.rng import generator
from groundwave.signal import amplifier
from groundwave.signal.amplifier import DING_MEMORY, SALEH_TWT

ENVELOPES = torch.linspace(0, 3, 301)


def turned(envelopes: torch.Tensor) -> torch.Tensor:
    """The same envelopes at another phase: an amplifier must not care."""
    return torch.polar(envelopes, torch.full_like(envelopes, 0.7))[None]


def saleh_by_hand(r: np.ndarray) -> np.ndarray:
    a, b, c, d = SALEH_TWT
    return a * r / (1 + b * r * r) * np.exp(1j * (0.7 + c * r * r / (1 + d * r * r)))


def test_saleh_is_the_closed_form_and_saturates_where_it_should():
    y = amplifier.saleh(turned(ENVELOPES), torch.tensor(SALEH_TWT))[0]
    np.testing.assert_allclose(y.numpy(), saleh_by_hand(ENVELOPES.double().numpy()), atol=2e-6)
    peak = int(y.abs().argmax())
    assert float(ENVELOPES[peak]) == pytest.approx(1 / math.sqrt(SALEH_TWT[1]), abs=0.01)
    assert float(y[peak].abs()) == pytest.approx(SALEH_TWT[0] / (2 * math.sqrt(SALEH_TWT[1])), rel=1e-4)
    wrong = amplifier.saleh(turned(ENVELOPES), torch.tensor(SALEH_TWT)[[0, 1, 3, 2]])[0]  # phase constants swapped
    with np.testing.assert_raises(AssertionError):
        np.testing.assert_allclose(wrong.numpy(), saleh_by_hand(ENVELOPES.double().numpy()), atol=2e-6)


@pytest.mark.parametrize("smoothness", [1.0, 2.0, 10.0])
def test_rapp_is_the_closed_form(smoothness):
    saturation, p = torch.tensor(1.3), torch.tensor(smoothness)
    y = amplifier.rapp(turned(ENVELOPES), saturation, p)[0]
    r = ENVELOPES.double()
    expected = r / (1 + (r / 1.3) ** (2 * smoothness)) ** (1 / (2 * smoothness))
    torch.testing.assert_close(y.abs().double(), expected, atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(y[1:].angle(), torch.full((300,), 0.7), atol=1e-5, rtol=0)
    with pytest.raises(AssertionError):  # p in place of 2p must be caught
        torch.testing.assert_close(amplifier.rapp(turned(ENVELOPES), saturation, p / 2)[0].abs().double(), expected)


def test_rapp_gain_is_one_when_small_and_its_limit_is_the_saturation():
    x = turned(torch.tensor([1e-4, 1e4]))
    small, large = amplifier.rapp(x, torch.tensor(0.8), torch.tensor(2.0))[0].abs()
    assert float(small) == pytest.approx(1e-4, rel=1e-5)
    assert float(large) == pytest.approx(0.8, rel=1e-4)


def test_rapp_turns_by_the_stated_angle_at_saturation():
    turn = torch.tensor(0.2)
    y = amplifier.rapp(turned(torch.tensor([1e-3, 0.8, 100.0])), torch.tensor(0.8), torch.tensor(2.0), turn)[0]
    torch.testing.assert_close(y.angle() - 0.7, torch.tensor([0.0, 0.2, 0.4]), atol=1e-4, rtol=0)


def test_back_off_is_saturation_power_over_mean_power():
    assert float(amplifier.saturation_amplitude(torch.tensor(6.0206))) == pytest.approx(2.0, rel=1e-4)


def test_gradients_reach_signal_and_parameters_even_in_silence():
    x = torch.zeros((2, 8), dtype=torch.complex64, requires_grad=True)
    saturation = torch.tensor([1.0, 2.0], requires_grad=True)
    y = amplifier.rapp(x, saturation, torch.tensor(2.0), torch.tensor(0.1))
    (y - 1).abs().square().sum().backward()
    torch.testing.assert_close(x.grad, torch.full_like(x, -2.0))
    assert saturation.grad.isfinite().all()


def slow_memory_polynomial(x: np.ndarray, c: np.ndarray) -> np.ndarray:
    orders, memory = c.shape
    return np.array(
        [
            sum(c[k, m] * x[n - m] * abs(x[n - m]) ** (2 * k) for k in range(orders) for m in range(memory))
            for n in range(memory - 1, len(x))
        ]
    )


def test_memory_polynomial_is_the_double_sum_with_other_coefficients_per_record():
    g = generator(1, "memory")
    x = 0.5 * torch.randn((3, 40), dtype=torch.complex64, generator=g)
    nominal = torch.tensor(DING_MEMORY)
    c = amplifier.draw_memory_polynomial(3, nominal, 0.1, generator=g)
    y = amplifier.memory_polynomial(x, c)
    for row in range(3):
        slow = slow_memory_polynomial(x[row].numpy(), c[row].numpy())
        np.testing.assert_allclose(y[row].numpy(), slow, atol=1e-5)
    with np.testing.assert_raises(AssertionError):  # another record's coefficients
        np.testing.assert_allclose(y[0].numpy(), slow_memory_polynomial(x[0].numpy(), c[1].numpy()), atol=1e-5)


def test_drawn_coefficients_spread_about_the_nominal_ones():
    nominal = torch.tensor(DING_MEMORY)
    c = amplifier.draw_memory_polynomial(20_000, nominal, 0.1, generator=generator(2, "memory"))
    relative = (c - nominal) / nominal
    torch.testing.assert_close(relative.abs().square().mean().sqrt(), torch.tensor(0.1), rtol=0.01, atol=0)


TONES = (40, 52)  # cycles per 512 samples
AMPLITUDE = 0.3


def line(y: torch.Tensor, cycles: int) -> complex:
    """The amplitude of one spectral line of 512 samples."""
    return complex(torch.fft.fft(y)[cycles]) / 512


def third_order_product(c: np.ndarray) -> complex:
    """Two tones of amplitude A in c_1 x + c_3 x|x|^2 + c_5 x|x|^4: the line at 2 f1 - f2 is A^3 c_3 + 5 A^5 c_5."""
    f = (2 * TONES[0] - TONES[1]) / 512
    delays = np.exp(-2j * np.pi * f * np.arange(c.shape[1]))
    return complex(AMPLITUDE**3 * (c[1] @ delays) + 5 * AMPLITUDE**5 * (c[2] @ delays))


def test_intermodulation_of_two_tones_is_the_closed_form():
    t = torch.arange(-2, 512)
    x = AMPLITUDE * sum(torch.exp(2j * math.pi * f / 512 * t) for f in TONES).to(torch.complex64)
    y = amplifier.memory_polynomial(x[None], torch.tensor(DING_MEMORY))[0]
    expected = third_order_product(np.array(DING_MEMORY))
    assert abs(line(y, 2 * TONES[0] - TONES[1]) - expected) < 1e-3 * abs(expected)
    no_fifth = np.array(DING_MEMORY) * [[1], [1], [0]]
    assert abs(line(y, 2 * TONES[0] - TONES[1]) - third_order_product(no_fifth)) > 0.1 * abs(expected)
