"""TDL-A to TDL-E against Sionna's implementation of the same tables (`pip install groundwave[oracle]`)."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from groundwave.rng import generator
from groundwave.signal.multipath import Paths, draw_paths, path_gains, propagate
from groundwave.signal.profiles import profile

pytest.importorskip("sionna.phy", reason="sionna-no-rt is not installed: pip install 'groundwave[oracle]'")

LETTERS = ["A", "B", "C", "D", "E"]
RATE, SPREAD, DOPPLER = 15.36e6, 300e-9, 2000.0
CARRIER, LIGHT = 3.5e9, 299_792_458.0


def theirs(letter: str, delay_spread: float = SPREAD) -> Any:
    from sionna.phy.channel.tr38901 import TDL

    speed = DOPPLER * LIGHT / CARRIER
    return TDL(letter, delay_spread, CARRIER, min_speed=speed, max_speed=speed, device="cpu")


def ours(letter: str, num_records: int, num_samples: int, rate: float = RATE) -> Paths:
    return draw_paths(
        profile(f"TDL-{letter}"),
        num_records,
        num_samples,
        sample_rate_hz=rate,
        delay_spread_s=SPREAD,
        doppler_hz=DOPPLER,
        generator=generator(0, "sionna", letter),
    )


def drawn_by_sionna(letter: str, num_records: int, num_times: int, rate: float) -> torch.Tensor:
    """Return path gains `[batch, path, time]`."""
    gains, _ = theirs(letter)(num_records, num_times, rate)
    return gains[:, 0, 0, 0, 0]


@pytest.mark.parametrize("letter", LETTERS)
def test_delays_and_powers_are_the_same(letter: str) -> None:
    other, channel = theirs(letter), profile(f"TDL-{letter}")
    _, tau = other(1, 1, RATE)
    np.testing.assert_allclose(np.array(channel.delays) * SPREAD, tau[0, 0, 0].numpy(), rtol=1e-5, atol=1e-15)
    np.testing.assert_allclose(channel.powers, other.mean_powers.numpy(), rtol=1e-3)
    with np.testing.assert_raises(AssertionError):  # a neighbour's powers must be caught
        np.testing.assert_allclose(np.roll(channel.powers, 1), other.mean_powers.numpy(), rtol=1e-3)


@pytest.mark.parametrize("letter", LETTERS)
def test_gains_have_the_same_powers_and_the_same_memory(letter: str) -> None:
    """Compare second moments at lags up to one period of the Doppler shift, path by path."""
    num_records, num_lags, rate = 4000, 9, 8 * DOPPLER
    mine = path_gains(ours(letter, num_records, num_lags, rate), num_lags)
    other = drawn_by_sionna(letter, num_records, num_lags, rate)

    def memory(h: torch.Tensor) -> torch.Tensor:
        """Return the autocorrelation of each path over its power; a line of sight turns it, so its modulus."""
        product = (h * h[..., :1].conj()).mean(0)
        return product.abs() / product[:, :1].abs()

    torch.testing.assert_close(
        mine.abs().square().mean((0, 2)), other.abs().square().mean((0, 2)), atol=0.005, rtol=0.08
    )
    torch.testing.assert_close(memory(mine), memory(other), atol=0.09, rtol=0)
    with pytest.raises(AssertionError):  # twice the Doppler must be caught
        torch.testing.assert_close(memory(mine)[:, ::2], memory(other)[:, :5], atol=0.09, rtol=0)


@pytest.mark.parametrize("letter", ["D", "E"])
def test_first_paths_have_the_same_rician_factor(letter: str) -> None:
    def k_db(h: torch.Tensor) -> float:
        power = h[:, 0, 0].abs().square()
        direct = (power.mean() ** 2 - power.var()).clamp(min=0).sqrt()
        return 10 * math.log10(float(direct / (power.mean() - direct)))

    mine, other = k_db(ours(letter, 20_000, 1).gains), k_db(drawn_by_sionna(letter, 20_000, 1, RATE))
    assert mine == pytest.approx(other, abs=0.3)
    assert k_db(ours("D" if letter == "E" else "E", 20_000, 1).gains) != pytest.approx(other, abs=3)


@pytest.mark.parametrize("letter", LETTERS)
def test_the_same_paths_do_the_same_to_a_signal(letter: str) -> None:
    """Hand our draw to Sionna's time channel, with sincs long enough to be exact on a band-limited signal."""
    from sionna.phy.channel import ApplyTimeChannel, cir_to_time_channel

    num_in, num_out, reach, start = 640, 64, 150, 400  # few samples: their responses are one a sample
    paths = ours(letter, 1, num_out)
    white = torch.randn(1, num_in, dtype=torch.complex64, generator=generator(1, "sionna"))
    x = torch.fft.ifft(torch.fft.fft(white) * (torch.fft.fftfreq(num_in).abs() < 0.3))
    first = start - (paths.num_taps - 8)
    heard = x[:, first : first + num_out + paths.num_taps - 1]
    y = propagate(heard, paths)

    def through(tau: torch.Tensor) -> torch.Tensor:
        num_taps = 2 * reach + paths.num_taps
        before = start + reach  # as many outputs precede ours; their gains do not matter
        gains = path_gains(paths, num_out)
        gains = pad(gains, (before, num_in + num_taps - 1 - before - num_out))[:, None, None, None, None]
        taps = cir_to_time_channel(RATE, gains, tau, -reach, num_taps - reach - 1)
        apply = ApplyTimeChannel(num_in, num_taps, device="cpu")
        return apply(x[:, None, None], taps)[:, 0, 0, before : before + num_out]

    def error_db(other: torch.Tensor) -> float:
        return 10 * math.log10(float((y - other).abs().square().sum() / other.abs().square().sum()))

    tau = paths.delays[:, None, None] / RATE
    assert error_db(through(tau)) < -40
    assert error_db(through(tau + 0.05 / RATE)) > -35  # a twentieth of a sample must show
