"""The doors of channels and interference: what cannot be is refused with a remedy."""

import math
from typing import Any

import pytest
import torch

from groundwave.errors import GroundwaveError, UnknownNameError
from groundwave.rng import generator
from groundwave.signal.interference import add_interferer, draw_impulses, draw_sweep, draw_tone
from groundwave.signal.multipath import draw_paths, margin, propagate
from groundwave.signal.profiles import Profile, profile

GOOD: dict[str, Any] = {"sample_rate_hz": 1e6, "delay_spread_s": 1e-6, "doppler_hz": 10.0}


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"sample_rate_hz": 0.0}, "state the rate"),
        ({"sample_rate_hz": -1.0}, "state the rate"),
        ({"sample_rate_hz": math.nan}, "state the rate"),
        ({"sample_rate_hz": math.inf}, "state the rate"),
        ({"delay_spread_s": None}, "an rms delay spread"),
        ({"delay_spread_s": -1e-6}, "delay_spread_s .*from 0 up"),
        ({"delay_spread_s": math.nan}, "delay_spread_s .*from 0 up"),
        ({"delay_spread_s": 300.0}, "in seconds"),
        ({"delay_spread_s": torch.full((2,), 1e-6)}, "2 delay spreads and 1 Doppler shifts for 3 records"),
        ({"doppler_hz": -5.0}, "doppler_hz .*from 0 up"),
        ({"doppler_hz": math.nan}, "doppler_hz .*from 0 up"),
        ({"doppler_hz": 6e5}, "below 500000"),
        ({"doppler_hz": torch.tensor([1.0, -1.0, 0.0])}, "doppler_hz .*from 0 up"),
        ({"doppler_hz": torch.zeros(0)}, "doppler_hz .*from 0 up"),
        ({"spectrum": "jake"}, "did you mean 'jakes'"),
        ({"num_samples": 0}, "ask for more"),
        ({"num_records": 0}, "ask for more"),
    ],
)
def test_draws_that_cannot_be_are_refused(change: dict[str, Any], remedy: str) -> None:
    settings = {"num_records": 3, "num_samples": 50, **GOOD, **change}
    with pytest.raises(GroundwaveError, match=remedy):
        draw_paths(profile("TDL-A"), **settings, generator=generator(0, "bad"))


def test_profiles_by_name_and_by_hand() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'TDL-A'"):
        profile("TDLA")
    with pytest.raises(GroundwaveError, match="a power for each delay"):
        Profile("mine", (0.0, 1.0), (0.0,))
    with pytest.raises(GroundwaveError, match="from 0 up"):
        Profile("mine", (-1.0,), (0.0,))
    with pytest.raises(GroundwaveError, match="finite"):
        Profile("mine", (0.0,), (math.nan,))
    with pytest.raises(GroundwaveError, match="None, as its delays"):
        margin(profile("ETU"), sample_rate_hz=1e6, delay_spread_s=1e-6)


def test_margin_is_what_propagation_takes() -> None:
    for name, spread in (("TDL-E", 1e-6), ("EPA", None), ("rayleigh", None)):
        more = margin(profile(name), sample_rate_hz=2e6, delay_spread_s=spread)
        paths = draw_paths(
            profile(name),
            2,
            70,
            sample_rate_hz=2e6,
            delay_spread_s=spread,
            doppler_hz=1e4,
            generator=generator(0, name),
        )
        assert propagate(torch.ones(2, 70 + more, dtype=torch.complex64), paths).shape == (2, 70)
    assert more == 0


@pytest.mark.parametrize("num_samples", [0, 101])
def test_records_that_do_not_fit_their_draw_are_refused(num_samples: int) -> None:
    paths = draw_paths(profile("TDL-A"), 1, 100, **GOOD, generator=generator(0, "fit"))
    with pytest.raises(GroundwaveError, match="draw paths for as many"):
        propagate(torch.ones(1, num_samples + paths.num_taps - 1, dtype=torch.complex64), paths)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_interferers_of_no_finite_strength_or_place_are_refused(bad: float) -> None:
    x, one, wrong = torch.ones(2, 9, dtype=torch.complex64), torch.zeros(2), torch.tensor([0.0, bad])
    with pytest.raises(GroundwaveError, match=r"sir_db .*leave the interferer out"):
        add_interferer(x, x, wrong)
    with pytest.raises(GroundwaveError, match=r"offset .*leave the interferer out"):
        add_interferer(x, x, one, wrong)


@pytest.mark.parametrize(
    ("rate", "background"), [(0.0, 0.1), (-1.0, 0.1), (math.nan, 0.1), (0.1, 0.0), (0.1, math.nan)]
)
def test_impulses_that_cannot_be_are_refused(rate: float, background: float) -> None:
    with pytest.raises(GroundwaveError, match="use typically"):
        draw_impulses(1, 9, impulses_per_sample=rate, background=background, generator=generator(0, "bad"))


@pytest.mark.parametrize(("low", "high", "period"), [(-0.6, 0.1, 9.0), (0.0, math.nan, 9.0), (0.0, 0.1, 0.0)])
def test_sweeps_that_cannot_be_are_refused(low: float, high: float, period: float) -> None:
    with pytest.raises(GroundwaveError, match="divide frequencies by the sample rate"):
        draw_sweep(torch.tensor([low]), torch.tensor([high]), torch.tensor([period]), generator=generator(0, "bad"))
    with pytest.raises(GroundwaveError, match="divide frequencies"):
        draw_tone(torch.tensor([100e3]), generator=generator(0, "bad"))
