"""Statistics of motion against sums written out, and against motions whose Doppler shift is known."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from groundwave.errors import ContractError
from groundwave.signal.motion import (
    NUM_BANDS,
    cross_changes,
    doppler_spectra,
    level_changes,
    level_profile,
    motion_statistics,
)

Complex = NDArray[np.complex128]


def gains(batch: int = 2, antennas: int = 3, packets: int = 60, seed: int = 0) -> torch.Tensor:
    """Return gains that wander, some about a strong mean."""
    draw = torch.Generator().manual_seed(seed)
    walk = torch.randn(batch, antennas, 5, packets, generator=draw, dtype=torch.complex64).cumsum(-1)
    return walk + 3 * torch.randn(batch, antennas, 5, 1, generator=draw, dtype=torch.complex64)


def edges(num_bins: int) -> list[int]:
    return sorted({0, *(round(num_bins ** (k / NUM_BANDS)) for k in range(NUM_BANDS + 1))})


def slow_spectra(changes: Complex, share: float, wrong: str = "") -> NDArray[np.float64]:
    """Return the powers of one record by sums over antennas, subcarriers, packets and bins."""
    packets = changes.shape[-1]
    length = max(4, round(packets * share))
    window = [0.5 - 0.5 * np.cos(2 * np.pi * (n + 1) / (length + 1)) for n in range(length)]
    bins = range(length // 2 + 1)
    frames = []
    for start in range(0, packets - length + 1, max(1, length // 4)):
        power = np.zeros(length)
        for gain in changes.reshape(-1, packets):
            for k in range(length):
                turn = np.exp(-2j * np.pi * k * np.arange(length) / length)
                power[k] += abs(sum(gain[start + n] * window[n] * turn[n] for n in range(length))) ** 2
        power /= length * changes.shape[0] * changes.shape[1]
        either = [power[k] if wrong == "one sign" else (power[k] + power[-k % length]) / 2 for k in bins]
        borders = edges(len(either))
        frames.append([np.mean(either[a:b]) for a, b in pairwise(borders)])
    return np.array(frames)


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_spectra_are_the_sums_written_out(share: float) -> None:
    changes = cross_changes(gains())
    fast = doppler_spectra(changes, share)
    rows = changes.numpy().astype(np.complex128)
    twin, wrong = (np.stack([slow_spectra(row, share, which) for row in rows]) for which in ("", "one sign"))
    np.testing.assert_allclose(fast.numpy(), twin, rtol=1e-4)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(fast.numpy(), wrong, rtol=1e-4)


@pytest.mark.parametrize("shift", [0.05, -0.05, 0.2, 0.45])
def test_a_path_that_changes_at_one_rate_lies_in_the_band_of_its_doppler_shift(shift: float) -> None:
    packet = torch.arange(200)
    moving = 0.2 * torch.exp(2j * torch.pi * shift * packet)
    csi = torch.stack([1 + moving, 0.7 + moving * 1j], dim=0)[None, :, None].expand(1, 2, 4, 200)
    borders = edges(41)  # a window of 80 packets has bins 0 to 40
    band = sum(abs(shift) * 80 >= b for b in borders[1:])
    for changes in (level_changes(csi), cross_changes(csi)):
        found = doppler_spectra(changes, 0.4).mean(dim=(0, 1)).argmax()
        assert abs(int(found) - band) <= 1  # the Hann window is two bins wide
        assert int(found) > 0


def test_gain_control_oscillators_and_detection_delays_change_nothing() -> None:
    csi = gains()
    draw = torch.Generator().manual_seed(1)
    level, phase, delay = (torch.rand(2, 1, 1, 60, generator=draw) for _ in range(3))
    ramp = torch.arange(5)[:, None] * delay
    received = csi * (0.5 + level) * torch.exp(6j * (phase + ramp))
    torch.testing.assert_close(level_changes(received), level_changes(csi), atol=1e-3, rtol=1e-3)
    steady = received / (0.5 + level)  # products keep what the gain control did
    torch.testing.assert_close(cross_changes(steady), cross_changes(csi), atol=1e-4, rtol=1e-3)


def test_a_room_at_rest_is_in_the_profile_and_not_in_the_motion() -> None:
    still = gains()[..., :1].expand(-1, -1, -1, 60)
    assert level_changes(still).abs().max() < 1e-4
    assert level_profile(still).std(dim=1).min() > 1
    assert motion_statistics(still).isfinite().all()


def test_magnitudes_of_one_antenna_will_do_and_too_few_packets_will_not() -> None:
    magnitudes = gains(antennas=1).abs().to(torch.complex64)
    several = motion_statistics(gains())
    assert motion_statistics(magnitudes).shape[1] < several.shape[1]
    assert several.isfinite().all()
    with pytest.raises(ContractError, match="at least 40"):
        motion_statistics(gains(packets=39))
