"""Directions of arrival beside NumPy twins, closed forms and the Cramér-Rao bound, by Monte Carlo and by numbers."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from groundwave.errors import GroundwaveError
from groundwave.rng import generator
from groundwave.signal.array import linear_array, planar_array, separation_rad, steering
from groundwave.signal.direction import angle_grid, beamscan, covariance, find_peaks, forward_backward, music
from groundwave.signal.direction_bound import cramer_rao
from groundwave.signal.esprit import esprit, planar_esprit

AZIMUTH, FLAT = torch.linspace(-1.2, 1.2, 481), torch.zeros(1)
PLANE = planar_array(4, 5)
GRID = (torch.linspace(-1.2, 1.2, 121), torch.linspace(-1.0, 1.0, 101))


def heard(positions: Tensor, angle: Tensor, snr_db: float, num: int, *, records: int = 1, seed: int = 0) -> Tensor:
    """Return snapshots `[record, antenna, time]` of independent Gaussian sources of unit power in white noise."""
    draw = generator(seed, "heard")
    sources = torch.randn(records, len(angle), num, dtype=torch.complex64, generator=draw)
    noise = torch.randn(records, len(positions), num, dtype=torch.complex64, generator=draw)
    return steering(positions, angle).mT @ sources + 10 ** (-snr_db / 20) * noise


def azimuths(*values: float) -> Tensor:
    return torch.tensor([[value, 0.0] for value in values])


def test_beamscan_and_music_match_their_numpy_twins() -> None:
    positions, angles = linear_array(6), azimuths(-0.3, 0.5)
    r = covariance(heard(positions, angles, 5.0, 50))[0]
    grid = steering(positions, angle_grid(AZIMUTH, FLAT))
    x = r.numpy().astype(complex)
    _, vectors = np.linalg.eigh(x)
    noise = vectors[:, :4]
    wrong = vectors[:, :5]
    for made, twin in (
        (beamscan(r, grid), lambda a: (a.conj() @ x @ a).real / 36),
        (music(r, grid, 2), lambda a: 6 / np.linalg.norm(noise.conj().T @ a) ** 2),
    ):
        np.testing.assert_allclose(made.numpy(), [twin(a) for a in grid.numpy()], rtol=2e-3)
    twin = [6 / np.linalg.norm(wrong.conj().T @ a) ** 2 for a in grid.numpy()]
    with pytest.raises(AssertionError):  # one eigenvector of the signals taken for noise
        np.testing.assert_allclose(music(r, grid, 2).numpy(), twin, rtol=2e-3)


def test_music_finds_two_sources_that_a_beam_cannot_part() -> None:
    positions, angles = linear_array(8), azimuths(0.1, 0.2)
    r = covariance(heard(positions, angles, 25.0, 500))
    grid = steering(positions, angle_grid(AZIMUTH, FLAT))
    found = find_peaks(music(r, grid, 2), AZIMUTH, FLAT, 2)[0, :, 0].sort().values
    torch.testing.assert_close(found, angles[:, 0], atol=2e-3, rtol=0)
    beams = find_peaks(beamscan(r, grid), AZIMUTH, FLAT, 1)[0, 0, 0]
    assert float(beams) == pytest.approx(0.15, abs=0.02)  # one hill over both


def test_each_record_has_its_own_number_of_sources() -> None:
    positions = linear_array(6)
    one, two = heard(positions, azimuths(0.3), 20.0, 100), heard(positions, azimuths(-0.5, 0.3), 20.0, 100)
    r, grid = covariance(torch.cat((one, two))), steering(positions, angle_grid(AZIMUTH, FLAT))
    together = music(r, grid, torch.tensor([1, 2]))
    for k in (0, 1):
        torch.testing.assert_close(together[k], music(r[k], grid, k + 1), rtol=1e-3, atol=1e-3)


def test_esprit_finds_what_music_finds() -> None:
    positions, angles = linear_array(8), azimuths(-0.6, 0.1, 0.5)
    r = covariance(heard(positions, angles, 25.0, 500, records=4))
    torch.testing.assert_close(esprit(r, 3), angles[:, 0].expand(4, 3), atol=5e-3, rtol=0)
    assert (esprit(r, 3, spacing=0.45) - angles[:, 0]).abs().max() > 0.02  # another array


@pytest.mark.parametrize("size", [(4, 5), (3, 3), (5, 4), (2, 6)])
def test_planar_esprit_pairs_azimuths_and_elevations(size: tuple[int, int]) -> None:
    angles = torch.tensor([[-0.7, 0.4], [0.1, -0.5], [0.6, 0.3]])
    r = covariance(heard(planar_array(*size), angles, 30.0, 1000, records=3))
    found = planar_esprit(r, size, 3)
    torch.testing.assert_close(found, angles.expand(3, 3, 2), atol=2e-2, rtol=0)
    swapped = torch.stack((angles[:, 0], angles[[1, 0, 2], 1]), -1)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(found, swapped.expand(3, 3, 2), atol=2e-2, rtol=0)


def test_forward_backward_parts_coherent_paths() -> None:
    positions, angles = linear_array(8), azimuths(-0.3, 0.4)
    draw = generator(1, "coherent")
    source = torch.randn(1, 2000, dtype=torch.complex64, generator=draw)
    paths = torch.stack((torch.ones(()), torch.exp(torch.tensor(1.3j))))[:, None] * source
    noise = 0.03 * torch.randn(8, 2000, dtype=torch.complex64, generator=draw)
    r = covariance(steering(positions, angles).mT @ paths + noise)
    torch.testing.assert_close(esprit(forward_backward(r), 2), angles[:, 0], atol=2e-2, rtol=0)
    assert (esprit(r, 2) - angles[:, 0]).abs().max() > 0.05


@pytest.mark.parametrize("snr_db", [-5.0, 20.0])
def test_the_bound_of_one_source_on_a_line_is_the_closed_form(snr_db: float) -> None:
    num, snapshots, azimuth, snr = 7, 40, 0.5, 10 ** (snr_db / 10)
    made = cramer_rao(linear_array(num), azimuths(azimuth), torch.tensor([[snr + 0j]]), snapshots, azimuth_only=True)
    slope = (2 * math.pi * 0.5 * math.cos(azimuth)) ** 2
    expected = 6 / (snapshots * snr * slope * num * (num**2 - 1)) * (1 + 1 / (num * snr))
    assert float(made) == pytest.approx(expected, rel=1e-6)
    assert float(made) != pytest.approx(expected * math.cos(azimuth) ** 2, rel=0.05)


def fisher_by_numbers(positions: Any, angle: Any, powers: Any, num: int) -> Any:
    """Slepian and Bangs: N tr(R^-1 dR R^-1 dR) over angles, powers and noise, slopes by differences; then invert."""
    count = len(angle)
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    start = [*angle[:, 0], *angle[:, 1], *np.diag(powers).real]
    start += [part(powers[p]) for p in pairs for part in (np.real, np.imag)] + [1.0]

    def model(theta: Any) -> Any:
        az, el = theta[:count], theta[count : 2 * count]
        u = np.stack([np.cos(el) * np.cos(az), np.cos(el) * np.sin(az), np.sin(el)])
        a = np.exp(2j * np.pi * positions @ u)
        s = np.diag(theta[2 * count : 3 * count]).astype(complex)
        for k, (i, j) in enumerate(pairs):
            s[i, j] = theta[3 * count + 2 * k] + 1j * theta[3 * count + 2 * k + 1]
            s[j, i] = s[i, j].conj()
        return a @ s @ a.conj().T + theta[-1] * np.eye(len(positions))

    theta = np.array(start)
    steps = 1e-5 * np.eye(len(theta))
    slopes = [np.linalg.solve(model(theta), (model(theta + h) - model(theta - h)) / 2e-5) for h in steps]
    information = num * np.array([[np.trace(a @ b).real for b in slopes] for a in slopes])
    return np.linalg.inv(information)[: 2 * count, : 2 * count]


def test_the_bound_is_the_inverse_of_the_fisher_information() -> None:
    angle = torch.tensor([[-0.4, 0.2], [0.3, -0.1]])
    powers = torch.tensor([[2.0, 0.5 + 0.4j], [0.5 - 0.4j, 0.7]])
    made = cramer_rao(PLANE, angle, powers, 30).numpy()
    arrays = (PLANE.double().numpy(), angle.double().numpy(), powers.numpy().astype(complex))
    np.testing.assert_allclose(made, fisher_by_numbers(*arrays, 30), rtol=1e-4, atol=1e-10)
    with pytest.raises(AssertionError):  # as if the powers were not correlated
        np.testing.assert_allclose(
            cramer_rao(PLANE, angle, powers.diag().diag(), 30).numpy(), fisher_by_numbers(*arrays, 30), rtol=1e-4
        )


def test_music_and_esprit_reach_the_bound_and_do_not_beat_it() -> None:
    positions, angles, num, snr_db = linear_array(8), azimuths(0.22), 200, 10.0
    r = covariance(heard(positions, angles, snr_db, num, records=400))
    azimuth = torch.linspace(0.1, 0.35, 126)
    peaks = find_peaks(music(r, steering(positions, angle_grid(azimuth, FLAT)), 1), azimuth, FLAT, 1)[:, 0, 0]
    bound = cramer_rao(positions, angles, torch.tensor([[10.0 + 0j]]), num, azimuth_only=True).sqrt().item()
    for found, slack in ((peaks, 1.1), (esprit(r, 1)[:, 0], 1.7)):
        rms = float((found - 0.22).square().mean().sqrt())
        assert 0.9 * bound < rms < slack * bound


def test_planar_music_reaches_the_bound_of_both_angles() -> None:
    angle = torch.tensor([[0.3, -0.2]])
    r = covariance(heard(PLANE, angle, 10.0, 100, records=200))
    grid = (torch.linspace(0.104, 0.504, 41), torch.linspace(-0.397, 0.003, 41))
    found = find_peaks(music(r, steering(PLANE, angle_grid(*grid)), 1), *grid, 1)[:, 0]
    bound = cramer_rao(PLANE, angle, torch.tensor([[10.0 + 0j]]), 100).diagonal().sqrt().float()
    ratio = (found - angle).square().mean(0).sqrt() / bound
    assert float(ratio.min()) > 0.85
    assert float(ratio.max()) < 1.2


def test_peaks_are_refined_between_cells_and_missing_ones_are_nan() -> None:
    azimuth, elevation = torch.linspace(-1, 1, 21), torch.linspace(-0.5, 0.5, 11)
    grid = angle_grid(azimuth, elevation)
    hill = torch.exp(-((grid - torch.tensor([0.234, 0.071])) ** 2).sum(-1) * 20)
    found = find_peaks(hill[None], azimuth, elevation, 2)[0]
    torch.testing.assert_close(found[0], torch.tensor([0.234, 0.071]), atol=5e-3, rtol=0)
    assert found[1].isnan().all()
    edge = find_peaks((grid[:, 0] + 2)[None], azimuth, elevation, 1)
    assert float(edge[0, 0, 0]) == 1.0


def test_too_many_sources_are_told() -> None:
    r, grid = torch.eye(4, dtype=torch.complex64), steering(linear_array(4), azimuths(0.0))
    for ask in (
        lambda: music(r, grid, 4),
        lambda: esprit(r, 4),
        lambda: planar_esprit(r, (2, 2), 3),
        lambda: esprit(r, 0),
    ):
        with pytest.raises(GroundwaveError, match="use a larger array"):
            ask()
    with pytest.raises(GroundwaveError, match="less sources"):
        cramer_rao(linear_array(2), azimuths(0.0, 0.1), torch.eye(2, dtype=torch.complex64), 9)
    with pytest.raises(GroundwaveError, match="azimuth_only"):
        cramer_rao(linear_array(4), azimuths(0.3), torch.ones(1, 1, dtype=torch.complex64), 9)


def test_the_error_in_space_shrinks_with_elevation() -> None:
    a, b = torch.tensor([0.0, 1.4]), torch.tensor([0.5, 1.4])
    assert float(separation_rad(a, b)) < 0.1
