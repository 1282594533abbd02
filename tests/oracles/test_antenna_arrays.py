"""Arrays and codebooks beside closed forms and NumPy loops: array factor, beamwidth, squint, quantisation, coupling."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from groundwave.errors import GroundwaveError
from groundwave.rng import generator
from groundwave.signal.array import (
    beam_gain,
    linear_array,
    planar_array,
    separation_rad,
    steering,
    unit_vector,
    wideband_steering,
)
from groundwave.signal.array_errors import coupling, draw_errors
from groundwave.signal.codebook import dft_beams, fan, phase_states, quantise_phases, steered_beams

ANGLES = torch.tensor([[0.0, 0.0], [0.4, 0.0], [-0.9, 0.3], [1.2, -0.5]])


def slow_steering(size: tuple[int, int], spacing: float, angle: Any, detuning: float = 0.0, sign: int = 1) -> Any:
    """Add up the way to each element, row by row, in double precision."""
    out = []
    for row in range(size[0]):
        for column in range(size[1]):
            y, z = (column - (size[1] - 1) / 2) * spacing, (row - (size[0] - 1) / 2) * spacing
            way = y * math.cos(angle[1]) * math.sin(angle[0]) + z * math.sin(angle[1])
            out.append(np.exp(sign * 2j * np.pi * (1 + detuning) * way))
    return np.array(out)


@pytest.mark.parametrize(("size", "spacing"), [((1, 6), 0.5), ((3, 4), 0.5), ((4, 2), 0.7)])
def test_steering_vectors_match_the_slow_twin(size: tuple[int, int], spacing: float) -> None:
    positions = planar_array(*size, spacing)
    made = steering(positions, ANGLES).numpy()
    wide = wideband_steering(positions, ANGLES, torch.tensor([-0.1, 0.0, 0.2])).numpy()
    for k, angle in enumerate(ANGLES.tolist()):
        np.testing.assert_allclose(made[k], slow_steering(size, spacing, angle), atol=1e-5)
        for f, detuning in enumerate((-0.1, 0.0, 0.2)):
            np.testing.assert_allclose(wide[k, f], slow_steering(size, spacing, angle, detuning), atol=1e-5)
    with pytest.raises(AssertionError):  # the other sign convention
        np.testing.assert_allclose(made[1], slow_steering(size, spacing, ANGLES[1].tolist(), sign=-1), atol=1e-5)


@pytest.mark.parametrize("num", [4, 16])
def test_the_array_factor_is_the_dirichlet_kernel(num: int) -> None:
    positions, look = linear_array(num), torch.tensor([[0.3, 0.0]])
    azimuth = torch.linspace(-1.5, 1.5, 301)
    made = beam_gain(steered_beams(positions, look), steering(positions, torch.stack((azimuth, 0 * azimuth), -1)))[:, 0]
    u = 0.5 * (azimuth.double().sin() - math.sin(0.3))
    expected = (torch.sin(math.pi * num * u) / torch.sin(math.pi * u)).square() / num
    torch.testing.assert_close(made.double(), expected, atol=1e-3, rtol=1e-4)
    assert float(made.max()) == pytest.approx(num, rel=1e-3)


def test_the_half_power_beamwidth_is_0886_over_the_length() -> None:
    num = 32
    positions = linear_array(num)
    azimuth = torch.linspace(-0.2, 0.2, 40_001)
    gain = beam_gain(
        steered_beams(positions, torch.zeros(1, 2)), steering(positions, torch.stack((azimuth, 0 * azimuth), -1))
    )
    inside = azimuth[gain[:, 0] >= num / 2]
    assert float(inside[-1] - inside[0]) == pytest.approx(0.886 / (0.5 * num), rel=0.01)


def test_dft_beams_are_orthonormal_and_look_where_they_say() -> None:
    beams = dft_beams(8)
    torch.testing.assert_close(beams @ beams.mH, torch.eye(8, dtype=beams.dtype), atol=1e-5, rtol=0)
    azimuth = torch.asin(2 * (torch.arange(8) - 4) / 8)
    torch.testing.assert_close(
        beams, steered_beams(linear_array(8), torch.stack((azimuth, 0 * azimuth), -1)), atol=1e-5, rtol=0
    )


def test_a_wide_band_beam_squints_as_the_closed_form_says() -> None:
    """Phases that suit the carrier look at f where sin(azimuth) = sin(look) f_c / f."""
    positions, look, detuning = linear_array(32), 0.6, 0.15
    azimuth = torch.linspace(0.2, 0.9, 7001)
    vectors = wideband_steering(positions, torch.stack((azimuth, 0 * azimuth), -1), torch.tensor([0.0, detuning]))
    gain = beam_gain(steered_beams(positions, torch.tensor([[look, 0.0]])), vectors)[..., 0]
    found = azimuth[gain.argmax(0)].tolist()
    assert found[0] == pytest.approx(look, abs=1e-3)
    assert found[1] == pytest.approx(math.asin(math.sin(look) / (1 + detuning)), abs=1e-3)
    assert found[1] != pytest.approx(math.asin(math.sin(look) * (1 + detuning)), abs=1e-2)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_quantised_phases_lose_as_much_gain_as_theory_says(bits: int) -> None:
    """Phase errors uniform over a step lower the gain by sinc^2(1 / 2^bits) where they average out."""
    num = 2000
    weights = steered_beams(linear_array(num), torch.tensor([[0.317, 0.0]]))
    rough = quantise_phases(weights, bits)
    loss = float((rough.conj() * weights).sum().abs().square())
    assert loss == pytest.approx(np.sinc(2.0**-bits) ** 2, rel=0.02)
    turns = rough.angle() / (2 * math.pi) * 2**bits
    torch.testing.assert_close(turns, turns.round(), atol=1e-3, rtol=0)
    states = phase_states(weights, bits)
    assert set(states.unique().tolist()) == set(range(2**bits))
    torch.testing.assert_close(rough.abs(), weights.abs())


def test_separations_are_the_angles_between_unit_vectors() -> None:
    a, b = ANGLES[:, None], ANGLES
    u = unit_vector(ANGLES).double()
    expected = (u @ u.T).clamp(-1, 1).acos()
    torch.testing.assert_close(separation_rad(a, b).double(), expected, atol=1e-3, rtol=0)
    near = torch.tensor([[0.3, 0.2], [0.3 + 1e-4, 0.2]])
    assert float(separation_rad(near[:1], near[1:])) == pytest.approx(1e-4 * math.cos(0.2), rel=0.02)


def test_coupling_is_the_neighbours_field() -> None:
    positions = planar_array(2, 3)
    made = coupling(positions, -20.0).numpy()
    for n, m in np.ndindex(6, 6):
        d = float(np.linalg.norm(positions[n].numpy() - positions[m].numpy()))
        expected = 1.0 if n == m else 0.1 * (0.5 / d) * np.exp(-2j * np.pi * d)
        assert made[n, m] == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(coupling(positions, -math.inf), torch.eye(6, dtype=torch.complex64))


def test_errors_are_as_large_as_the_severity_and_none_at_zero() -> None:
    ideal = draw_errors(3, 12, 4, severity=0.0, generator=generator(0))
    torch.testing.assert_close(ideal.chain, torch.ones_like(ideal.chain))
    torch.testing.assert_close(ideal.states, torch.ones_like(ideal.states))
    assert ideal.delay.abs().max() == 0
    torch.testing.assert_close(ideal.cubic, ideal.cubic[:1, :1].expand(3, 12))
    for severity in (0.5, 1.0):
        drawn = draw_errors(400, 12, 4, severity=severity, generator=generator(0))
        assert float(20 * drawn.chain.abs().log10().std()) == pytest.approx(severity, rel=0.05)
        assert float(drawn.chain.angle().std()) == pytest.approx(severity * math.radians(12), rel=0.05)
    at = drawn.response(torch.tensor([0.0, 0.01]))
    late = (at[:, 1] / at[:, 0]).angle() / (-2 * math.pi * 0.01)
    torch.testing.assert_close(late, drawn.delay, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(drawn.pick(torch.tensor([5, 5])).chain[1], drawn.chain[5])


def test_impossible_arrays_are_told() -> None:
    for size in ((0, 4, 0.5), (4, 0, 0.5), (2, 2, 0.0), (2, 2, math.inf)):
        with pytest.raises(GroundwaveError, match="correct the array"):
            planar_array(*size)
    assert fan(3, 0.5)[:, 0].tolist() == pytest.approx([-0.5, 0.0, 0.5])
