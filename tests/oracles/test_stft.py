"""The short-time Fourier transform against SciPy's, and its inverse against the signal."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.signal import ShortTimeFFT
from torch import Tensor

from groundwave.errors import UnknownNameError
from groundwave.rng import generator
from groundwave.signal.spectrum import WINDOWS, istft, power_db, stft

SCIPY = {"hann": "hann", "hamming": "hamming", "blackman": "blackman", "rectangular": "boxcar"}


def signal(num: int = 600) -> Tensor:
    return torch.randn(2, num, dtype=torch.complex64, generator=generator(0, "stft"))


def scipys(x: Tensor, num_freqs: int, hop: int, window: str) -> np.ndarray:
    plan = ShortTimeFFT.from_window(
        SCIPY[window], 1.0, num_freqs, num_freqs - hop, fft_mode="centered", symmetric_win=False, phase_shift=None
    )
    taper = plan.win / np.sqrt((plan.win**2).sum())
    plan = ShortTimeFFT(taper, hop, 1.0, fft_mode="centered", phase_shift=None)
    num_frames = 1 + (x.shape[-1] - num_freqs) // hop
    return plan.stft(x.numpy(), 0, num_frames, k_offset=plan.m_num_mid, axis=-1)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("num_freqs", "hop"), [(64, 32), (64, 64), (32, 7), (20, 30)])
def test_it_is_scipys(window: str, num_freqs: int, hop: int) -> None:
    ours = stft(signal(), num_freqs, hop, window).numpy()
    np.testing.assert_allclose(ours, scipys(signal(), num_freqs, hop, window), atol=1e-5)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("num_freqs", "hop"), [(64, 32), (64, 16), (32, 7), (15, 4)])
def test_its_inverse_restores_the_signal(window: str, num_freqs: int, hop: int) -> None:
    spectra = stft(signal(), num_freqs, hop, window)
    back = istft(spectra, hop, window)
    assert back.shape[-1] == (spectra.shape[-1] - 1) * hop + num_freqs
    # The first and last samples are weighed by the faint ends of one window alone.
    inside = slice(hop, back.shape[-1] - hop)
    torch.testing.assert_close(back[:, inside], signal()[:, : back.shape[-1]][:, inside], atol=2e-4, rtol=1e-3)


def test_what_no_window_looked_at_is_zero() -> None:
    back = istft(stft(signal(), 16, 24), 24)
    assert (back[:, 16:24] == 0).all()
    torch.testing.assert_close(back[:, 4:12], signal()[:, 4:12], atol=1e-4, rtol=1e-3)


def symmetric(x: Tensor, num_freqs: int, hop: int) -> Tensor:
    taper = torch.hann_window(num_freqs, periodic=False)
    frames = x.unfold(-1, num_freqs, hop) * (taper / taper.square().sum().sqrt())
    return torch.fft.fftshift(torch.fft.fft(frames), dim=-1).transpose(-1, -2)


def not_shifted(x: Tensor, num_freqs: int, hop: int) -> Tensor:
    return torch.fft.ifftshift(stft(x, num_freqs, hop), dim=-2)


def of_the_amplitude(x: Tensor, num_freqs: int, hop: int) -> Tensor:
    taper = torch.hann_window(num_freqs)
    return stft(x, num_freqs, hop) * taper.square().sum().sqrt() / taper.sum()


@pytest.mark.parametrize("wrong", [symmetric, not_shifted, of_the_amplitude])
def test_a_wrong_twin_is_caught(wrong: Callable[[Tensor, int, int], Tensor]) -> None:
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(wrong(signal(), 64, 32).numpy(), scipys(signal(), 64, 32, "hann"), atol=1e-5)


def test_an_inverse_that_windows_once_is_caught() -> None:
    """Overlap-add without the second window, over the squares all the same."""
    spectra = stft(signal(), 64, 16)
    frames = torch.fft.ifft(torch.fft.ifftshift(spectra.transpose(-1, -2), dim=-1))
    twin = torch.zeros_like(istft(spectra, 16))
    squares = torch.zeros(twin.shape[-1])
    taper = torch.hann_window(64) / torch.hann_window(64).square().sum().sqrt()
    for t in range(spectra.shape[-1]):
        twin[:, 16 * t : 16 * t + 64] += frames[:, t]
        squares[16 * t : 16 * t + 64] += taper.square()
    with pytest.raises(AssertionError):
        torch.testing.assert_close((twin / squares)[:, 64:-64], istft(spectra, 16)[:, 64:-64], atol=1e-3, rtol=1e-3)


def test_white_noise_of_unit_power_is_at_zero_decibels() -> None:
    noise = torch.randn(200_000, dtype=torch.complex64, generator=generator(1, "stft"))
    for window in WINDOWS:
        power = 10 ** (power_db(stft(noise, 32, 32, window)) / 10)
        torch.testing.assert_close(power.mean(-1), torch.ones(32), atol=0.06, rtol=0)


def test_an_unknown_window_is_told() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'hann'"):
        stft(signal(), 16, 8, "han")
