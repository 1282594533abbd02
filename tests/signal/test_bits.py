"""Bits, shift registers, and windows into bursts."""

import pytest
import torch

from groundwave.rng import generator
from groundwave.signal import bits, bursts


def test_bytes_are_uniform_and_as_many_as_asked():
    drawn = bits.draw_bytes(3, 100_001, generator=generator(0, "bytes"))
    assert drawn.shape == (3, 100_001)
    counts = drawn.flatten().bincount(minlength=256)
    assert (counts - 300_003 / 256).abs().max() < 6 * (300_003 / 256) ** 0.5
    assert bits.draw_bytes(0, generator=generator(0, "none")).shape == (0,)


def test_bytes_and_bits_go_both_ways():
    octets = torch.tensor([[1, 128], [0xA7, 0]], dtype=torch.uint8)
    unpacked = bits.to_bits(octets)
    assert unpacked[0].tolist() == [1, *[0] * 14, 1]
    torch.testing.assert_close(bits.to_bytes(unpacked), octets)


def test_bits_are_fair():
    drawn = bits.draw_bits(7, 10_001, generator=generator(0, "bits"))
    assert drawn.shape == (7, 10_001)
    assert set(drawn.unique().tolist()) == {0, 1}
    assert abs(float(drawn.float().mean()) - 0.5) < 0.01


@pytest.mark.parametrize(("taps", "order"), [((3, 7), 7), ((4, 7), 7), ((9, 11), 11), ((3, 10), 10)])
def test_primitive_registers_have_the_longest_period(taps, order):
    period = 2**order - 1
    sequence = bits.shift_register(taps, (1,) * order, 2 * period)
    assert (sequence[:period] == sequence[period:]).all()
    states = sequence.unfold(0, order, 1)[:period]
    assert len(states.unique(dim=0)) == period


def test_an_imprimitive_register_is_shorter():
    sequence = bits.shift_register((5, 10), (1,) * 10, 2046)
    assert len(sequence.unfold(0, 10, 1)[:1023].unique(dim=0)) < 1023


def test_cut_reads_each_row_from_its_start():
    x = torch.arange(20).reshape(2, 10)
    assert bursts.cut(x, torch.tensor([0, 7]), 3).tolist() == [[0, 1, 2], [17, 18, 19]]


def test_repeat_sends_bursts_in_turn_with_the_last_unit_between():
    sent = torch.tensor([[[1, 2, 9], [3, 4, 9]], [[5, 6, 8], [7, 7, 8]]])
    got = bursts.repeat(sent, torch.tensor([1, -2]), torch.tensor([4, 3]), 8)
    assert got[0].tolist() == [2, 9, 9, 3, 4, 9, 9, 1]
    assert got[1].tolist() == [7, 8, 5, 6, 8, 7, 7, 8]


@pytest.mark.parametrize(("length", "period"), [(1, 1), (5, 5), (5, 8), (5, 100), (40, 41)])
@pytest.mark.parametrize("num_samples", [1, 2, 10, 200])
def test_records_begin_where_they_hold_half_a_burst(length, period, num_samples):
    num = 4000
    start = bursts.draw_start(
        torch.full((num,), length), torch.full((num,), period), num_samples, generator=generator(0, "start")
    )
    on_air = (start[:, None] + torch.arange(num_samples)).remainder(period) < length
    assert on_air.sum(1).min() >= (min(length, num_samples) + 1) // 2
    assert ((start >= 0) & (start < period)).all()
    held = [
        s
        for s in range(period)
        if sum((s + n) % period < length for n in range(num_samples)) >= (min(length, num_samples) + 1) // 2
    ]
    assert set(start.tolist()) <= set(held)
    assert len(start.unique()) > 0.9 * len(held)  # and nearly all such starts are drawn
