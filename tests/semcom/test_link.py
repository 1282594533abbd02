"""Links: budgets, power, what is refused, and the digital reference."""

import math

import pytest
import torch

from groundwave.errors import DataError, GroundwaveError
from groundwave.rng import generator
from groundwave.semcom.link import MOST_DB, DigitalLink, Link, allocation, as_complex, as_reals, normalise, quantised


def test_symbols_have_unit_power_and_silence_stays_silent() -> None:
    values = torch.randn(4, 10, generator=generator(0, "values")) * torch.tensor([[1e-3], [1.0], [1e3], [0.0]])
    power = as_complex(normalise(values)).abs().square().mean(dim=1)
    torch.testing.assert_close(power, torch.tensor([1.0, 1.0, 1.0, 0.0]))


def test_reals_and_symbols_are_one() -> None:
    reals = torch.arange(8.0).reshape(2, 4)
    assert as_complex(reals)[0].tolist() == [1j, 2 + 3j]
    torch.testing.assert_close(as_reals(as_complex(reals)), reals)


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"num_symbols": 0}, "num_symbols 0"),
        ({"num_symbols": 2.5}, "num_symbols 2.5"),
        ({"num_symbols": 4, "snr_db": (math.nan, math.nan)}, "snr_db"),
        ({"num_symbols": 4, "snr_db": (0.0, math.nan)}, "snr_db"),
        ({"num_symbols": 4, "snr_db": (10.0, 0.0)}, "snr_db"),
        ({"num_symbols": 4, "snr_db": (math.inf, math.inf)}, "snr_db"),
        ({"num_symbols": 4, "snr_db": (-400.0, -400.0)}, "snr_db"),
        ({"num_symbols": 4, "rician_k": -1.0}, "rician_k"),
        ({"num_symbols": 4, "rician_k": math.nan}, "rician_k"),
        ({"num_symbols": 4, "num_pilots": -1}, "num_pilots"),
        ({"num_symbols": 4, "num_pilots": 1.5}, "num_pilots 1.5"),
    ],
)
def test_a_link_that_cannot_be_is_refused(settings: dict[str, object], wrong: str) -> None:
    with pytest.raises(GroundwaveError, match=f"got {wrong}.*change"):
        Link(**settings)  # type: ignore[arg-type]


def test_the_worst_link_that_can_be_brings_finite_symbols() -> None:
    symbols = normalise(torch.randn(8, 8, generator=generator(0)))
    for snr_db in (-MOST_DB, MOST_DB):
        assert Link(4, (snr_db, snr_db), 0.0)(symbols, generator(1)).isfinite().all()


def test_another_width_than_the_budget_is_refused() -> None:
    with pytest.raises(DataError, match="I and Q of 4 symbols"):
        Link(4)(torch.ones(2, 6), generator(0, "x"))


@pytest.mark.parametrize("link", [Link, DigitalLink])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_symbols_that_are_not_finite_are_refused(link: type[Link], bad: float) -> None:
    symbols = torch.ones(3, 8)
    symbols[1, 5] = bad
    with pytest.raises(DataError, match="not finite in 1 of 3 records"):
        link(4)(symbols, generator(0, "x"))


def test_the_same_draw_gives_the_same_block_and_high_snr_brings_symbols_back() -> None:
    symbols = normalise(torch.randn(6, 8, generator=generator(1, "values")))
    link = Link(4, (60, 60), 0.0)
    torch.testing.assert_close(link(symbols, generator(2, "a")), link(symbols, generator(2, "a")))
    torch.testing.assert_close(link(symbols, generator(3, "b")), symbols, atol=0.1, rtol=0)
    assert link.at(5).config() == {"num_symbols": 4, "snr_db": [5.0, 5.0], "num_pilots": 0, "rician_k": 0.0}


def test_bits_are_spent_on_all_values_or_on_the_first() -> None:
    assert allocation(64, 8) == (8, 8)
    assert allocation(70, 8) == (8, 8)
    assert allocation(5, 8) == (5, 1)
    assert allocation(0, 8) == (0, 1)
    assert allocation(10**6, 8) == (8, 16)


def test_quantisers_err_by_half_a_step_at_most_and_clip() -> None:
    values = torch.linspace(-1, 1, 101)
    error = (quantised(values, 3, 1.0) - values).abs().max()
    assert float(error) <= 2 / 8 / 2 + 1e-6
    assert quantised(torch.tensor([9.0, -9.0]), 1, 1.0).tolist() == [0.5, -0.5]
    assert len(quantised(values, 2, 1.0).unique()) == 4


def test_the_digital_link_brings_few_values_at_low_snr_and_all_at_high_snr() -> None:
    symbols = normalise(torch.randn(3, 16, generator=generator(4, "values"))).requires_grad_()
    low, high = (DigitalLink(8).at(snr_db) for snr_db in (-5, 20))
    assert low.config() == {**Link(8, (-5, -5)).config(), "digital": True}
    assert low.num_bits() == 3  # 8 log2(1 + 10^-0.5) = 3.2
    received = low(symbols, generator(5, "none"))
    assert (received[:, 3:] == 0).all()
    assert (received[:, :3] != 0).all()
    torch.testing.assert_close(high(symbols, generator(5, "none")), symbols, atol=0.35, rtol=0)
    received.sum().backward()
    torch.testing.assert_close(symbols.grad, torch.ones_like(symbols))
