"""Agreement of fading, clocks and the whole RadioML channel with the output of GNU Radio 3.10."""

import math

import numpy as np
import pytest
import torch
from scipy.special import j0

from groundwave.rng import generator
from groundwave.scenes.channel import RECIPE, Channel, Course
from groundwave.signal import fading

PATHS = fading.delay_taps(RECIPE.delays, RECIPE.num_taps)
LAGS = np.arange(0, 101, 5)
STEP = RECIPE.step_hz / RECIPE.sample_rate_hz


@pytest.fixture(scope="module")
def theirs(shared_data):
    with np.load(shared_data / "reference" / "gr_fading.npz", allow_pickle=False) as file:
        return {key: file[key] for key in file if file[key].ndim}


def drawn_gains(path_gains: tuple[float, ...], num: int = 40_000) -> torch.Tensor:
    """Draw gains of the recipe's paths `[num, path]`, at one instant."""
    faders = fading.draw_faders(num, [4.0, 0.0, 0.0], 5e-6, generator=generator(0, "taps"))
    return fading.fader_gains(faders, torch.zeros(num, 1))[..., 0] * torch.tensor(path_gains)


def tap_powers(path_gains: tuple[float, ...]) -> np.ndarray:
    return (drawn_gains(path_gains) @ PATHS.to(torch.complex64)).abs().square().mean(0).numpy()


def test_mean_tap_powers_are_those_of_the_model():
    model = np.square(RECIPE.path_gains) @ np.square(PATHS.numpy())
    np.testing.assert_allclose(tap_powers(RECIPE.path_gains), model, rtol=0.03)
    np.testing.assert_allclose(model.sum(), 1.721, rtol=0.001)
    with np.testing.assert_raises(AssertionError):  # gains taken for powers
        np.testing.assert_allclose(tap_powers((1.0, math.sqrt(0.8), math.sqrt(0.3))), model, rtol=0.03)


def test_mean_tap_powers_are_theirs(theirs):
    """Their 1000 draws know the two main taps to 2 and 3 %, the weak ones (one Rayleigh path each) to 3 %."""
    mean = (np.abs(theirs["taps_t0"]) ** 2).mean(0)
    ours = tap_powers(RECIPE.path_gains)
    np.testing.assert_allclose(ours[:2], mean[:2], rtol=0.03)
    np.testing.assert_allclose(ours[2:], mean[2:], rtol=0.09)
    np.testing.assert_allclose(ours.sum(), mean.sum(), rtol=0.02)


def path_fit_error(taps: np.ndarray, paths: torch.Tensor) -> float:
    """Return the largest part of impulse responses `[num, taps]` that no gains of `paths` can make."""
    basis, responses = paths.T.to(torch.complex64), torch.from_numpy(taps.T.copy())
    return float((basis @ torch.linalg.lstsq(basis, responses).solution - responses).abs().max())


@pytest.mark.parametrize("key", ["taps_t0", "taps_fast", "taps_0x1337"])
def test_every_impulse_response_is_a_sum_of_our_delayed_paths(theirs, key):
    taps = theirs[key].reshape(-1, RECIPE.num_taps)
    assert path_fit_error(taps, PATHS) < 2e-3
    assert path_fit_error(taps, fading.delay_taps((0.0, 0.8, 1.7), 8)) > 0.01  # another delay must show


def unexplained(x: torch.Tensor, y: torch.Tensor, paths: torch.Tensor, num_knots: int = 6) -> float:
    """Fit gains at knots to an output and return the share of its power that stays unexplained."""
    one_hot = torch.eye(3 * num_knots, dtype=x.dtype).reshape(-1, 3, num_knots)
    columns = fading.apply_paths(x.expand(len(one_hot), -1), one_hot, paths).T
    rest = columns @ torch.linalg.lstsq(columns, y[:, None]).solution - y[:, None]
    return float(rest.abs().square().mean() / y.abs().square().mean())


def test_the_selective_channel_gives_their_samples(theirs):
    x = torch.from_numpy(theirs["white_in"])[None]
    for row in theirs["white_out"]:
        y = torch.from_numpy(row)[7:]
        assert unexplained(x, y, PATHS) < 1e-6
        assert unexplained(x, y, fading.delay_taps((0.0, 0.8, 1.7), 8)) > 2e-6


def moment_k(h: np.ndarray) -> float:
    """Estimate the Rician factor from the second and fourth moments (Greenstein 1999)."""
    power = np.abs(h) ** 2
    direct = math.sqrt(max(power.mean() ** 2 - power.var(), 0.0))
    return direct / (power.mean() - direct)


def drawn_fader(rician_k: float, times: torch.Tensor, num: int) -> np.ndarray:
    faders = fading.draw_faders(num, [rician_k], 0.01, generator=generator(0, "flat"))
    return fading.fader_gains(faders, times.expand(num, -1))[:, 0].numpy()


@pytest.mark.parametrize(("key", "rician_k"), [("flat_t0_nlos", 0.0), ("flat_t0_los", 4.0)])
def test_flat_faders_have_their_moments(theirs, key, rician_k):
    ours, power = drawn_fader(rician_k, torch.zeros(1), 40_000), np.abs(theirs[key]) ** 2
    np.testing.assert_allclose((np.abs(ours) ** 2).mean(), 1.0, rtol=0.02)
    np.testing.assert_allclose(power.mean(), 1.0, rtol=0.02)
    np.testing.assert_allclose((np.abs(ours) ** 2).std(), power.std(), rtol=0.03)


def test_rician_factor_is_theirs(theirs):
    expected = moment_k(theirs["flat_t0_los"])
    assert expected == pytest.approx(4.09, abs=0.01)
    assert moment_k(drawn_fader(4.0, torch.zeros(1), 40_000)) == pytest.approx(expected, rel=0.05)
    assert moment_k(drawn_fader(10**0.4, torch.zeros(1), 40_000)) != pytest.approx(expected, rel=0.05)  # 4 dB, not 4


def autocorrelation(h: np.ndarray) -> np.ndarray:
    num = h.shape[1] - LAGS[-1]
    products = [(h[:, lag : lag + num] * h[:, :num].conj()).mean().real for lag in LAGS]
    return np.array(products) / (np.abs(h) ** 2).mean()


def test_autocorrelation_is_theirs_and_that_of_jakes(theirs):
    ours = autocorrelation(drawn_fader(0.0, torch.arange(400.0), 2000))
    mean = autocorrelation(theirs["flat_fast_nlos"])
    np.testing.assert_allclose(ours, j0(2 * math.pi * 0.01 * LAGS), atol=0.02)
    np.testing.assert_allclose(ours, mean, atol=0.03)
    with np.testing.assert_raises(AssertionError):  # a tenth more Doppler must show
        np.testing.assert_allclose(autocorrelation(drawn_fader(0.0, 1.1 * torch.arange(400.0), 2000)), mean, atol=0.03)


def walk_step(path: np.ndarray, lag: int) -> float:
    """Return the step of the random walk whose running sum is `path` (every 16th sample), over steps of the recipe.

    The second difference over `lag` samples of the sum of a walk with step s has the variance s^2 (2/3) lag^3.
    """
    path = path[:, :: lag // 16]
    second = path[:, 2:] - 2 * path[:, 1:-1] + path[:, :-2]
    return float(second.std() / math.sqrt(2 / 3 * lag**3) / STEP)


def our_walks(channel: Channel) -> dict[str, np.ndarray]:
    clocks = channel.draw(16, 80_000, timing=0, settled=False, generator=generator(0, "walk")).clocks
    drift = (clocks.offset() - clocks.start[:, None]).numpy()
    cycles = np.unwrap(clocks.phase_rad().numpy()) / (2 * math.pi)
    return {"cfo_const": cycles[:, :80_000:16], "sro_tone": drift[:, :80_000:16]}


# theirs are quantised: phases to 1/8192 cycle, interpolator positions to 1/128 sample; so long lags for the clock
@pytest.mark.parametrize(("key", "turn", "lag", "rtol"), [("cfo_const", 1.0, 1600, 0.1), ("sro_tone", 0.05, 8000, 0.3)])
def test_offsets_walk_as_theirs(theirs, key, turn, lag, rtol):
    path = np.unwrap(np.angle(theirs[key])) / (2 * math.pi * turn)
    assert walk_step(path, lag) == pytest.approx(1.0, rel=rtol)
    assert walk_step(our_walks(RECIPE)[key], lag) == pytest.approx(1.0, rel=rtol)
    assert walk_step(our_walks(Channel(step_hz=0.02))[key], lag) != pytest.approx(1.0, rel=rtol)


def test_offsets_start_at_zero_as_theirs(theirs):
    assert np.abs(np.angle(theirs["cfo_const"][:, :4])).max() < 1e-3
    assert np.abs(our_walks(RECIPE)["cfo_const"][:, :4]).max() < 1e-3


def test_the_whole_channel_gives_their_envelope_for_a_constant(theirs):
    """A constant knows no clock, and the carrier's offset turns it only: so the sum of the taps stays."""
    taps, envelope = theirs["taps_0x1337"], np.abs(theirs["dyn_const_0x1337"])
    basis = PATHS.T.to(torch.complex64)
    gains = torch.linalg.lstsq(basis, torch.from_numpy(taps.T.copy())).solution[None]
    draw = RECIPE.draw(1, 16 * (len(taps) - 1) + 1, timing=0, settled=False, generator=generator(0, "dynamic"))
    x = torch.ones(1, draw.clocks.num_samples + 100, dtype=torch.complex64)

    course = draw.course()

    def ours(knots: torch.Tensor) -> np.ndarray:
        return RECIPE.follow(x, Course(course.offset, course.phase_rad, knots))[0, ::16].abs().numpy()

    np.testing.assert_allclose(ours(gains)[1:], envelope[1:], atol=0.01)
    with np.testing.assert_raises(AssertionError):  # time must run the right way
        np.testing.assert_allclose(ours(gains.flip(-1))[1:], envelope[1:], atol=0.01)
