"""The codec of the separate design: bits by hand, what comes back, and what does not."""

import pytest
import torch
from scipy.fft import dctn

from groundwave.rng import generator
from groundwave.semcom.pictures import WIDTH, ZonalCodec


def pictures(num: int, *shape: int) -> torch.Tensor:
    """Return smooth random pictures between 0 and 1."""
    x = torch.randn(num, *shape, generator=generator(0, "pictures"))
    smooth = x.cumsum(-1).cumsum(-2) if len(shape) > 1 else x.cumsum(-1)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


def test_bits_are_coefficients_times_width() -> None:
    codec = ZonalCodec.learned(pictures(20, 3, 8, 6))
    assert codec.bits(99.9) == 24 * WIDTH
    assert codec.bits(3) == 0
    assert codec.bits(1e9) == 3 * 8 * 6 * WIDTH


@pytest.mark.parametrize("shape", [(3, 8, 6), (8, 6)])
def test_more_bits_bring_pictures_nearer_and_none_brings_the_mean(shape: tuple[int, ...]) -> None:
    x = pictures(40, *shape)
    codec = ZonalCodec.learned(x)
    torch.testing.assert_close(codec.sent(x, 0), x.mean(0).expand_as(x), atol=1e-5, rtol=1e-4)
    errors = [float((codec.sent(x, budget) - x).square().mean()) for budget in (0, 20, 60, 1e9)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.05 * errors[0]
    assert float(codec.sent(x, 20).min()) >= float(x.min())


def test_the_coefficients_of_lowest_frequency_go_first() -> None:
    codec = ZonalCodec.learned(pictures(20, 2, 8, 8))
    first = codec.order[:6].tolist()
    assert set(first[:2]) == {0, 64}  # the mean of each channel
    assert set(first[2:]) == {1, 8, 65, 72}
    x = pictures(20, 2, 8, 8)
    known = dctn(codec.sent(x, 2 * WIDTH).numpy(), axes=(2, 3), norm="ortho") - codec.mean.numpy()
    assert abs(known.reshape(20, -1)[:, codec.order[10:].numpy()]).max() < 0.5 * abs(known[:, 0, 0, 0]).max()


def test_signals_come_back_as_signals() -> None:
    x = torch.complex(pictures(10, 64), pictures(10, 64).flip(0))
    back = ZonalCodec.learned(x).sent(x, 1e9)
    assert back.dtype == x.dtype
    torch.testing.assert_close(back, x, atol=0.15, rtol=0)
