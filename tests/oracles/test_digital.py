"""Modulators and pulses against closed forms and slow twins in plain NumPy."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from groundwave.rng import generator
from groundwave.signal import constellation as con
from groundwave.signal import demodulate, modulate, pulse
from groundwave.signal.apsk import apsk16
from groundwave.signal.filters import upsample
from groundwave.signal.noise import awgn, noise_power

RRC = pulse.root_raised_cosine(8, 32, 0.35)


UNIPOLAR = ("OOK", "ASK4", "ASK8")
CROSS = ("QAM32", "QAM128", "QAM512")


@pytest.mark.parametrize("name", con.CONSTELLATIONS)
def test_constellations_have_unit_power_and_distinct_points(name):
    points = con.constellation(name)
    torch.testing.assert_close(points.abs().square().mean(), torch.tensor(1.0))
    assert len(torch.view_as_real(points).mul(1e4).round().unique(dim=0)) == len(points)


@pytest.mark.parametrize("name", [n for n in con.CONSTELLATIONS if n not in UNIPOLAR])
def test_constellations_have_zero_mean(name):
    torch.testing.assert_close(con.constellation(name).mean(), torch.tensor(0j), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", UNIPOLAR)
def test_amplitude_keying_has_the_mean_of_equal_steps_from_zero(name):
    n = len(con.constellation(name))
    # mean and mean square of 0 ... n - 1 are (n - 1) / 2 and (n - 1) (2 n - 1) / 6
    expected = math.sqrt(1.5 * (n - 1) / (2 * n - 1))
    torch.testing.assert_close(con.constellation(name).mean(), torch.tensor(expected + 0j))
    with pytest.raises(AssertionError):  # levels that are as often negative
        torch.testing.assert_close(con.pam(n).mean(), torch.tensor(expected + 0j))


def gray_violations(points: torch.Tensor) -> float:
    """Return the share of nearest neighbours whose labels differ in more than one bit."""
    distance = (points[:, None] - points).abs() + 9 * torch.eye(len(points))
    near = (distance < distance.min() * 1.01).nonzero().tolist()
    return sum((i ^ j).bit_count() != 1 for i, j in near) / len(near)


@pytest.mark.parametrize("name", [n for n in con.CONSTELLATIONS if n not in CROSS])
def test_neighbours_differ_in_one_bit(name):
    assert gray_violations(con.constellation(name)) == 0


@pytest.mark.parametrize("name", CROSS)
def test_most_neighbours_in_a_cross_differ_in_one_bit(name):
    assert 0 < gray_violations(con.constellation(name)) < 0.16


@pytest.mark.parametrize("num_points", [8, 32])
def test_gray_check_catches_natural_labels(num_points):
    angle = 2 * math.pi * torch.arange(num_points) / num_points
    assert gray_violations(torch.polar(torch.ones(num_points), angle)) > 0.4


def test_cross_check_catches_labels_by_row():
    points = con.constellation("QAM32")
    by_row = points[np.lexsort((points.real.numpy(), points.imag.numpy()))]
    assert gray_violations(by_row) > 0.3


@pytest.mark.parametrize(("name", "side"), [("QAM32", 6), ("QAM128", 12), ("QAM512", 24)])
def test_cross_shapes_are_squares_without_corners(name, side):
    points = con.constellation(name)
    odd = points * 2 / (points[:, None] - points).abs().add(9 * torch.eye(len(points))).min()
    assert {round(v) for v in odd.real.tolist()} == set(range(1 - side, side, 2))
    corner = (odd.real.abs() > side * 2 / 3) & (odd.imag.abs() > side * 2 / 3)
    assert not corner.any()


RINGS = {
    "APSK16": {1.0: 4, 2.85: 12},
    "APSK32": {1.0: 4, 2.84: 12, 5.27: 16},
    "APSK64": {1.0: 16, 1.88: 16, 2.72: 16, 3.95: 16},
    "APSK128": {1.0: 16, 1.715: 16, 2.118: 16, 2.681: 16, 2.75: 16, 3.819: 48},
}


def rings(points: torch.Tensor) -> dict[float, int]:
    """Return how many points lie at which radius over the smallest."""
    radius = (points.abs() / points.abs().min() * 1000).round() / 1000
    return {round(float(r), 3): int((radius == r).sum()) for r in radius.unique()}


@pytest.mark.parametrize("name", RINGS)
def test_rings_have_the_radii_of_the_standard(name):
    assert rings(con.constellation(name)) == RINGS[name]


def test_rings_check_catches_another_code_rate():
    assert rings(apsk16(2.7)) != RINGS["APSK16"]


def intersymbol_interference(taps: torch.Tensor) -> float:
    """Return the largest sample of taps * taps at other symbols, relative to its peak."""
    both = np.convolve(taps.numpy(), taps.numpy())[len(taps) - 1 :: 8]
    return float(np.abs(both[1:]).max() / both[0])


def test_root_raised_cosine_has_no_intersymbol_interference():
    torch.testing.assert_close(RRC.square().sum(), torch.tensor(1.0))
    assert intersymbol_interference(RRC) < 2e-3


def test_interference_check_catches_a_raised_cosine_that_lost_its_root():
    assert intersymbol_interference(torch.from_numpy(np.convolve(RRC, RRC)).float()) > 0.02


def stopband_db(taps: torch.Tensor) -> float:
    """Return the highest level beyond (1 + rolloff) / (2 T) plus a little, against DC."""
    response = np.abs(np.fft.rfft(taps.numpy(), 4096))
    edge = int(4096 * 1.45 / 16)
    return float(20 * np.log10(response[edge:].max() / response[0]))


def test_root_raised_cosine_meets_its_mask():
    assert stopband_db(pulse.root_raised_cosine(8, 16, 0.35)) < -35


def test_mask_catches_a_rectangle():
    assert stopband_db(pulse.rectangular(8)) > -20


def test_root_raised_cosine_is_half_power_at_half_the_symbol_rate():
    response = np.abs(np.fft.rfft(RRC.numpy(), 4096)) ** 2
    np.testing.assert_allclose(response[4096 // 16] / response[0], 0.5, atol=0.02)


def power_at(taps: torch.Tensor, cycles_per_sample: float) -> float:
    """Return the power response of a filter against that at DC, by the sum that defines it."""
    turns = np.exp(-2j * np.pi * cycles_per_sample * np.arange(len(taps)))
    return float(np.abs(taps.double().numpy() @ turns) ** 2 / float(taps.double().sum()) ** 2)


@pytest.mark.parametrize("bt", [0.3, 0.35, 0.5])
def test_gaussian_is_half_power_at_bt(bt):
    np.testing.assert_allclose(power_at(pulse.gaussian(16, 8, bt), bt / 16), 0.5, atol=0.01)


def test_gaussian_check_catches_a_standard_deviation_taken_for_a_bandwidth():
    t = torch.arange(-64, 65) / 16
    wrong = torch.exp(-2 * (math.pi * 0.35 * t) ** 2)  # without ln 2: 4.3 dB down at BT
    assert abs(power_at(wrong, 0.35 / 16) - 0.5) > 0.05


@pytest.mark.parametrize("taps", [pulse.gaussian(8, 4, 0.35), pulse.gaussian_frequency(8, 4, 0.35)])
def test_frequency_pulses_have_unit_area(taps):
    torch.testing.assert_close(taps.sum(), torch.tensor(1.0))


def slow_upsample(x: np.ndarray, taps: np.ndarray, factor: int) -> np.ndarray:
    """Stuff zeros, convolve, keep what all taps reach."""
    stuffed = np.zeros(len(x) * factor, dtype=x.dtype)
    stuffed[::factor] = x
    num = math.ceil(len(taps) / factor)
    return np.convolve(stuffed, taps)[(num - 1) * factor : len(stuffed)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
@pytest.mark.parametrize(("factor", "num_taps"), [(1, 1), (1, 31), (2, 5), (3, 12), (8, 129), (40, 7), (115, 230)])
def test_upsampling_equals_zeros_and_a_convolution(factor, num_taps, dtype):
    draw = generator(0, "upsample")
    taps = torch.randn(num_taps, generator=draw)
    for num in (math.ceil(num_taps / factor), 40 + math.ceil(num_taps / factor)):
        x = torch.randn(2, num, dtype=dtype, generator=draw)
        fast = upsample(x, taps, factor).numpy()
        slow = [slow_upsample(row.numpy(), taps.numpy(), factor) for row in x]
        np.testing.assert_allclose(fast, slow, atol=1e-4)
    if num_taps > 1:
        with np.testing.assert_raises(AssertionError):  # taps in the wrong order
            np.testing.assert_allclose(upsample(x, taps.flip(0), factor).numpy(), slow, atol=1e-4)


def slow_linear(symbols: np.ndarray, taps: np.ndarray, sps: int) -> np.ndarray:
    """Put each symbol's pulse where it belongs, one by one."""
    x = np.zeros(len(symbols) * sps + len(taps), dtype=complex)
    for k, symbol in enumerate(symbols):
        x[k * sps : k * sps + len(taps)] += symbol * taps * math.sqrt(sps)
    return x


def test_linear_modulation_equals_its_slow_twin():
    symbols = con.draw_symbols(con.constellation("QAM16"), 2, 40, generator=generator(0, "twin"))
    fast = modulate.linear(symbols, RRC, 8)
    start = (math.ceil(len(RRC) / 8) - 1) * 8
    for row in range(2):
        slow = slow_linear(symbols[row].numpy(), RRC.numpy(), 8)[start:][: fast.shape[1]]
        np.testing.assert_allclose(fast[row].numpy(), slow, atol=1e-5)


def test_linear_modulation_has_unit_mean_power():
    symbols = con.draw_symbols(con.constellation("QAM64"), 20, 4000, generator=generator(0, "power"))
    power = modulate.linear(symbols, RRC, 8).abs().square().mean()
    torch.testing.assert_close(power, torch.tensor(1.0), atol=0.02, rtol=0)


def slow_cpfsk(levels: np.ndarray, taps: np.ndarray, sps: int, index: float) -> np.ndarray:
    """Add up the phase sample by sample."""
    frequency = np.zeros(len(levels) * sps + len(taps))
    for k, level in enumerate(levels):
        frequency[k * sps : k * sps + len(taps)] += level * taps
    phase, out = 0.0, []
    for f in frequency[(math.ceil(len(taps) / sps) - 1) * sps :]:
        phase += math.pi * index * f
        out.append(complex(math.cos(phase), math.sin(phase)))
    return np.array(out)


@pytest.mark.parametrize("taps", [pulse.rectangular(8), pulse.gaussian_frequency(8, 4, 0.35)])
def test_frequency_shift_keying_equals_its_slow_twin(taps):
    levels = 2.0 * torch.randint(2, (1, 30), generator=generator(0, "cpm")) - 1
    fast = modulate.frequency_shift_keying(levels, taps, 8, 0.5)[0].numpy()
    slow = slow_cpfsk(levels[0].numpy(), taps.numpy(), 8, 0.5)[: len(fast)]
    np.testing.assert_allclose(fast, slow, atol=1e-4)
    with np.testing.assert_raises(AssertionError):  # a twin with twice the index must be caught
        np.testing.assert_allclose(fast, slow_cpfsk(levels[0].numpy(), taps.numpy(), 8, 1.0)[: len(fast)], atol=1e-4)


def half_sine_offset(pulse_of: Callable[[int], torch.Tensor], sps: int = 8) -> torch.Tensor:
    """Send quadrants on I and, half a symbol later, on Q; a bit lasts `sps` samples, its pulse twice that."""
    taps, rest = pulse_of(2 * sps), torch.zeros(sps)
    symbols = con.draw_symbols(con.square_qam(4), 4, 60, generator=generator(0, "half-sine"))
    return modulate.offset_linear(symbols, torch.cat([taps, rest]), torch.cat([rest, taps]), 2 * sps)


def turns_per_bit(x: torch.Tensor, sps: int = 8) -> torch.Tensor:
    """Return how far the phase turns per bit, from the steps that do not cross from one bit to the next."""
    inside = torch.arange(1, x.shape[-1]) % sps != 0
    return demodulate.discriminator(x)[:, inside].abs() * sps


def test_offset_qpsk_with_half_sines_is_minimum_shift_keying():
    # Pasupathy 1979: unit envelope, and the frequency is a quarter of the bit rate up or down
    x = half_sine_offset(pulse.half_sine)
    torch.testing.assert_close(x.abs(), torch.ones_like(x.abs()), atol=1e-5, rtol=0)
    turns = turns_per_bit(x)
    torch.testing.assert_close(turns, torch.full_like(turns, 0.25), atol=1e-4, rtol=0)
    squares = turns_per_bit(half_sine_offset(lambda n: pulse.rectangular(n) * n**0.5))
    with pytest.raises(AssertionError):
        torch.testing.assert_close(squares, torch.full_like(turns, 0.25), atol=1e-4, rtol=0)


def test_noise_power_is_per_complex_sample():
    x = torch.ones(4, 100, dtype=torch.complex64)
    torch.testing.assert_close(noise_power(x, torch.full((4,), 10.0)), torch.full((4,), 0.1))
    noise = awgn(torch.ones(1, 200_000, dtype=torch.complex64), torch.tensor([3.0]), generator=generator(0, "n")) - 1
    torch.testing.assert_close(noise.abs().square().mean(), torch.tensor(10**-0.3), rtol=0.02, atol=0)
    torch.testing.assert_close(noise.real.var(), noise.imag.var(), rtol=0.03, atol=0)
    torch.testing.assert_close((noise * noise).mean(), torch.tensor(0j), atol=0.01, rtol=0)
