"""Views of pictures: seeded, batched, never in place, alike in both modalities where they should be."""

import math
from typing import Any

import pytest
import torch
from fake.devices import Watch

from groundwave.contracts import Record, View
from groundwave.errors import GroundwaveError
from groundwave.rng import generator
from groundwave.views import (
    ANSWERS,
    PICTURE_VIEWS,
    AddColourNoise,
    AddDepthNoise,
    ColourJitter,
    CropPicture,
    FlipPicture,
    ScaleDepth,
)
from groundwave.views.picture import _turned

MADE: dict[str, View] = {name: make() for name, make in PICTURE_VIEWS.items()}
NUM = 200


def record(num: int = NUM) -> Record:
    rgb = torch.rand(num, 3, 8, 12, generator=generator(0, "rgb"))
    return {"rgb": rgb, "depth": 1 + 4 * rgb.mean(1, keepdim=True), "label": torch.arange(num)}


@pytest.mark.parametrize("name", MADE)
def test_every_view_is_seeded_batched_and_never_in_place(name: str) -> None:
    view, before = MADE[name], record()
    kept = {key: values.clone() for key, values in before.items()}
    out, same, other = (view(before, generator(seed, name)) for seed in (1, 1, 2))
    assert isinstance(view, View)
    assert view.keeps | view.maps | view.destroys == ANSWERS
    for key in before:
        torch.testing.assert_close(before[key], kept[key], rtol=0, atol=0)
        torch.testing.assert_close(out[key], same[key], rtol=0, atol=0)
        assert out[key].shape == before[key].shape
    changed = [key for key in ("rgb", "depth") if not torch.equal(out[key], before[key])]
    assert changed
    assert any(not torch.equal(out[key], other[key]) for key in changed)
    assert 0 <= float(out["rgb"].min()) <= float(out["rgb"].max()) <= 1
    assert float(out["depth"].min()) > 0


@pytest.mark.parametrize("name", MADE)
def test_views_draw_on_the_generators_device_and_work_on_the_records(name: str) -> None:
    draw, given = generator(0, name), record(8)
    with Watch() as watch:
        MADE[name](given, draw)
    assert set(watch.drawn) == {draw.device}
    meta = {key: values.to("meta") for key, values in given.items()}
    with Watch(elsewhere="meta"):
        out = MADE[name](meta, generator(0, name))
    assert {values.device.type for values in out.values()} == {"meta"}


@pytest.mark.parametrize("view", [CropPicture((0.3, 0.9)), FlipPicture()])
def test_both_modalities_are_moved_alike_or_one_alone(view: Any) -> None:
    ramp = torch.linspace(0.1, 0.9, 32).expand(NUM, 1, 32, 32).contiguous()
    given = {"rgb": ramp.expand(-1, 3, -1, -1), "depth": ramp}
    out = view(given, generator(0, "alike"))
    torch.testing.assert_close(out["rgb"][:, :1], out["depth"], atol=0.02, rtol=0)  # nearest, against straight lines
    alone = type(view)(modalities=("depth",))(given, generator(0, "alike"))
    assert alone["rgb"] is given["rgb"]
    assert not torch.equal(alone["depth"], given["depth"])
    with pytest.raises(GroundwaveError, match="a record of iq"):
        view({"iq": ramp}, generator(0, "alike"))


def test_crops_hold_the_share_of_the_area_that_was_asked_for() -> None:
    u = torch.linspace(-1, 1, 65).expand(NUM, 1, 65, 65).contiguous()
    pictures = {"rgb": torch.cat([u, u.mT, u], 1) / 2 + 0.5, "depth": u + 3}
    out = CropPicture((0.25, 0.25))(pictures, generator(0, "crop"))
    span = out["depth"].amax((2, 3)) - out["depth"].amin((2, 3))
    torch.testing.assert_close(span, torch.full((NUM, 1), 1.0), atol=0.06, rtol=0)
    middle = out["depth"].mean((1, 2, 3)) - 3
    assert float(middle.min()) < -0.45
    assert float(middle.max()) > 0.45
    whole = CropPicture((1.0, 1.0))(pictures, generator(0, "crop"))
    torch.testing.assert_close(whole["rgb"], pictures["rgb"], atol=1e-5, rtol=0)
    with pytest.raises(GroundwaveError, match="correct area"):
        CropPicture((0.0, 0.5))


def test_half_of_the_pictures_are_mirrored() -> None:
    before = record()
    out = FlipPicture()(before, generator(0, "flip"))
    mirrored = (out["rgb"] == before["rgb"].flip(-1)).flatten(1).all(1)
    assert ((out["rgb"] == before["rgb"]).flatten(1).all(1) ^ mirrored).all()
    assert 0.35 < float(mirrored.float().mean()) < 0.65


def test_colours_change_within_their_limits_and_depth_does_not() -> None:
    before = {**record(), "rgb": 0.25 + 0.25 * record()["rgb"]}
    out = ColourJitter(0.2, 0.0, 0.0, 0.0)(before, generator(0, "bright"))
    ratio = (out["rgb"] / before["rgb"]).flatten(1)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-3, atol=1e-4)
    assert 0.8 <= float(ratio.min()) < 0.83
    assert 1.17 < float(ratio.max()) <= 1.2001
    grey = ColourJitter(0.0, 0.0, 0.0, 1.0)(before, generator(0, "grey"))["rgb"]
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    wanted = (before["rgb"] * weights).sum(1, keepdim=True).expand(-1, 3, -1, -1)
    torch.testing.assert_close(grey, wanted, atol=1e-5, rtol=0)
    assert out["depth"] is before["depth"]
    torch.testing.assert_close(
        ColourJitter(0.0, 0.0, 0.0, 0.0)(before, generator(0, "none"))["rgb"], before["rgb"], atol=1e-6, rtol=0
    )


def test_a_turn_of_hue_goes_round_the_greys() -> None:
    colours = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0.3, 0.3, 0.3], [0.2, 0.5, 0.7]])[:, :, None, None]
    third = torch.full((4,), 2 * math.pi / 3)
    torch.testing.assert_close(_turned(colours, third), colours.roll(1, 1))  # red to green, green to blue
    whole = ColourJitter(0.0, 0.0, 0.0, 0.0, hue=0.5)({"rgb": 0.4 + 0.2 * colours}, generator(0, "hue"))["rgb"]
    torch.testing.assert_close(whole.mean(1), 0.4 + 0.2 * colours.mean(1))
    assert float((whole - 0.4 - 0.2 * colours)[[0, 1, 3]].abs().amax()) > 0.05
    torch.testing.assert_close(whole[2], 0.4 + 0.2 * colours[2])


def test_noise_of_colours_and_depths_is_as_large_as_asked() -> None:
    flat = {"rgb": torch.full((NUM, 3, 20, 20), 0.5), "depth": torch.full((NUM, 1, 20, 20), 6.0)}
    colour = (AddColourNoise(0.1)(flat, generator(0, "noise"))["rgb"] - 0.5).flatten(1).std(1)
    depth = (AddDepthNoise(0.05)(flat, generator(0, "noise"))["depth"] - 6).flatten(1).std(1)
    for found, most in ((colour, 0.1), (depth, 4 * 0.05)):  # at 6 m four times that at 3 m
        assert float(found.max()) == pytest.approx(most, rel=0.1)
        assert float(found.mean()) == pytest.approx(most / 2, rel=0.15)


def test_depths_are_scaled_by_one_factor_a_picture() -> None:
    before = record()
    ratio = (ScaleDepth(1.25)(before, generator(0, "scale"))["depth"] / before["depth"]).flatten(1)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-4, atol=1e-5)
    assert 0.8 <= float(ratio.min()) < 0.82
    assert 1.22 < float(ratio.max()) <= 1.2501
    with pytest.raises(GroundwaveError, match="raise max_factor"):
        ScaleDepth(0.9)
