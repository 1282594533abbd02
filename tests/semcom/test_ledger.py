"""The ledger: counts by hand, sums, meanings."""

import math

import pytest

from groundwave.errors import GroundwaveError
from groundwave.semcom.ledger import ACROSS, DOWN, MEANINGS, UP, Ledger, Traffic


def test_bits_are_count_times_width_on_a_toy() -> None:
    ledger = Ledger(bits_per_real=8, power_w=0.5, symbol_rate_hz=1e3)
    ledger.analogue("training", UP, values=3 * 4, pilots=3)  # 3 records of 2 complex symbols, a pilot each
    ledger.analogue("training", DOWN, values=3 * 4, side=1)
    ledger.digital("training", UP, bits=100, symbols=25)
    ledger.round_trip("training")
    assert ledger.traffic("training", UP) == Traffic(2, 12 + 6 + 50, 96 + 100, pytest.approx((9 + 25) * 0.5e-3))
    assert ledger.traffic("training", DOWN) == Traffic(1, 13, 104, pytest.approx(6.5 * 0.5e-3))
    assert ledger.traffic() == Traffic(3, 81, 300, pytest.approx(40.5 * 0.5e-3))
    assert ledger.traffic("pretraining") == Traffic()
    assert ledger.rounds["training"] == 1


def test_what_a_number_means_stands_beside_it() -> None:
    ledger = Ledger()
    ledger.analogue("pretraining", ACROSS, values=10)
    ledger.fault("camera", "late")
    table = ledger.table()
    assert table.header[1:] == list(MEANINGS)
    assert table.body == [["pretraining, across", "0", "1", "10", "320", "5e-07"]]
    assert all(f"{name}: {meaning}." in table.caption for name, meaning in MEANINGS.items())
    assert "camera was late 1 times" in table.caption
    assert "32 bits per real" in table.caption


@pytest.mark.parametrize(
    ("wrong", "value"),
    [("bits_per_real", 0), ("bits_per_real", 0.5), ("power_w", 0), ("power_w", math.inf), ("symbol_rate_hz", math.nan)],
)
def test_widths_and_rates_are_positive(wrong: str, value: float) -> None:
    with pytest.raises(GroundwaveError, match=f"{wrong} {value}"):
        Ledger(**{wrong: value})  # type: ignore[arg-type]


def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(GroundwaveError, match="up, down, across"):
        Ledger().analogue("training", "sideways", values=1)
