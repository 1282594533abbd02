"""Cyclic moments against sums written out, and against what they must not depend on."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from groundwave.errors import ContractError
from groundwave.nn.cyclic import CyclicMoments
from groundwave.scenes.air import Air
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.signal.cyclic import cyclic_moments

Array = NDArray[np.float64]


def line(y: NDArray[np.complex128], band: int) -> float:
    """Return the height of a spectral line, band by band for records of 128 samples at most."""
    return abs(sum(value * np.exp(-2j * np.pi * band * n / 128) for n, value in enumerate(y))) / len(y)


def slow(signal: NDArray[np.complex128], scale: int, lags: tuple[int, ...], wrong: str = "") -> Array:
    """Return the moments of one record at one scale."""
    window = [np.sin(np.pi * (n + 1) / (scale + 1)) ** 2 for n in range(scale)]
    y = np.array([np.dot(window, signal[n : n + scale]) / sum(window) for n in range(len(signal) - scale + 1)])
    y = y / np.sqrt(np.mean(np.abs(y) ** 2))
    found: list[float] = []

    def low(z: NDArray[np.complex128]) -> list[float]:
        return [(line(z, band) + line(z, -band)) / 2 for band in range(20)]

    for lag in lags:
        d = np.array([y[n + lag] * (y[n] if wrong == "conjugate" else y[n].conj()) for n in range(len(y) - lag)])
        size = np.abs(d)
        for p in (1, 2, 4):
            found += low(np.sqrt(size) * (d / (size + 0.01)) ** p)
    power = np.abs(y) ** 2
    found += low(power - (0 if wrong == "mean" else power.mean()))
    for p in (1, 2, 4):
        found += sorted((line(y**p, band) for band in range(128)), reverse=True)[:16]
    found += [float(np.mean(power**2)), float(np.mean(power**3))]
    return np.log(np.array(found) + 0.01)


def records(seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 96, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("scale", [1, 4, 8])
def test_moments_are_the_sums_written_out(scale: int) -> None:
    iq, lags = records(), (1, 8)
    fast = cyclic_moments(iq, (scale,), lags)
    twin = np.stack([slow(row, scale, lags) for row in iq.numpy().astype(np.complex128)])
    np.testing.assert_allclose(fast.numpy(), twin, atol=2e-3)
    for wrong in ("conjugate", "mean"):
        other = np.stack([slow(row, scale, lags, wrong) for row in iq.numpy().astype(np.complex128)])
        assert np.abs(fast.numpy() - other).max() > 0.1


def test_phase_level_and_a_carrier_offset_of_whole_bands_change_nothing() -> None:
    iq = records()
    turned = 3 * iq * torch.exp(1j * (0.7 + 2 * torch.pi * 5 / 128 * torch.arange(96)))
    one, other = (cyclic_moments(x, (1,)) for x in (iq, turned))
    torch.testing.assert_close(one, other, atol=2e-3, rtol=0)


def test_symbols_draw_a_line_at_their_rate_and_four_phases_one_at_none() -> None:
    found = {}
    for name in ("QPSK", "8PSK"):
        air, stream = Air(samples_per_symbol=8), torch.Generator().manual_seed(0)
        iq = WAVEFORMS[name](64, 1024, air, stream)
        found[name] = cyclic_moments(iq, (1,), (8,)).exp().mean(dim=0).reshape(-1)
    first, fourth = slice(0, 20), slice(40, 60)
    for lines in found.values():
        envelope = lines[60:80]
        assert envelope[1:].argmax() + 1 == 16, "eight samples per symbol are band 16 of 128"
        assert lines[first].isfinite().all()
    assert found["QPSK"][fourth][0] > 3 * found["8PSK"][fourth][0]


def test_the_number_of_features_is_that_promised_for_any_channels_and_length() -> None:
    for num_channels in (1, 2, 4):
        network = CyclicMoments(num_channels)
        for num_samples in (25, 128, 1000):
            assert network(torch.randn(2, num_channels, num_samples)).shape == (2, network.num_features)


def test_a_record_too_short_for_the_longest_lag_is_refused() -> None:
    with pytest.raises(ContractError, match="at least 25"):
        cyclic_moments(torch.randn(2, 24, dtype=torch.complex64))
