"""Views on a GPU: whatever is drawn is drawn where the generator lives, and meets the record on the record's device.

No GPU is needed: see `tests/fake/devices.py`.
"""

import pytest
import torch
from fake.devices import Watch

from groundwave.rng import generator
from groundwave.signal.impair import draw_walk
from groundwave.signal.noise import noise_like
from groundwave.views import VIEWS, Gain, Rotate

ARGUMENTS = {"crop": {"num_samples": 50}, "compose": {"views": [Rotate(), Gain()]}}
MADE = {name: make(**ARGUMENTS.get(name, {})) for name, make in VIEWS.items()}


def record(device: str, antennas: int = 0) -> dict[str, torch.Tensor]:
    shape = (8, antennas, 200) if antennas else (8, 200)
    iq = torch.ones(shape, dtype=torch.complex64, device=device)
    return {"iq": iq, "snr_db": torch.zeros(8, device=device)}


@pytest.mark.parametrize("name", MADE)
def test_views_draw_on_the_generators_device(name: str) -> None:
    draw = generator(0, name)
    with Watch() as watch:
        MADE[name](record("cpu"), draw)
    assert set(watch.drawn) <= {draw.device}
    assert watch.drawn or name == "normalise"


@pytest.mark.parametrize("antennas", [0, 3])
@pytest.mark.parametrize("name", MADE)
def test_nothing_of_a_view_stays_on_the_processor(name: str, antennas: int) -> None:
    given = record("meta", antennas)
    with Watch(elsewhere="meta"):
        out = MADE[name](given, generator(0, name))
    assert {tensor.device.type for tensor in out.values()} == {"meta"}
    assert out["iq"].shape[:-1] == given["iq"].shape[:-1]


def test_the_physics_below_draws_there_too() -> None:
    draw = generator(0, "physics")
    with Watch() as watch:
        noise_like(torch.ones(2, 5, dtype=torch.complex64), generator=draw)
        draw_walk(torch.zeros(2), 5, 0.1, 1.0, generator=draw)
    assert watch.drawn == [draw.device] * 2


def test_a_draw_that_names_no_device_is_caught() -> None:
    with Watch() as watch:
        torch.rand(3, generator=generator(0, "wrong"))
    assert watch.drawn == [None]
    with Watch(elsewhere="meta"), pytest.raises(RuntimeError, match="device"):
        record("meta")["iq"][:, torch.arange(200)] * torch.arange(200.0)
