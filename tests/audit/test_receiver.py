"""What a receiver leaves in all records is measured and taken off, and is no course of a channel."""

from dataclasses import replace

import planted
import pytest
import torch
from torch import Tensor

from groundwave.audit import CHECKS, Sample, course, draw_sample
from groundwave.audit.receiver import corrected, receivers, shared_dc
from groundwave.data.sources import SceneSource
from groundwave.rng import generator
from groundwave.scenes import SCENES
from groundwave.scenes.domain import Domain
from groundwave.signal.mixer import add_offset, apply_imbalance, offset, receive_imbalance
from groundwave.signal.noise import unit_power

PULSED = ("Pulse", "Barker13", "LFM-pulse", "ADS-B", "BPSK", "QPSK", "NBFM", "AM-DSB")


def scene(num: int, **settings: object) -> Sample:
    made = SCENES["modulations"](classes=PULSED, num_samples=256, seed=4, **settings)
    return draw_sample(SceneSource(made, num), most=num, seed=0)


def received(sample: Sample, device: Tensor) -> Sample:
    """Pass records through the mixers of cheap radios, and add their DC after the gain control."""
    gain, phase, level, turn = torch.rand(4, int(device.max()) + 1, generator=generator(5, "radios"))
    mixed = apply_imbalance(sample.iq, *(part[device] for part in receive_imbalance(gain - 0.5, 6 * phase - 3)))
    return replace(sample, iq=add_offset(mixed, offset(25 * level - 50, 2 * torch.pi * turn)[device]))


def alarms(sample: Sample) -> list[str]:
    return [finding.evidence for check in ("channel", "course") for finding in CHECKS[check](sample).findings]


@pytest.fixture(scope="module")
def sound() -> Sample:
    return scene(2000)


@pytest.mark.parametrize("num_devices", [1, 20])
def test_dc_and_image_of_radios_are_no_channel(sound: Sample, num_devices: int) -> None:
    device = torch.arange(len(sound)) % num_devices
    assert not alarms(replace(received(sound, device), group=device))


def test_pulses_that_pass_whole_radios_are_no_channel() -> None:
    assert not alarms(scene(2000, domain=Domain(num_devices=20)))


@pytest.mark.parametrize("image", [0.06, 0.18])
def test_an_image_is_no_course_but_would_be_if_it_were_left(
    sound: Sample, image: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored = replace(sound, iq=sound.iq + image / 2 * torch.exp(torch.tensor(2j)) * sound.iq.conj())
    assert not alarms(mirrored)
    if image > 0.1:
        monkeypatch.setattr(course, "corrected", lambda sample, rows: sample.unit(rows))
        assert CHECKS["course"](mirrored).findings


@pytest.mark.parametrize("constant", [True, False], ids=["constant in the file", "relative to the record"])
def test_dc_is_taken_off_in_the_scale_that_it_is_constant_in(constant: bool) -> None:
    record = planted.records(kinds=("qpsk", "gauss", "gauss"))
    level = 10 ** (-torch.rand(len(record["iq"]), generator=generator(6)))
    dc = 0.2 * torch.exp(torch.tensor(1j))
    clean = unit_power(record["iq"]) * level[:, None]
    planted_dc = (dc if constant else dc * level).expand(len(level))
    found = shared_dc(clean + planted_dc[:, None], record["label"])
    torch.testing.assert_close(found / planted_dc, torch.ones_like(found), atol=0.1, rtol=0)


def test_dc_and_image_are_those_that_were_planted() -> None:
    record = planted.records(kinds=("qpsk", "gauss", "gauss"))
    clean = unit_power(record["iq"])
    sample = planted.sample({**record, "iq": clean + 0.08j * clean.conj() + 0.2})
    left = corrected(sample, torch.arange(len(sample))) - clean
    torch.testing.assert_close(left.abs().square().mean().sqrt(), torch.tensor(0.0), atol=0.03, rtol=0)


def test_a_group_of_few_classes_has_no_receiver_of_its_own() -> None:
    group, label = torch.tensor([3] * 5 + [4] * 5 + [-1] * 5), torch.tensor([*range(5), *[0] * 5, *range(5)])
    assert receivers(group, label).tolist() == [3] * 5 + [-1] * 10
