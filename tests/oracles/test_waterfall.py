"""A waterfall against a slow twin that makes the whole record at the full rate. Each test also catches a lie."""

import numpy as np
import pytest
import torch
from scipy import signal as sig
from scipy.ndimage import binary_closing

from groundwave.rng import generator
from groundwave.scenes.air import Air
from groundwave.scenes.waterfall import Emission, Screen, Waterfall, draw_response
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.signal.multipath import draw_paths, frequency_response, path_gains
from groundwave.signal.profiles import PROFILES

SCREEN = Screen(num_freqs=64, num_frames=16, num_averaged=5)
SNR_DB, BANDWIDTH = 13.0, 0.1


def soft(num: int, seed: int) -> torch.Tensor:
    """Return a burst of unit power whose edges are smooth, a third as wide as its band."""
    x = WAVEFORMS["QPSK"](1, num, Air(4), generator(seed, "burst"))[0]
    return x * torch.from_numpy(sig.windows.tukey(num, 0.2)).float()


def sent() -> list[Emission]:
    """Bursts that start before the record, within it, and reach out of it, in bands of two widths."""
    return [
        Emission(soft(600, 1), 24, -100, 0.113),
        Emission(soft(500, 2), 24, 777, -0.2),
        Emission(soft(900, 3), 16, 500, 0.08),
        Emission(soft(700, 4), 24, 1500, 0.41),
    ]


def full_rate(emissions: list[Emission], gain_db: float) -> np.ndarray:
    """Lay each emission on a longer timeline of its band, interpolate with scipy, mix up, cut the record out."""
    around = 64  # windows on either side
    num_windows = SCREEN.num_windows + 2 * around
    total = np.zeros(num_windows * SCREEN.num_freqs, complex)
    for e in emissions:
        x = np.zeros(num_windows * e.width, complex)
        begin = around * e.width + e.start
        x[begin : begin + len(e.x)] = e.x.numpy()
        time = np.arange(len(total)) - around * SCREEN.num_freqs
        total += sig.resample(x, len(total)) * np.exp(2j * np.pi * e.centre * time)
    record = total[around * SCREEN.num_freqs : -around * SCREEN.num_freqs]
    return record * 10 ** (gain_db / 20) * np.sqrt(BANDWIDTH)


def columns(record: np.ndarray) -> np.ndarray:
    window = sig.windows.hann(SCREEN.num_freqs, sym=False)
    frames = record.reshape(-1, SCREEN.num_freqs) * window / np.sqrt((window**2).sum())
    power = np.abs(np.fft.fftshift(np.fft.fft(frames), axes=1)) ** 2
    return power.reshape(SCREEN.num_frames, -1, SCREEN.num_freqs).mean(1).T


def test_emissions_add_as_at_the_full_rate() -> None:
    waterfall = Waterfall(SCREEN)
    waterfall.add(sent(), 0, SNR_DB, BANDWIDTH)
    slow = columns(full_rate(sent(), SNR_DB))
    tolerance = 5e-3 * slow.max()  # the windows' skirts wrap round inside a band
    np.testing.assert_allclose(waterfall.noise_free().numpy(), slow, atol=tolerance)
    wrong_level = columns(full_rate(sent(), SNR_DB + 0.5))
    for wrong in (np.roll(slow, 1, 0), np.roll(slow, 1, 1), wrong_level):
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(waterfall.noise_free().numpy(), wrong, atol=tolerance)


def test_emitters_interfere_as_at_the_full_rate() -> None:
    waterfall = Waterfall(SCREEN)
    pair = [Emission(soft(1600, 5), 24, 40, 0.113), Emission(soft(1500, 6), 16, 30, 0.12)]
    for label, emission in enumerate(pair):
        waterfall.add([emission], label, SNR_DB, BANDWIDTH)
    slow = columns(full_rate(pair, SNR_DB))
    tolerance = 5e-3 * slow.max()
    np.testing.assert_allclose(waterfall.noise_free().numpy(), slow, atol=tolerance)
    apart = sum(columns(full_rate([emission], SNR_DB)) for emission in pair)
    with pytest.raises(AssertionError):  # powers alone do not tell
        np.testing.assert_allclose(waterfall.noise_free().numpy(), apart, atol=tolerance)


def test_the_snr_is_that_of_the_record() -> None:
    waterfall = Waterfall(SCREEN)
    waterfall.add([Emission(soft(1600, 5), 24, 100, 0.113)], 0, SNR_DB, BANDWIDTH)
    record = full_rate([Emission(soft(1600, 5), 24, 100, 0.113)], SNR_DB)
    assert waterfall.snr_db() == pytest.approx(10 * np.log10((np.abs(record) ** 2).mean()), abs=0.1)


def test_noise_is_white_of_unit_power_and_its_mean_over_windows() -> None:
    screen = Screen(64, 400, 5)
    power = 10 ** (Waterfall(screen).receive(generator=generator(0, "noise")) / 10)
    assert float(power.mean()) == pytest.approx(1.0, abs=0.01)
    assert float(power.var()) == pytest.approx(1 / 5, rel=0.05)
    np.testing.assert_allclose(power.mean(1).numpy(), 1.0, atol=0.1)


@pytest.mark.parametrize("snr_db", [5.0, 25.0])
def test_masks_are_those_of_the_emitter_alone(snr_db: float) -> None:
    waterfall = Waterfall(SCREEN)
    waterfall.add(sent(), 2, snr_db, BANDWIDTH)
    power = columns(full_rate(sent(), snr_db))
    own = np.pad(power >= min(1.0, 10 ** (snr_db / 10 - 1)), 2)
    own = binary_closing(own, np.ones((3, 3)))[2:-2, 2:-2]
    mask = waterfall.mask().numpy()
    assert set(np.unique(mask)) == {0, 3}

    def share(a: np.ndarray) -> float:
        return float((a & (mask > 0)).sum() / (a | (mask > 0)).sum())

    assert share(own) > 0.98
    assert share(np.roll(own, 1, 0)) < 0.95
    assert share(np.roll(own, 1, 1)) < 0.95


def test_a_spur_is_one_tone_in_the_middle() -> None:
    waterfall = Waterfall(SCREEN)
    waterfall.add_spur(20.0)
    tone = np.ones(SCREEN.num_samples)
    slow = columns(tone)
    np.testing.assert_allclose(waterfall.noise_free().numpy(), slow * 100 / slow.max(), atol=1e-3)
    assert not waterfall.mask().any()


def test_a_response_is_that_of_the_paths() -> None:
    settings = {"delay_spread_s": 100e-9, "doppler_hz": 300.0}
    response = draw_response(SCREEN, PROFILES["TDL-A"], sample_rate_hz=20e6, **settings, generator=generator(3))
    rate = 20e6 / 64
    paths = draw_paths(
        PROFILES["TDL-A"], 1, SCREEN.num_windows, sample_rate_hz=rate, **settings, generator=generator(3)
    )
    gains = path_gains(paths, SCREEN.num_windows)[0].numpy()
    delays_s = np.array(PROFILES["TDL-A"].delays) * 100e-9
    slow = np.zeros((SCREEN.num_windows, 64), complex)
    for path, delay_s in enumerate(delays_s):
        for cell in range(64):
            slow[:, cell] += gains[path] * np.exp(-2j * np.pi * (cell - 32) * rate * delay_s)
    np.testing.assert_allclose(response.numpy(), slow, atol=1e-4)
    turned = frequency_response(path_gains(paths, SCREEN.num_windows), -paths.delays, torch.arange(64) - 32.0)
    with pytest.raises(AssertionError):  # delays of the other sign
        np.testing.assert_allclose(turned[0].numpy(), slow, atol=1e-4)
