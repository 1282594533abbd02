"""One channel's course shows in gain and phase together, and only there."""

import math

import torch
from torch import Tensor

from groundwave.audit.course import LOG_CHANCE, shared_course
from groundwave.rng import generator
from groundwave.signal.noise import noise_like

NUM = 600


def carriers(gain_db: Tensor, phase_rad: Tensor) -> Tensor:
    """Return carriers of that gain and phase in noise 20 dB below unit power."""
    sent = torch.polar(10 ** (gain_db / 20), phase_rad)[:, None].expand(-1, 256)
    return sent + 0.1 * noise_like(sent, generator=generator(0, "course"))


def chance(gain_db: Tensor, phase_rad: Tensor, group: Tensor) -> float:
    return shared_course(carriers(gain_db, phase_rad), torch.full((NUM,), 20.0), group).log_chance


def test_a_course_of_several_turns_is_found_though_its_phases_look_uniform() -> None:
    place = torch.rand(NUM, generator=generator(1))
    gain_db, phase_rad = 8 * place - 4, 4 * math.pi * place
    assert torch.polar(torch.ones(NUM), phase_rad).mean().abs() < 0.1
    assert chance(gain_db, phase_rad, torch.arange(NUM)) < LOG_CHANCE


def test_channels_of_their_own_are_not() -> None:
    place, phase = torch.rand((2, NUM), generator=generator(2))
    assert chance(8 * place - 4, 2 * math.pi * phase, torch.arange(NUM)) > LOG_CHANCE / 2


def test_many_windows_of_a_few_recordings_are_not() -> None:
    place, phase = torch.rand((2, 10), generator=generator(3))
    group = torch.arange(NUM) % 10
    gain_db, phase_rad = (8 * place - 4)[group], (2 * math.pi * phase)[group]
    assert chance(gain_db, phase_rad, group) > LOG_CHANCE
    assert chance(gain_db, phase_rad, torch.arange(NUM)) < LOG_CHANCE  # as if each window were a recording
