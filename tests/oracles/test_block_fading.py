"""The link against theory: capacity in closed form, bit errors, the SNR asked for, slow twins, finite differences."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import erfc, exp1
from torch import Tensor

from groundwave.rng import generator
from groundwave.semcom.link import DigitalLink, Link, as_complex, as_reals, normalise
from groundwave.signal.block_fading import capacity, draw_gains, equalise, estimate_gains
from groundwave.signal.constellation import constellation, draw_symbols, nearest_label

SNRS_DB = (-5.0, 0.0, 10.0, 20.0)


def snr(snr_db: float) -> float:
    return float(10 ** (snr_db / 10))


@pytest.mark.parametrize("snr_db", SNRS_DB)
def test_capacity_is_shannons_without_fading_and_the_closed_form_under_rayleigh(snr_db: float) -> None:
    asked = torch.tensor(snr_db, dtype=torch.float64)
    assert float(capacity(asked)) == pytest.approx(math.log2(1 + snr(snr_db)), rel=1e-9)
    rayleigh = math.exp(1 / snr(snr_db)) * exp1(1 / snr(snr_db)) / math.log(2)  # Alouini and Goldsmith, 1999, eq. 34
    assert float(capacity(asked, 0.0)) == pytest.approx(rayleigh, rel=2e-3)
    assert float(capacity(asked, 0.0)) < float(capacity(asked, 4.0)) < float(capacity(asked))  # Jensen
    gains = draw_gains(100_000, 4.0, generator=generator(0, "capacity")).abs().square().double()
    assert float(capacity(asked, 4.0)) == pytest.approx(float((1 + snr(snr_db) * gains).log2().mean()), rel=0.01)


@pytest.mark.parametrize("rician_k", [0.0, 3.0, math.inf])
def test_gains_have_unit_power_and_their_laws_fourth_moment(rician_k: float) -> None:
    powers = draw_gains(100_000, rician_k, generator=generator(1, "gains")).abs().square().double()
    assert float(powers.mean()) == pytest.approx(1, abs=0.02)
    k = rician_k
    fourth = 1.0 if math.isinf(k) else 1 + (1 + 2 * k) / (1 + k) ** 2  # E|h|^4 of a Rician gain
    assert float(powers.square().mean()) == pytest.approx(fourth, rel=0.03)


def bit_errors(rician_k: float, snr_db: float, num_pilots: int = 0) -> float:
    """Send QPSK through a link and count the wrong bits."""
    link = Link(50, (snr_db, snr_db), rician_k, num_pilots)
    points = constellation("QPSK")
    symbols = draw_symbols(points, 8000, 50, generator=generator(2, "symbols"))
    received = as_complex(link(as_reals(symbols), generator(3, "air")))
    wrong = nearest_label(points, symbols) ^ nearest_label(points, received)
    return float(((wrong & 1) + (wrong >> 1)).double().mean() / 2)


@pytest.mark.parametrize("snr_db", [0.0, 5.0, 10.0])
def test_bit_errors_of_qpsk_are_at_their_floor(snr_db: float) -> None:
    per_bit = snr(snr_db) / 2
    assert bit_errors(math.inf, snr_db) == pytest.approx(0.5 * erfc(math.sqrt(per_bit)), rel=0.05, abs=2e-5)
    rayleigh = 0.5 * (1 - math.sqrt(per_bit / (1 + per_bit)))  # Proakis, 2008, eq. 13.3-7
    known = bit_errors(0.0, snr_db)
    assert known == pytest.approx(rayleigh, rel=0.06)
    assert bit_errors(0.0, snr_db, num_pilots=1) > 1.1 * known  # an estimate costs something
    assert bit_errors(0.0, snr_db, num_pilots=1000) == pytest.approx(known, rel=0.05)


def measured_snr_db(transmit: Callable[[Link, Tensor, int], tuple[Tensor, Tensor]], snr_db: float) -> float:
    link = Link(32, (snr_db, snr_db), 1.0)
    symbols = normalise(torch.randn(20_000, 64, generator=generator(4, "values")))
    signal, noise = transmit(link, symbols, 5)
    ratio = signal.abs().square().mean() / noise.abs().square().mean()
    return float(10 * ratio.log10())


def parts(link: Link, symbols: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Return signal and noise at the antenna."""
    block = link.draw(len(symbols), generator=generator(seed, "block"))
    received = link.transmit(symbols, block)
    return received - block.noise, block.noise


def with_noise_of_real_symbols(link: Link, symbols: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Return the same with noise of the power for each real dimension, the commonest mistake of such links."""
    signal, noise = parts(link, symbols, seed)
    return signal, noise * math.sqrt(2)


@pytest.mark.parametrize("snr_db", SNRS_DB)
def test_the_received_snr_is_the_one_asked_for(snr_db: float) -> None:
    assert measured_snr_db(parts, snr_db) == pytest.approx(snr_db, abs=0.1)
    assert abs(measured_snr_db(with_noise_of_real_symbols, snr_db) - snr_db) > 2


def test_a_drawn_snr_is_uniform_in_decibels() -> None:
    block = Link(1, (-5, 20)).draw(20_000, generator=generator(6, "draw"))
    levels_db = -10 * block.noise_power.log10()
    assert float(levels_db.min()) >= -5.001
    assert float(levels_db.max()) <= 20.001
    assert float(levels_db.mean()) == pytest.approx(7.5, abs=0.2)
    assert float(levels_db.std()) == pytest.approx(25 / math.sqrt(12), rel=0.02)


def slow_link(symbols: np.ndarray, link: Link, seed: int, squared: bool = True) -> np.ndarray:
    """Do what a link does symbol by symbol; without the square of the gain the estimate is a wrong one."""
    block = link.draw(len(symbols), generator=generator(seed, "twin"))
    out = np.zeros_like(symbols)
    for b in range(len(symbols)):
        h, taken, power = complex(block.gains[b]), complex(block.estimates[b]), float(block.noise_power[b])
        for s in range(symbols.shape[1] // 2):
            y = h * complex(symbols[b, 2 * s], symbols[b, 2 * s + 1]) + complex(block.noise[b, s])
            x = y * taken.conjugate() / (abs(taken) ** (2 if squared else 1) + power)
            out[b, 2 * s], out[b, 2 * s + 1] = x.real, x.imag
    return out


@pytest.mark.parametrize("num_pilots", [0, 4])
def test_a_link_is_its_slow_twin(num_pilots: int) -> None:
    link = Link(3, (0, 10), 0.0, num_pilots)
    symbols = normalise(torch.randn(5, 6, generator=generator(7, "values")))
    fast = link(symbols, generator(8, "twin")).numpy()
    np.testing.assert_allclose(fast, slow_link(symbols.numpy(), link, 8), rtol=1e-5, atol=1e-6)
    assert np.abs(fast - slow_link(symbols.numpy(), link, 8, squared=False)).max() > 1e-2


def test_the_equaliser_has_the_least_squared_error() -> None:
    draw = generator(9, "mmse")
    gains, noise_power = draw_gains(4000, 0.0, generator=draw), torch.full((4000,), 0.3)
    x = as_complex(normalise(torch.randn(4000, 16, generator=draw)))
    noise = as_complex(torch.randn(4000, 16, generator=draw)) * math.sqrt(0.15)
    y = gains[:, None] * x + noise
    errors = {c: float((c * equalise(y, gains, noise_power) - x).abs().square().mean()) for c in (0.9, 1.0, 1.1)}
    assert min(errors, key=lambda c: errors[c]) == 1.0
    inverted = float((y / gains[:, None] - x).abs().square().mean())
    assert inverted > 2 * errors[1.0]  # plain inversion of deep fades is the wrong twin


def test_estimates_err_as_pilots_let_them() -> None:
    gains, noise_power = torch.ones(50_000, dtype=torch.complex64), torch.full((50_000,), 0.5)
    error = estimate_gains(gains, noise_power, 4, generator=generator(10, "pilots")) - gains
    assert float(error.abs().square().mean()) == pytest.approx(0.5 / 4, rel=0.03)


@pytest.mark.parametrize("rician_k", [0.0, math.inf])
def test_gradients_through_the_link_are_those_of_finite_differences(rician_k: float) -> None:
    link = Link(2, (5, 5), rician_k, num_pilots=2)
    block = link.draw(3, generator=generator(11, "fixed"))
    exact = type(block)(*(part.to(torch.promote_types(part.dtype, torch.float64)) for part in block))

    def through(values: Tensor) -> Tensor:
        received = link.transmit(normalise(values), exact)
        return as_reals(equalise(received, exact.estimates, exact.noise_power))

    values = torch.randn(3, 4, dtype=torch.float64, generator=generator(12, "values")).requires_grad_()
    assert torch.autograd.gradcheck(through, (values,), eps=1e-6, atol=1e-8)

    def half(values: Tensor) -> Tensor:
        return through(values.detach() + 0.5 * (values - values.detach()))

    assert not torch.autograd.gradcheck(half, (values,), eps=1e-6, atol=1e-8, raise_exception=False)


def test_bits_of_the_digital_link_stay_within_capacity() -> None:
    for snr_db in SNRS_DB:
        link = DigitalLink(8, (snr_db, snr_db), 0.0)
        count, width = link.allocation()
        carried = 8 * float(capacity(torch.tensor(snr_db, dtype=torch.float64), 0.0))
        assert count * width <= carried < count * width + 16 * (count == 16) + 1
