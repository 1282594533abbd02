"""Filter ripple against its bounds and the slow convolution."""

import numpy as np
import pytest
import torch

from groundwave.rng import generator
from groundwave.signal import ripple

RIPPLE_DB = torch.tensor([0.1, 0.5, 2.0]).repeat_interleave(200)


def taps() -> torch.Tensor:
    return ripple.draw_ripple(RIPPLE_DB, generator=generator(0, "ripple"))


def gain_db(taps: torch.Tensor) -> torch.Tensor:
    return 20 * torch.fft.fft(taps, 512).abs().log10()


def test_ripple_stays_below_its_peak_and_comes_near_it():
    gain = gain_db(taps())
    assert bool((gain.amax(1) <= RIPPLE_DB + 1e-3).all())
    assert bool((gain.amin(1) >= 20 * (2 - 10 ** (RIPPLE_DB / 20)).log10() - 1e-3).all())
    assert float((gain.amax(1) / RIPPLE_DB).mean()) > 0.6
    echoes = taps()
    echoes[:, 3] *= 4  # one echo too strong
    assert not bool((gain_db(echoes).amax(1) <= RIPPLE_DB + 1e-3).all())


def test_filtering_is_the_convolution_of_each_record_with_its_taps():
    x = torch.randn((3, 50), dtype=torch.complex64, generator=generator(1, "ripple"))
    h = taps()[[0, 250, 450]]
    y = ripple.apply_ripple(x, h)
    expected = np.stack([np.convolve(x[row].numpy(), h[row].numpy(), "valid") for row in range(3)])
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-5)
    with np.testing.assert_raises(AssertionError):  # taps in reverse order
        np.testing.assert_allclose(ripple.apply_ripple(x, h.flip(-1)).numpy(), expected, atol=1e-5)


def test_no_ripple_is_a_delay():
    x = torch.randn((1, 50), dtype=torch.complex64, generator=generator(2, "ripple"))
    h = ripple.draw_ripple(torch.zeros(1), generator=generator(3, "ripple"))
    torch.testing.assert_close(ripple.apply_ripple(x, h), x[:, 2:-2], atol=0, rtol=0)


@pytest.mark.parametrize("num_echoes", [2, 4, 8])
def test_group_delay_ripples_with_the_gain(num_echoes):
    h = ripple.draw_ripple(torch.full((50,), 1.0), num_echoes, generator=generator(4, "ripple"))
    assert h.shape == (50, num_echoes + 1)
    n = torch.arange(num_echoes + 1) - num_echoes / 2
    response = torch.fft.fft(h, 512)
    group_delay = (torch.fft.fft(h * n, 512) / response).real  # about the centre tap
    largest = (10 ** (1 / 20) - 1) * num_echoes / 2 / (2 - 10 ** (1 / 20))
    assert 0.01 < float(group_delay.abs().max()) <= largest
