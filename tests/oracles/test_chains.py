"""Patterns in time: their statistics against closed forms, their forecasts against many draws. Each catches a lie."""

import numpy as np
import pytest
import torch

from groundwave.rng import generator
from groundwave.scenes.chains import PATTERNS, SILENT, Chain, Chains, geometric, renewal, slotted


def played(chain: Chain, num: int, seed: int = 1, copies: int = 1) -> np.ndarray:
    """Return the channels `[copies, num]` that copies of a chain are on."""
    chains = Chains.of([chain] * copies)
    states = chains.draw(num, warm_up=200, generator=generator(seed, "chain"))
    return chains.channel.gather(1, states).numpy()


def runs(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lengths of whole runs of True and of False in rows."""
    found: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for on in rows:
        edges = np.diff(on.astype(int)).nonzero()[0]
        lengths, kinds = np.diff(edges), on[edges[:-1] + 1]
        found[0].append(lengths[kinds])
        found[1].append(lengths[~kinds])
    return np.concatenate(found[0]), np.concatenate(found[1])


def test_a_frame_repeats_slot_by_slot() -> None:
    x = played(slotted([0, SILENT, 2, 1], [3, 4, 5, 3], 1.0), 150)[0]
    np.testing.assert_array_equal(x[15:], x[:-15])
    period = np.repeat([0, SILENT, 2, 1], [3, 4, 5, 3])
    assert any((np.roll(period, k) == x[:15]).all() for k in range(15))


def test_slots_are_left_out_whole_and_as_often_as_asked() -> None:
    x = played(slotted([0, SILENT], [4, 6], 0.7), 1000, copies=40)
    on, off = runs(x == 0)
    assert set(on) == {4}
    assert set(off) <= {6 + 10 * k for k in range(20)}
    assert (x == 0).mean() == pytest.approx(0.4 * 0.7, abs=0.01)


def test_bursts_have_no_memory_beyond_the_shortest_silence() -> None:
    on, off = runs(played(geometric(6.0, 10.0), 4000, copies=50) == 0)
    assert on.mean() == pytest.approx(6.0, rel=0.05)
    assert off.min() == 3
    assert (off - 2).mean() == pytest.approx(10.0, rel=0.05)
    assert (off - 2).std() == pytest.approx(np.sqrt(10.0 * 9.0), rel=0.05)  # a geometric law's


def test_silences_between_packets_are_uniform() -> None:
    on, off = runs(played(renewal(5, 4, 11), 4000, copies=50) == 0)
    assert set(on) == {5}
    assert (off.min(), off.max()) == (4, 11)
    shares = np.bincount(off, minlength=12)[4:] / len(off)
    np.testing.assert_allclose(shares, 1 / 8, atol=0.01)


@pytest.mark.parametrize("name", PATTERNS)
def test_forecasts_are_the_shares_of_many_futures(name: str) -> None:
    chain = PATTERNS[name](generator(3, name))
    copies, num = 4000, 40
    chains = Chains.of([chain] * copies)
    state = int(chains.draw(1, warm_up=50, generator=generator(4))[0, 0])
    forecast = Chains.of([chain]).forecast(torch.tensor([state]), num, chain.num_channels)[0].numpy()
    seen = np.zeros((num, chain.num_channels))
    successors, chance = chain.successors.numpy(), chain.chance.numpy()
    rng, now = np.random.default_rng(5), np.full(copies, state)
    for slot in range(num):  # step by step, with other random numbers
        now = np.where(rng.random(copies) < chance[now], successors[now, 0], successors[now, 1])
        for channel in range(chain.num_channels):
            seen[slot, channel] = (chain.channel.numpy()[now] == channel).mean()
    np.testing.assert_allclose(forecast, seen, atol=0.04)
    with pytest.raises(AssertionError):  # a slot late
        np.testing.assert_allclose(forecast[:-1], seen[1:], atol=0.04)


@pytest.mark.parametrize("name", PATTERNS)
def test_no_silence_is_too_short_for_a_mask(name: str) -> None:
    for seed in range(10):
        chain = PATTERNS[name](generator(seed, name))
        x = played(chain, 400, seed, copies=8)
        for channel in range(chain.num_channels):
            _, off = runs(x == channel)
            assert off.min() >= 3
