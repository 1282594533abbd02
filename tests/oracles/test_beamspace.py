"""Beam spectra beside loops in NumPy, their slopes beside differences, and what a network on them keeps."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from groundwave.contract import ArrayContract
from groundwave.data.sources import Records
from groundwave.errors import GroundwaveError
from groundwave.nn.beamspace import Beamspace, cell_turns, loaded_inverse
from groundwave.nn.complex import to_channels
from groundwave.nn.peaks import PeakHead
from groundwave.pretrain.directions import Directions, cells_to
from groundwave.rng import generator
from groundwave.signal.array import planar_array, separation_rad, steering

SIZE, CELLS = (3, 4), 10


def array(angle: Tensor, snr_db: float = 20.0) -> Tensor:
    """Return what a 3 x 4 array hears of one source a record."""
    draw = generator(0, "heard")
    vectors = steering(planar_array(*SIZE), angle)
    signal, noise = (torch.randn(len(angle), n, 64, dtype=torch.complex64, generator=draw) for n in (1, 12))
    return vectors[..., None] * signal + 10 ** (-snr_db / 20) * noise


def network(**changes: int) -> Beamspace:
    torch.manual_seed(0)
    return Beamspace(24, size=SIZE, cells=CELLS, dim=8, **changes).eval()


def slow_spectrum(matrix: np.ndarray, row_turns: float, column_turns: float) -> float:
    """Return a^H R a / N of one direction, element by element."""
    total = 0j
    for m in range(12):
        for n in range(12):
            phase = [row_turns * (i // 4) + column_turns * (i % 4) for i in (m, n)]
            total += np.exp(-2j * math.pi * phase[0]) * matrix[m, n] * np.exp(2j * math.pi * phase[1])
    return float(total.real / 12)


def hermitian() -> Tensor:
    x = torch.randn(2, 12, 20, dtype=torch.complex64, generator=generator(0, "matrix"))
    return x @ x.mH / 20


def two(matrix: Tensor) -> Tensor:
    """Real and imaginary parts."""
    return torch.stack([matrix.real, matrix.imag], -3)


def spectra(matrix: Tensor) -> Tensor:
    with torch.no_grad():
        return network()._spectra(network()._by_lag(two(matrix)))


@pytest.mark.parametrize("mirrored", [False, True])
def test_spectra_are_those_of_loops_and_a_mirrored_one_is_caught(mirrored: bool) -> None:
    matrix = hermitian()
    found = spectra(matrix.conj() if mirrored else matrix)[1, 0]
    turns = cell_turns(CELLS).tolist()
    wanted = [[slow_spectrum(matrix[1].numpy(), row, column) for column in turns] for row in turns]
    assert np.allclose(found.numpy(), wanted, atol=1e-4) != mirrored


def test_slopes_and_curvatures_are_those_of_differences() -> None:
    matrix, step = hermitian()[0].numpy().astype(complex), 1e-3
    found = spectra(hermitian())[0, :, 3, 6].tolist()
    row, column = float(cell_turns(CELLS)[3]), float(cell_turns(CELLS)[6])

    def at(down: float, across: float) -> float:
        return slow_spectrum(matrix, row + down * step / CELLS, column + across * step / CELLS)

    wanted = [
        at(0, 0),
        (at(1, 0) - at(-1, 0)) / (2 * step),
        (at(0, 1) - at(0, -1)) / (2 * step),
        (at(1, 0) + at(-1, 0) - 2 * at(0, 0)) / step**2,
        (at(0, 1) + at(0, -1) - 2 * at(0, 0)) / step**2,
        (at(1, 1) + at(-1, -1) - at(1, -1) - at(-1, 1)) / (4 * step**2),
    ]
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_the_inverse_is_numpys() -> None:
    matrix = hermitian()
    found = loaded_inverse(two(matrix), 0.02, steps=20)
    wanted = np.linalg.inv(matrix.numpy() + 0.02 * np.eye(12))
    np.testing.assert_allclose(
        torch.complex(found[:, 0], found[:, 1]).numpy(), wanted, atol=2e-3 * np.abs(wanted).max()
    )


def test_the_gradient_of_the_inverse_is_that_of_pytorch() -> None:
    given = [two(hermitian()).double().requires_grad_() for _ in range(2)]
    weight = torch.randn(2, 2, 12, 12, dtype=torch.float64, generator=generator(0, "weight"))
    (loaded_inverse(given[0], 0.1, steps=25) * weight).sum().backward()
    exact = torch.linalg.inv(torch.complex(given[1][:, 0], given[1][:, 1]) + 0.1 * torch.eye(12))
    (two(exact) * weight).sum().backward()
    torch.testing.assert_close(given[0].grad, given[1].grad, rtol=1e-4, atol=1e-6)


def test_the_peaks_of_both_spectra_are_reached_from_the_loudest_cell() -> None:
    angle = torch.rand(50, 2, generator=generator(0, "angles")) * 1.6 - 0.8
    backbone = network()
    x = to_channels(array(angle))
    tokens = backbone.tokens(x).detach()
    heard = backbone._spectra(backbone._by_lag(backbone.covariance(x))).detach()[:, :1]

    def error_deg(steps: Tensor) -> float:
        picture = torch.cat([50 * heard, steps.transpose(1, 2).unflatten(2, (CELLS, CELLS))], 1)
        return float(separation_rad(PeakHead(8, 1).answer(picture)[:, 0, :2], angle).mean().rad2deg())

    assert error_deg(tokens[..., -4:-2]) < 0.3
    assert error_deg(tokens[..., -2:]) < 0.3
    assert error_deg(torch.zeros_like(tokens[..., -2:])) > 1.5


def test_spectra_through_a_response_and_off_the_cells_are_those_of_loops() -> None:
    matrix = hermitian()
    response = torch.eye(12) + 0.2 * torch.randn(12, 12, dtype=torch.complex64, generator=generator(0, "response"))
    backbone = network()
    backbone.response.data.copy_(two(response))
    way = torch.rand(2, 2, CELLS, CELLS, generator=generator(0, "way")) - 0.5
    with torch.no_grad():
        noise, heard = backbone._by_lag(None), backbone._by_lag(two(matrix))
        found = backbone._ratio(heard, noise, way)[1, :, 3, 6]
    inner, alone = ((response.mH @ part @ response).numpy() for part in (matrix[1], torch.eye(12) + 0j))
    row, column = ((int(cell) + float(way[1, axis, 3, 6]) - 5) / CELLS for axis, cell in enumerate((3, 6)))

    def at(down: float, across: float) -> float:
        place = row + down * 1e-3 / CELLS, column + across * 1e-3 / CELLS
        return slow_spectrum(inner, *place) / slow_spectrum(alone, *place)

    wanted = [
        at(0, 0),
        (at(1, 0) - at(-1, 0)) / 2e-3,
        (at(0, 1) - at(0, -1)) / 2e-3,
        (at(1, 0) + at(-1, 0) - 2 * at(0, 0)) / 1e-6,
        (at(0, 1) + at(0, -1) - 2 * at(0, 0)) / 1e-6,
        (at(1, 1) + at(-1, -1) - at(1, -1) - at(-1, 1)) / 4e-6,
    ]
    np.testing.assert_allclose(found.numpy(), wanted, atol=5e-3)


def test_a_source_that_may_be_in_two_places_is_told_between_them() -> None:
    wanted = torch.tensor([[0.4, 0.0], [-0.2, 0.0]])
    apart = cells_to(wanted[None], (CELLS, CELLS), 0.5)[0]
    picture = torch.full((1, 3, CELLS, CELLS), -30.0)
    picture[:, 1:] = 0
    for source, share in ((0, 0.75), (1, 0.25)):
        row, column = divmod(int(apart[source].square().sum(0).argmin()), CELLS)
        picture[0, 0, row, column] = math.log(share)
        picture[0, 1:, row, column] = apart[source, :, row, column]
    azimuth, elevation, sure = PeakHead(8, 1).answer(picture)[0, 0].tolist()
    assert azimuth == pytest.approx(math.asin(0.75 * math.sin(0.4) + 0.25 * math.sin(-0.2)), abs=1e-4)
    assert elevation == pytest.approx(0, abs=1e-4)
    assert sure == pytest.approx(0.75, abs=1e-4)


@pytest.mark.parametrize("level", [False, True])
def test_the_response_is_measured_as_far_as_records_tell_it(level: bool) -> None:
    draw = generator(0, "directions")
    angle = (torch.rand(400, 1, 2, generator=draw) - 0.5) * torch.tensor([2.0, 0.0 if level else 1.2])
    real, imaginary = torch.randn(2, 12, 12, generator=draw)
    response = torch.eye(12) + 0.1 * torch.complex(real, imaginary)
    signal, noise = (torch.randn(400, n, 64, dtype=torch.complex64, generator=draw) for n in (1, 12))
    vectors = steering(planar_array(*SIZE), angle[:, 0]) @ response.mT
    record = {"array": vectors[..., None] * signal + 0.1 * noise, "angle": angle, "label": torch.zeros(400)}
    backbone = network()
    objective = Directions(backbone, (), ArrayContract(64, 16, 512, size=SIZE))
    objective.begin(Records(record, classes=["one"]), torch.arange(400))
    assert not backbone.response.requires_grad
    found = torch.view_as_complex(backbone.response.detach().movedim(0, -1).contiguous())
    heard, wanted = (steering(planar_array(*SIZE), angle[:, 0]) @ part.mT for part in (found, response))
    likeness = (heard.conj() * wanted).sum(1).abs() / (heard.norm(dim=1) * wanted.norm(dim=1))
    assert float(likeness.min()) > 0.999
    assert float(torch.linalg.svdvals(found)[-1]) > 0.1  # of directions that no record told, too, it hears something


def test_a_source_one_cell_further_moves_the_tokens_by_one_cell() -> None:
    angle = torch.tensor([[0.2, -0.1]])
    backbone, heard = network(), array(angle)
    ramp = torch.exp(2j * math.pi * torch.arange(4) / CELLS).repeat(3)[:, None]
    still, moved = (
        backbone.tokens(to_channels(x))[0, :, :8].detach().unflatten(0, (CELLS, CELLS)) for x in (heard, ramp * heard)
    )
    torch.testing.assert_close(still.roll(1, 1), moved, atol=1e-3, rtol=1e-3)
    assert float((still - moved).abs().max()) > 0.01


def test_steps_to_a_source_are_the_shorter_way_round() -> None:
    angle = torch.tensor([[[0.3, -0.2], [-1.2, 0.9]]])
    found = cells_to(angle, (CELLS, CELLS), 0.5)
    for source in range(2):
        azimuth, elevation = angle[0, source].tolist()
        turns = (0.5 * math.sin(elevation), 0.5 * math.cos(elevation) * math.sin(azimuth))
        for row in range(CELLS):
            for column in range(CELLS):
                for axis, (turn, cell) in enumerate(zip(turns, (row, column), strict=True)):
                    apart = turn - (cell - CELLS // 2) / CELLS
                    wanted = CELLS * min((apart - 1, apart, apart + 1), key=abs)
                    assert float(found[0, source, axis, row, column]) == pytest.approx(wanted, abs=1e-4)


def test_peaks_are_told_in_order_and_between_cells() -> None:
    head = PeakHead(8, num_sources=2)
    picture = torch.full((1, 3, CELLS, CELLS), -5.0)
    picture[:, 1:] = 0
    wanted = torch.tensor([[0.4, -0.3], [-0.5, 0.2]])
    apart = cells_to(wanted[None], (CELLS, CELLS), 0.5)[0]
    for source, level in ((0, 1.0), (1, 3.0)):
        row, column = divmod(int(apart[source].square().sum(0).argmin()), CELLS)
        picture[0, 0, row, column] = level
        picture[0, 1:, row, column] = apart[source, :, row, column]
    found = head.answer(picture)[0]
    torch.testing.assert_close(found[:, :2], wanted.flip(0), atol=1e-5, rtol=0)
    torch.testing.assert_close(found[:, 2], torch.tensor([3.0, 1.0]).sigmoid())


@pytest.mark.parametrize("size", [(1, 8), (8, 1)])
def test_in_a_row_or_column_steps_lead_to_the_source_whatever_else_is_in_the_batch(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    backbone = Beamspace(16, size=size, cells=CELLS, dim=8).eval()
    turn = torch.tensor([0.11, -0.27])
    wave = torch.exp(2j * math.pi * turn[:, None] * torch.arange(8))[..., None]
    draw = generator(0, "line")
    signal, noise = (torch.randn(2, n, 64, dtype=torch.complex64, generator=draw) for n in (1, 8))
    x = to_channels(wave * signal + torch.tensor([0.01, 3.0])[:, None, None] * noise)
    alone, both = backbone.tokens(x[:1]).detach(), backbone.tokens(x).detach()
    torch.testing.assert_close(both[:1], alone)
    some = torch.randn(2, 6, *backbone.sides, generator=draw) * torch.tensor([1.0, 1e4])[:, None, None, None]
    torch.testing.assert_close(backbone._newton(some)[:1], backbone._newton(some[:1]))
    nearest = int((CELLS * (cell_turns(CELLS) - turn[0])).abs().argmin())
    axis = int(size[0] == 1)
    wanted = CELLS * float(turn[0] - cell_turns(CELLS)[nearest])
    for first in (-4, -2):  # the steps of beamscan, then those of Capon
        assert float(alone[0, nearest, first + axis]) == pytest.approx(wanted, abs=0.02)
        assert float(alone[0, nearest, first + 1 - axis]) == 0


def test_a_size_that_is_not_that_of_the_array_is_told() -> None:
    with pytest.raises(GroundwaveError, match="3 x 4 elements for 16 signals"):
        Beamspace(32, size=(3, 4))


@pytest.mark.parametrize("num_sources", [1, 2])
def test_directions_near_the_end_of_the_array_keep_their_side(num_sources: int) -> None:
    wanted = torch.tensor([[1.3, 0.0]])
    apart = cells_to(wanted[None], (CELLS, CELLS), 0.5)[0, 0]
    picture = torch.full((1, 3, CELLS, CELLS), -30.0)
    row, column = divmod(int(apart.square().sum(0).argmin()), CELLS)
    picture[0, 0, row, column] = 5.0
    picture[0, 1:] = apart
    found = PeakHead(8, num_sources).answer(picture)[0, 0, :2]
    torch.testing.assert_close(found, wanted[0], atol=1e-3, rtol=0)


def test_records_that_say_nothing_of_a_response_do_no_harm() -> None:
    draw = generator(0, "silence")
    angle = (torch.rand(300, 1, 2, generator=draw) - 0.5) * torch.tensor([2.0, 1.2])
    signal = torch.randn(300, 1, 64, dtype=torch.complex64, generator=draw)
    heard = steering(planar_array(*SIZE), angle[:, 0])[..., None] * signal  # without any noise
    heard[0], heard[1] = 0, torch.nan
    backbone = network()
    objective = Directions(backbone, (), ArrayContract(64, 16, 512, size=SIZE))
    objective.begin(
        Records({"array": heard, "angle": angle, "label": torch.zeros(300)}, classes=["one"]), torch.arange(300)
    )
    found = torch.view_as_complex(backbone.response.detach().movedim(0, -1).contiguous())
    assert float((found / found[0, 0] - torch.eye(12)).norm()) < 1e-2
