"""Bodies in motion: every activity stays on the floor, in one piece and smooth, and does what its name says."""

import pytest
import torch
from torch import Tensor

from groundwave.rng import generator
from groundwave.signal.gait import ACTIVITIES, Person, draw_habits
from groundwave.signal.skeleton import CROSS_SECTIONS, scatterers

RATE_HZ = 200
TIMES_S = torch.arange(0, 6 * RATE_HZ).float().div(RATE_HZ)
CHEST, HEAD, LEFT_HAND, RIGHT_HAND = range(4)
FEET = slice(6, 8)


def body(name: str, num: int = 6) -> tuple[Tensor, Person]:
    draw = generator(1, "people")
    habits = draw_habits(num, generator=draw)
    who = Person(**habits, phase=torch.rand(num, generator=draw), moment_s=torch.ones(num), radius_m=torch.ones(num))
    pose = ACTIVITIES[name](TIMES_S.expand(num, -1), who)
    return scatterers(pose, who.height_m, torch.zeros(num, 2), torch.rand(num, generator=draw)), who


@pytest.mark.parametrize("name", ACTIVITIES)
def test_a_body_stays_whole_smooth_and_on_the_floor(name: str) -> None:
    places, who = body(name)
    assert places.shape == (6, len(CROSS_SECTIONS), len(TIMES_S), 3)
    assert -0.12 < float(places[..., 2].min()) < 0.5
    assert float(places[..., 2].max()) < 2.6
    apart = (places[:, :, None] - places[:, None]).norm(dim=-1).amax((1, 2, 3))
    assert bool((apart < 1.45 * who.height_m).all())  # an arm above the head, at most
    assert float(places.diff(dim=2).norm(dim=-1).max()) * RATE_HZ < 16  # no jump from place to place


def speeds(name: str) -> Tensor:
    return body(name)[0].diff(dim=2).norm(dim=-1).mul(RATE_HZ).mean((0, 2))


def test_walking_and_running_go_on_at_their_speed() -> None:
    who = body("walk")[1]
    for name, speed in (("walk", 1.2), ("run", 2.5)):
        torch.testing.assert_close(speeds(name)[CHEST], (speed * who.pace).mean(), rtol=0.15, atol=0)
    assert float(speeds("stand").max()) < 0.02
    assert float(speeds("lie").max()) < 0.02


def test_hands_move_where_hands_work() -> None:
    for name in ("box", "circle", "clean"):
        assert bool((speeds(name)[LEFT_HAND : RIGHT_HAND + 1] > 0.5).all()), name
    waving = speeds("wave")
    assert float(waving[RIGHT_HAND]) > 0.5 > 50 * float(waving[LEFT_HAND]) * 0.5


@pytest.mark.parametrize(("name", "down"), [("fall", 1), ("sit-down", 1), ("stand-up", -1)])
def test_posture_changes_once(name: str, down: int) -> None:
    head = body(name)[0][:, HEAD, :, 2]
    assert bool((down * (head[:, 0] - head[:, -1]) > 0.3).all())
    torch.testing.assert_close(head[:, : RATE_HZ // 2].std(1), torch.zeros(6), atol=0.01, rtol=0)
    torch.testing.assert_close(head[:, -RATE_HZ:].std(1), torch.zeros(6), atol=0.01, rtol=0)


def test_a_chest_breathes() -> None:
    places, _ = body("lie")
    travel = places[:, CHEST].amax(1) - places[:, CHEST].amin(1)
    torch.testing.assert_close(travel[:, 2], torch.full((6,), 0.01), atol=2e-4, rtol=0)  # face down: upwards


def test_feet_take_turns() -> None:
    feet = body("walk")[0][:, FEET, :, 2]
    lifted = feet - feet.amin(2, keepdim=True)
    together = (lifted - lifted.mean(2, keepdim=True)).prod(1).mean(1)
    assert bool((together < 0).all())
