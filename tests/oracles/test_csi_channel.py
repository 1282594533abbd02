"""CSI beside closed forms and a loop: Doppler shifts, path delays, image sources, the sum over paths."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from groundwave.rng import generator
from groundwave.signal.gait import Person, walk
from groundwave.signal.scatterers import (
    SPEED_OF_LIGHT_M_S,
    blockage,
    channel,
    direct_paths,
    image_sources,
    scattered_paths,
)
from groundwave.signal.skeleton import scatterers

CARRIER_HZ = 5.32e9
WAVELENGTH_M = SPEED_OF_LIGHT_M_S / CARRIER_HZ
RATE_HZ, NUM = 500.0, 500
TIMES_S = torch.arange(NUM) / RATE_HZ
ONE = torch.tensor([CARRIER_HZ], dtype=torch.float64)
Places = tuple[tuple[float, ...], tuple[float, ...]]
MONOSTATIC: Places = ((0.0, 0.0, 1.0), (0.0, 0.0, 1.0))
BISTATIC: Places = ((0.0, 3.0, 1.0), (5.0, -2.0, 1.4))


def doppler_hz(csi: Tensor) -> float:
    """Return the frequency of the strongest line, to a fraction of a hertz."""
    spectrum = torch.fft.fft(csi.reshape(-1) * torch.hann_window(NUM), 1 << 14).abs()
    return float(torch.fft.fftfreq(1 << 14, 1 / RATE_HZ)[spectrum.argmax()])


def moved(
    places: Places, velocity: tuple[float, ...], start: tuple[float, ...] = (4.0, 1.0, 1.0)
) -> tuple[Tensor, ...]:
    """Return path lengths and amplitudes of a scatterer that moves straight on."""
    track = torch.tensor(start) + TIMES_S[:, None] * torch.tensor(velocity)
    sender, receiver = (torch.tensor([place]) for place in places)
    return scattered_paths(sender, track[None, None], receiver[None], torch.ones(1, 1), WAVELENGTH_M)


def rate_of_length(places: Places, velocity: tuple[float, ...], start: tuple[float, ...] = (4.0, 1.0, 1.0)) -> float:
    """Return by how many metres a second the path grows halfway: the sum of both radial speeds, written out."""
    middle = np.array(start) + np.array(velocity) * NUM / RATE_HZ / 2
    return sum(float(np.dot(velocity, middle - place) / np.linalg.norm(middle - place)) for place in np.array(places))


def conjugated(lengths: Tensor, amplitudes: Tensor, frequencies: Tensor) -> Tensor:
    return channel(lengths, amplitudes, frequencies).conj()


def one_way(lengths: Tensor, amplitudes: Tensor, frequencies: Tensor) -> Tensor:
    return channel(lengths / 2, amplitudes, frequencies)


@pytest.mark.parametrize("radial_m_s", [1.0, -1.7])
def test_monostatic_doppler_is_twice_the_speed_over_the_wavelength(radial_m_s: float) -> None:
    paths = moved(MONOSTATIC, (radial_m_s, 0.0, 0.0), (4.0, 0.0, 1.0))
    expected = -2 * radial_m_s / WAVELENGTH_M
    assert doppler_hz(channel(*paths, ONE)) == pytest.approx(expected, abs=0.1)
    for wrong in (conjugated, one_way):
        assert doppler_hz(wrong(*paths, ONE)) != pytest.approx(expected, abs=5.0)


@pytest.mark.parametrize("velocity", [(1.2, 0.0, 0.0), (0.0, 1.2, 0.0), (-0.8, 0.9, 0.1)])
def test_bistatic_doppler_is_the_rate_of_the_paths_length_over_the_wavelength(velocity: tuple[float, ...]) -> None:
    paths = moved(BISTATIC, velocity)
    expected = -rate_of_length(BISTATIC, velocity) / WAVELENGTH_M
    assert doppler_hz(channel(*paths, ONE)) == pytest.approx(expected, abs=1.5)  # it changes a little on the way
    monostatic = -2 * math.hypot(*velocity) / WAVELENGTH_M
    assert expected != pytest.approx(monostatic, abs=5.0)


def test_the_chest_of_a_walking_person_shows_the_doppler_of_the_walk() -> None:
    column = torch.ones(1)
    who = Person(1.75 * column, column, column, 0.0 * column, 0.0 * column, 1e6 * column)  # a circle so large is a line
    body = scatterers(walk(TIMES_S[None], who), who.height_m, torch.tensor([[2.0, 0.0]]), torch.zeros(1))
    radar = torch.tensor([[-50.0, 0.0, 1.0]])
    lengths, amplitudes = scattered_paths(radar, body[:, :1], radar[None], column[:, None], WAVELENGTH_M)
    assert doppler_hz(channel(lengths, amplitudes, ONE)) == pytest.approx(-2 * 1.2 / WAVELENGTH_M, abs=1.0)
    feet, chest = (body[0, part].diff(dim=1).norm(dim=-1) * RATE_HZ for part in (slice(6, 8), slice(0, 1)))
    assert 2 * float(chest.max()) < float(feet.max()) < 4 * 1.2  # a foot in the air is two to four times as fast
    assert float(feet.min()) < 0.6  # and one on the ground nearly stands


def test_delays_are_those_of_the_geometry() -> None:
    frequencies = CARRIER_HZ + torch.arange(1000, dtype=torch.float64) * 1e6  # a GHz wide: 30 cm
    sender, antennas = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([[4.0, 5.0, 1.0], [9.0, 7.0, 1.0]])
    lengths, amplitudes = direct_paths(sender[None], antennas, WAVELENGTH_M)
    torch.testing.assert_close(lengths, torch.tensor([[5.0], [10.0]]))
    torch.testing.assert_close(amplitudes[0] / amplitudes[1], torch.tensor([2.0]))  # Friis: as one over the distance
    profile = torch.fft.ifft(channel(lengths[..., None], amplitudes[..., None], frequencies)[..., 0], 8000).abs()
    seconds = profile.argmax(-1) / 8000 / 1e6
    torch.testing.assert_close(seconds * SPEED_OF_LIGHT_M_S, lengths[:, 0], atol=0.04, rtol=0)


def loop_twin(lengths: Any, amplitudes: Any, frequencies: Any, sign: float = -1.0) -> Any:
    """Add up path by path, packet by packet, in double precision."""
    *batch, paths, packets = lengths.shape
    total = np.zeros((*batch, len(frequencies), packets), complex)
    for place in itertools.product(*map(range, batch)):
        for k, packet, path in itertools.product(range(len(frequencies)), range(packets), range(paths)):
            turns = frequencies[k] * lengths[(*place, path, packet)] / 299_792_458.0
            total[(*place, k, packet)] += amplitudes[(*place, path, packet)] * np.exp(sign * 2j * np.pi * turns)
    return total


def test_the_batched_sum_equals_the_loop() -> None:
    draw = generator(0, "loop")
    lengths, amplitudes = 3 + 20 * torch.rand((2, 3, 4, 5), generator=draw), torch.rand((2, 3, 4, 5), generator=draw)
    frequencies = CARRIER_HZ + 1e6 * torch.arange(6, dtype=torch.float64)
    arrays = (lengths.double().numpy(), amplitudes.double().numpy(), frequencies.numpy())
    made = channel(lengths, amplitudes, frequencies)
    assert made.dtype == torch.complex64
    np.testing.assert_allclose(made.numpy(), loop_twin(*arrays), atol=1e-5)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(made.numpy(), loop_twin(*arrays, sign=1.0), atol=1e-5)


def test_the_channel_is_differentiable_in_the_lengths() -> None:
    lengths = torch.tensor([[3.0], [4.0]], requires_grad=True)
    channel(lengths, torch.ones(2, 1), ONE).real.sum().backward()
    assert lengths.grad is not None
    expected = -2 * math.pi / WAVELENGTH_M * torch.sin(2 * math.pi / WAVELENGTH_M * lengths.detach().double())
    torch.testing.assert_close(lengths.grad.double(), expected, rtol=1e-4, atol=1e-3)


def mirrored_by_hand(source: Any, size: Any, order: int, wrong: bool = False) -> dict[tuple[float, ...], int]:
    """Mirror the source at one wall after the other; return each image with the fewest reflections it takes."""
    found = {tuple(source): 0}
    edge = dict(found)
    for count in range(1, order + 1):
        new: dict[tuple[float, ...], int] = {}
        for place, axis, wall in itertools.product(edge, range(3), (0, 1)):
            at = list(place)
            at[axis] = (0.5 if wrong else 1) * 2 * wall * size[axis] - at[axis]
            key = tuple(np.round(at, 6))
            if key not in found:
                new[key] = count
        found |= new
        edge = new
    return found


def test_image_sources_are_mirror_images() -> None:
    source, size = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([5.0, 4.0, 3.0])
    images, met = image_sources(source, size, 2)
    made = {tuple(np.round(place, 6)): int(count) for place, count in zip(images.tolist(), met.sum(1), strict=True)}
    assert len(made) == len(images) == 25  # itself, 6 walls, and 18 of two reflections
    assert made == mirrored_by_hand(source.tolist(), size.tolist(), 2)
    assert made != mirrored_by_hand(source.tolist(), size.tolist(), 2, wrong=True)


def test_the_way_by_a_wall_is_as_long_as_to_the_image() -> None:
    sender, receiver, size = (torch.tensor(x) for x in ([1.0, 1.0, 1.0], [4.0, 3.0, 1.0], [6.0, 5.0, 3.0]))
    images, met = image_sources(sender, size, 1)
    (far_x,) = images[met[:, 1] == 1]
    lengths, _ = direct_paths(far_x[None], receiver[None], WAVELENGTH_M)
    wall = torch.stack([torch.tensor([6.0, 1 + 2 * share, 1.0]) for share in torch.linspace(0, 1, 2001)])
    shortest = ((wall - sender).norm(dim=1) + (wall - receiver).norm(dim=1)).min()  # Fermat
    torch.testing.assert_close(lengths[0, 0], shortest, atol=1e-4, rtol=0)


def test_a_body_shades_the_path_that_it_stands_in() -> None:
    sender, antennas = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([[4.0, 0.0, 1.0]])
    body = torch.tensor([[2.0, 0.0, 1.0], [2.0, 0.25, 1.0], [2.0, 3.0, 1.0], [9.0, 0.0, 1.0]])
    loss = 20 * blockage(sender, antennas, body, loss_db=8.0).log10()[0]
    torch.testing.assert_close(loss, torch.tensor([-8.0, -8 * math.exp(-0.5), 0.0, 0.0]), atol=1e-3, rtol=0)
