"""Front ends: one seed, one device; severity 0 is ideal; a batch of devices is what each would do alone."""

import dataclasses
import math

import pytest
import torch

from groundwave.errors import GroundwaveError
from groundwave.rng import generator
from groundwave.signal.frontend import FrontEnd, FrontEndDraw
from groundwave.signal.grades import GRADES

RATE, CARRIER, SAMPLES = 1e6, 2.4e9, 1024


def drawn(radios: FrontEnd, device: torch.Tensor, num_samples: int = SAMPLES, seed: int = 0) -> FrontEndDraw:
    chance = generator(seed, "draw")
    return radios.draw(device, num_samples, carrier_hz=CARRIER, sample_rate_hz=RATE, generator=chance)


def records(radios: FrontEnd, num_records: int, num_samples: int = SAMPLES, seed: int = 0) -> torch.Tensor:
    """Oversampled noise of unit power."""
    shape = (num_records, num_samples + radios.margin(num_samples, RATE) + 7)
    white = torch.randn(shape, dtype=torch.complex64, generator=generator(seed, "iq"))
    return 8**0.5 * torch.stack([white[:, k : k + shape[1] - 7] for k in range(8)]).mean(0)


def through(radios: FrontEnd, device: torch.Tensor, x: torch.Tensor, num_samples: int = SAMPLES) -> torch.Tensor:
    draw = drawn(radios, device, num_samples)
    return draw.digitise(draw.receive(draw.transmit(x)))


def same(a: FrontEnd, b: FrontEnd) -> bool:
    names = [f.name for f in dataclasses.fields(a) if f.name != "severity"]
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in names)


def test_severity_zero_is_the_identity():
    radios = FrontEnd.of(1, 3, severity=0.0)
    x = records(radios, 3)
    y = through(radios, torch.arange(3), x)
    cut = radios.margin(SAMPLES, RATE) // 2
    torch.testing.assert_close(y, x[:, cut : cut + SAMPLES], atol=0, rtol=0)
    assert not torch.equal(through(FrontEnd.of(1, 3, severity=0.5), torch.arange(3), x), y)


def residue(severity: float) -> float:
    """Error power left after the best constant gain and the carrier offset, over the signal's power."""
    radios = dataclasses.replace(FrontEnd.of(5, 16, severity=severity), wander_ppm=torch.zeros(16))
    radios = dataclasses.replace(radios, ppm=torch.zeros(16))
    x = records(radios, 16)
    y, cut = through(radios, torch.arange(16), x), radios.margin(SAMPLES, RATE) // 2
    x = x[:, cut : cut + SAMPLES]
    gain = (y * x.conj()).sum(1, keepdim=True) / x.abs().square().sum(1, keepdim=True)
    return float((y - gain * x).abs().square().mean())


def test_errors_grow_with_severity():
    errors = [residue(s) for s in (0.01, 0.1, 0.5, 1.0, 2.0)]
    assert errors == sorted(errors)
    assert errors[0] < 1e-5
    assert 1e-3 < errors[3] < 0.1


def test_a_seed_is_a_device():
    assert same(FrontEnd.of(1, 4), FrontEnd.of(1, 4))
    assert not same(FrontEnd.of(1, 4), FrontEnd.of(2, 4))
    assert same(FrontEnd.of(1, 4), FrontEnd.of(1, 100).pick(torch.arange(4)))
    assert len(FrontEnd.of(1, 100).ppm.unique()) == 100


def test_devices_differ_and_a_batch_is_what_each_does_alone():
    radios = FrontEnd.of(3, 5)
    x = records(radios, 1).expand(4, -1)
    draw = drawn(radios, torch.tensor([4, 0, 4, 2]))
    y = draw.transmit(x)
    torch.testing.assert_close(y[0], y[2])  # what a transmitter does is fixed
    assert float((y[0] - y[1]).abs().max()) > 1e-2
    alone = drawn(radios.pick(torch.tensor([2])), torch.tensor([0])).transmit(x[:1])
    torch.testing.assert_close(alone[0], y[3])


def test_same_draw_same_bytes_and_other_draws_differ():
    radios, device = FrontEnd.of(3, 5), torch.tensor([1, 1])
    a, b, c = drawn(radios, device), drawn(radios, device), drawn(radios, device, seed=1)
    torch.testing.assert_close(a.phase_rad, b.phase_rad, atol=0, rtol=0)
    assert not torch.equal(a.phase_rad, c.phase_rad)
    assert not torch.equal(a.phase_rad[0], a.phase_rad[1])


def test_carrier_and_sampling_clock_share_their_crystal():
    radios = FrontEnd.of(9, 8)
    draw = drawn(radios, torch.arange(8))
    turns = draw.phase_rad.diff(dim=1).remainder(2 * math.pi).add(math.pi).remainder(2 * math.pi) - math.pi
    torch.testing.assert_close(turns.mean(1) / (2 * math.pi), draw.ppm * 1e-6 * CARRIER / RATE, atol=2e-3, rtol=0)
    drift = (draw.delay[:, -100:].mean(1) - draw.delay[:, :100].mean(1)) / (SAMPLES - 100)
    torch.testing.assert_close(drift, draw.ppm * 1e-6, atol=2e-6, rtol=0)


@pytest.mark.parametrize("grade", GRADES)
def test_devices_lie_within_their_grade(grade):
    radios, ranges = FrontEnd.of(0, 2000, grade=grade), GRADES[grade]
    assert ranges.ppm[0] <= float(radios.ppm.min()) < 0.9 * ranges.ppm[0]
    bits = 1 - (radios.step / radios.full_scale).log2()
    torch.testing.assert_close(bits.round().unique(), torch.arange(ranges.bits[0], ranges.bits[1] + 1).float())
    leakage_db = 20 * radios.leakage.abs().log10()
    assert (
        ranges.leakage_db[0] - 0.01 <= float(leakage_db.min()) < float(leakage_db.max()) <= ranges.leakage_db[1] + 0.01
    )
    rejection_db = 20 * (radios.rx_mu.abs() / radios.rx_nu.abs()).log10()
    assert float(rejection_db.min()) > (25 if grade == "cheap" else 50)


def test_leakage_is_where_the_carrier_is():
    """Of silence only the leaking carrier remains, and the receiver sees it at the carrier offset."""
    radios = FrontEnd.of(11, 6)
    draw = drawn(radios, torch.arange(6))
    silence = torch.zeros_like(records(radios, 6))
    y = draw.receive(draw.transmit(silence))
    level_db = 10 * y.abs().square().mean(1).log10()
    torch.testing.assert_close(level_db, 20 * radios.leakage.abs().log10(), atol=2.5, rtol=0)  # 2 dB: ripple, imbalance
    assert float((10 * radios.leakage.abs().log10() - level_db).abs().max()) > 2.5  # power taken for amplitude
    peak = torch.fft.fftfreq(SAMPLES)[torch.fft.fft(y).abs().argmax(1)]
    torch.testing.assert_close(peak, draw.ppm * 1e-6 * CARRIER / RATE, atol=1.5 / SAMPLES, rtol=0)


def test_digitising_keeps_the_level_adds_the_offset_and_leaves_few_codes():
    radios = FrontEnd.of(2, 4)
    radios = dataclasses.replace(radios, step=radios.full_scale / 8, agc_error_db=torch.zeros(4))
    x = records(radios, 4)[:, :SAMPLES] * torch.tensor([0.01, 1.0, 30.0, 0.0])[:, None]
    y = drawn(radios, torch.arange(4)).digitise(x)
    power = lambda z: z.abs().square().mean(1)  # noqa: E731
    torch.testing.assert_close(power(y)[:3], power(x)[:3], rtol=0.1, atol=0)
    assert max(len(row.real.unique()) for row in y) <= 16
    assert y.isfinite().all()


def test_longer_records_need_a_larger_margin_and_come_out_whole():
    radios = FrontEnd.of(4, 3)
    for num_samples in (16, 1000, 300_000):
        x = records(radios, 3, num_samples)
        y = through(radios, torch.arange(3), x, num_samples)
        assert y.shape == (3, num_samples)
        assert y.isfinite().all()
    assert radios.margin(300_000, RATE) > radios.margin(1000, RATE)


def test_gradients_flow_through_the_whole_radio():
    radios = FrontEnd.of(6, 2)
    x = records(radios, 2).requires_grad_()
    through(radios, torch.arange(2), x).abs().square().sum().backward()
    assert x.grad.isfinite().all()
    assert float(x.grad.abs()[:, 20:-20].min()) >= 0
    assert float(x.grad.abs().mean()) > 0.1


@pytest.mark.parametrize("severity", [-1.0, math.nan, math.inf])
def test_senseless_severities_are_refused(severity):
    with pytest.raises(GroundwaveError, match="0 for ideal"):
        FrontEnd.of(0, severity=severity)


def test_unknown_grades_and_empty_fleets_are_refused():
    with pytest.raises(GroundwaveError, match="did you mean 'cheap'"):
        FrontEnd.of(0, grade="cheep")
    with pytest.raises(GroundwaveError, match="one device or more"):
        FrontEnd.of(0, 0)
