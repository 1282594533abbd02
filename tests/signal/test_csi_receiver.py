"""Faults of WiFi cards: as large as they say, shared as they should be, undone by knowing them."""

import pytest
import torch

from groundwave.rng import generator
from groundwave.signal.csi_receiver import apply_faults, draw_chains, draw_faults, hold_lost, quantise_packets

OFFSETS_HZ = torch.linspace(-8.75e6, 8.75e6, 30)
TIMES_S = torch.arange(400).expand(3, -1) / 50.0


def draw(severity: float = 1.0) -> tuple[torch.Tensor, ...]:
    chains = draw_chains(3, 2, severity=severity, generator=generator(0, "chains"))
    faults = draw_faults(TIMES_S, chains, severity=severity, generator=generator(0, "faults"))
    return faults, apply_faults(torch.ones(3, 2, 30, 400, dtype=torch.complex64), OFFSETS_HZ, faults)


def test_without_severity_nothing_happens() -> None:
    _, csi = draw(0.0)
    torch.testing.assert_close(csi, torch.ones_like(csi))


def test_each_fault_shows_where_it_is_made() -> None:
    faults, csi = draw()
    level_db = 20 * csi.abs().log10()
    torch.testing.assert_close(level_db.std(2), torch.zeros(3, 2, 400), atol=1e-4, rtol=0)  # no ripple
    torch.testing.assert_close(
        (level_db - faults.gain_db[:, None, None]).std(-1), torch.zeros(3, 2, 30), atol=1e-4, rtol=0
    )
    slope = (csi[:, :, 1:] * csi[:, :, :-1].conj()).angle() / (2 * torch.pi * float(OFFSETS_HZ.diff()[0]))
    torch.testing.assert_close(slope, -faults.delay_s[:, None, None].expand_as(slope), atol=1e-11, rtol=0)
    ratio = csi[:, 0] / csi[:, 1]  # what two chains share falls out: the reason why people divide them
    expected = (faults.chains[:, 0] / faults.chains[:, 1])[:, None, None].expand_as(ratio)
    torch.testing.assert_close(ratio, expected, rtol=1e-4, atol=1e-4)


def test_gains_come_in_steps_and_stay() -> None:
    faults, _ = draw()
    steps = faults.gain_db.diff(dim=-1)
    torch.testing.assert_close(faults.gain_db, faults.gain_db.round())
    assert 0 < int((steps != 0).sum()) < 0.1 * steps.numel()
    assert float(faults.gain_db.abs().max()) <= 3
    assert float(faults.phase_rad.abs().max()) > 3  # uniform over the circle
    assert 10e-9 < float(faults.delay_s.diff(dim=-1).std()) < 200e-9


@pytest.mark.parametrize("bits", [6, 8])
def test_numbers_have_so_many_bits(bits: int) -> None:
    csi = torch.randn((2, 3, 30, 50), dtype=torch.complex64, generator=generator(0, "q")) * 1e-3
    out = torch.view_as_real(quantise_packets(csi, bits))
    largest = 1.5 * torch.view_as_real(csi).abs().flatten(1).amax(1)
    codes = out / (largest * 2 ** (1 - bits)).reshape(-1, 1, 1, 1, 1)
    torch.testing.assert_close(codes, codes.round(), atol=1e-3, rtol=0)
    assert 0.5 * 2 ** (bits - 1) < float(codes.abs().max()) <= 2 ** (bits - 1)
    torch.testing.assert_close(quantise_packets(torch.zeros_like(csi), bits), torch.zeros_like(csi))


def test_the_nearest_packet_stands_in_for_a_lost_one() -> None:
    csi = torch.arange(8.0).to(torch.complex64).expand(1, 2, 3, 8)
    lost = torch.tensor([[0, 1, 1, 1, 1, 0, 0, 1]], dtype=torch.bool)
    assert hold_lost(csi, lost)[0, 1, 2].real.tolist() == [0, 0, 0, 5, 5, 5, 6, 6]
    lost = torch.tensor([[1, 1, 0, 1, 0, 1, 1, 1]], dtype=torch.bool)
    assert hold_lost(csi, lost)[0, 1, 2].real.tolist() == [2, 2, 2, 2, 4, 4, 4, 4]
