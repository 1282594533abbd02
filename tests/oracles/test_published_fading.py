"""The gains of RadioML 2016.10a against GNU Radio 3.7's fader written sample by sample, with a Mersenne twister."""

import cmath
import math

import pytest
import torch

from groundwave.scenes.channel import CLEAR, RECIPE
from groundwave.scenes.published_fading import published_gains


def twister(seed: int):
    """Yield MT19937's words (Matsumoto and Nishimura, 1998)."""
    state = [seed]
    for i in range(1, 624):
        state.append((1812433253 * (state[-1] ^ (state[-1] >> 30)) + i) % 2**32)
    while True:
        for i in range(624):
            y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7FFFFFFF)
            state[i] = state[(i + 397) % 624] ^ (y >> 1) ^ (0x9908B0DF if y & 1 else 0)
        for word in state:
            word ^= word >> 11
            word ^= (word << 7) & 0x9D2C5680
            word ^= (word << 15) & 0xEFC60000
            yield word ^ (word >> 18)


def test_the_twister_has_its_published_words():
    words = twister(5489)
    assert next(words) == 3499211612
    assert [next(words) for _ in range(9_999)][-1] == 4123659995  # what the C++ standard demands of the 10000th


def fader(seed: int, doppler: float, rician_k: float | None, moments: list[int], power: float = 2.0) -> list[complex]:
    words = twister(seed)
    angle = [next(words) / 2**32 * 2 * math.pi - math.pi for _ in range(20)]
    theta, theta_los = angle[:2]
    psi, phi = angle[2::2], angle[3::2]
    gains = []
    for m in moments:
        turn = 2 * math.pi * doppler * m
        h = 0j
        for n in range(1, 8):
            alpha = (2 * math.pi * n - math.pi + theta) / 32
            h += math.cos(turn * math.cos(alpha) + psi[n + 1]) + 1j * math.cos(turn * math.sin(alpha) + phi[n + 1])
        h *= math.sqrt(power / 8)
        if rician_k is not None:
            sight = cmath.exp(1j * (turn * math.cos(theta_los) + psi[0]))
            h = h / math.sqrt(rician_k + 1) + sight * math.sqrt(rician_k) / math.sqrt(rician_k + 1)
        gains.append(h)
    return gains


@pytest.mark.parametrize("path", [0, 1, 2])
def test_gains_are_those_of_the_fader_at_the_published_seed(path):
    moments = [0, 1, 20_000, 80_000]
    ours = published_gains(RECIPE, 80_001)[0, path, moments]
    k, amplitude = (4.0 if path == 0 else None), RECIPE.path_gains[path]

    def theirs(seed: int, power: float) -> torch.Tensor:
        return amplitude * torch.tensor(fader(seed + path, RECIPE.doppler, k, moments, power))

    torch.testing.assert_close(ours, theirs(0x1337, 2.0), atol=1e-5, rtol=1e-5)
    for seed, power in ((0x1338, 2.0), (0x1337, 1.0)):
        with pytest.raises(AssertionError):
            torch.testing.assert_close(ours, theirs(seed, power), atol=1e-3, rtol=1e-3)


def test_a_clear_channel_turns_and_nothing_else():
    gains = published_gains(CLEAR, 100)
    torch.testing.assert_close(gains.abs(), torch.ones(1, 1, 100), atol=1e-4, rtol=0)
    torch.testing.assert_close(gains, gains[..., :1].expand_as(gains))
