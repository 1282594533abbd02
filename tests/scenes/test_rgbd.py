"""Rooms in colour and depth: what each camera can tell of them and what it cannot."""

from itertools import product
from typing import Any

import pytest
import torch

from groundwave.errors import GroundwaveError
from groundwave.rng import generator
from groundwave.scenes.furniture import FURNISHINGS
from groundwave.scenes.interiors import draw_cameras, draw_interiors
from groundwave.scenes.rgbd import RGBD, ROOMS
from groundwave.signal.surfaces import PATTERNS

SMALL: dict[str, Any] = {"height": 12, "width": 16, "rooms_per_class": 2, "pictures_per_room": 2}


def block(**settings: Any) -> dict[str, torch.Tensor]:
    return RGBD(**{**SMALL, **settings}).block(0)


@pytest.mark.parametrize(("knob", "blind"), [("colour", "depth"), ("geometry", "rgb")])
def test_a_camera_sees_nothing_at_all_of_the_evidence_of_the_other(knob: str, blind: str) -> None:
    without, with_ = block(**{knob: 0.0}), block(**{knob: 1.0})
    torch.testing.assert_close(without[blind], with_[blind], rtol=0, atol=0)
    sees = "rgb" if blind == "depth" else "depth"
    changed = (without[sees] != with_[sees]).flatten(1).any(1).float().mean()
    assert changed > 0.3, "of those whose class has such evidence, three in four"


def test_both_cameras_see_the_furnishing() -> None:
    without, with_ = block(shared=0.0), block(shared=1.0)
    for key in ("rgb", "depth"):
        assert (without[key] != with_[key]).flatten(1).any(1).float().mean() > 0.5


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_knobs_are_the_share_of_rooms_that_show_what_their_class_does(share: float) -> None:
    shares = {"shared": share, "colour": share, "geometry": share}
    drawn = block(height=8, width=8, rooms_per_class=60, pictures_per_room=1, provenance=True, **shares)
    for name, table in (("furnishing", FURNISHINGS), ("wallpaper", PATTERNS), ("relief", PATTERNS)):
        own = [getattr(evidence, name) for evidence in ROOMS.values()]
        for code, cue in enumerate(own):
            found = drawn[f"drawn_{name}"][drawn["label"] == code].bincount(minlength=len(table)) / 60
            wanted = torch.full((len(table),), (1.0 if cue is None else 1 - share) / len(table))
            if cue is not None:
                wanted[list(table).index(cue)] += share
            torch.testing.assert_close(found, wanted, atol=0.25, rtol=0)
            if cue is not None and share == 1:
                torch.testing.assert_close(found, wanted, atol=0, rtol=0)


def best(seen: tuple[str, ...]) -> float:
    """Return how often who knows some of the evidence, and the rules by which it is drawn, names the class."""
    tables = [list(FURNISHINGS) if name == "furnishing" else list(PATTERNS) for name in seen]

    def likely(name: str, cue: str, code: int) -> float:
        own = getattr(list(ROOMS.values())[code], name)
        return 0.25 if own is None else float(own == cue)

    total = 0.0
    for shown in product(*tables):
        chances = []
        for code in range(10):
            chance = 0.1
            for name, cue in zip(seen, shown, strict=True):
                chance *= likely(name, cue, code)
            chances.append(chance)
        total += max(chances)
    return total


def test_one_camera_knows_eight_in_ten_and_both_know_all() -> None:
    assert best(("furnishing",)) == pytest.approx(0.5)
    assert best(("furnishing", "wallpaper")) == pytest.approx(0.8)
    assert best(("furnishing", "relief")) == pytest.approx(0.8)
    assert best(("furnishing", "wallpaper", "relief")) == pytest.approx(1.0)


def test_what_provenance_tells_is_what_classes_say() -> None:
    record = block(provenance=True)
    for row, code in enumerate(record["label"].tolist()):
        evidence = ROOMS[RGBD.classes[code]]
        assert list(FURNISHINGS)[record["drawn_furnishing"][row]] == evidence.furnishing
        if evidence.wallpaper is not None:
            assert list(PATTERNS)[record["drawn_wallpaper"][row]] == evidence.wallpaper
        if evidence.relief is not None:
            assert list(PATTERNS)[record["drawn_relief"][row]] == evidence.relief


def test_pictures_of_a_room_share_its_class_and_differ() -> None:
    record = block(pictures_per_room=3)
    assert record["group"].bincount().tolist() == [3] * 20
    label, rgb = record["label"].reshape(20, 3), record["rgb"].reshape(20, 3, -1)
    assert (label == label[:, :1]).all()
    assert (rgb[:, 0] - rgb[:, 1]).abs().mean(1).min() > 0.02


def test_pictures_are_in_range_and_no_camera_stands_in_the_furniture() -> None:
    record = block(rooms_per_class=6, depth_noise=0.0)
    assert float(record["rgb"].min()) >= 0
    assert float(record["rgb"].max()) <= 1
    assert float(record["depth"].min()) > 0.15
    assert float(record["depth"].max()) < 7
    assert 0.2 < float(record["rgb"].mean()) < 0.8
    assert record["rgb"].shape[1:] == (3, 12, 16)
    assert record["depth"].shape[1:] == (1, 12, 16)


def test_noise_is_as_large_as_asked() -> None:
    clean, noisy = block(rgb_noise=0.0, depth_noise=0.0), block(rgb_noise=0.05, depth_noise=2.0)
    inside = (clean["rgb"] > 0.2) & (clean["rgb"] < 0.8)
    assert float((noisy["rgb"] - clean["rgb"])[inside].std()) == pytest.approx(0.05, rel=0.1)
    error = (noisy["depth"] - clean["depth"]) / clean["depth"].square()
    assert 2 * 0.0014 < float(error.std()) < 2 * 0.0024, "twice 4 cm at 5 m, and steps"


def test_relief_stands_out_of_the_walls_by_what_it_should() -> None:
    flat, high = block(relief_m=0.0, depth_noise=0.0), block(relief_m=0.3, depth_noise=0.0)
    torch.testing.assert_close(flat["rgb"], high["rgb"], rtol=0, atol=0)
    nearer = flat["depth"] - high["depth"]
    assert float(nearer.min()) >= 0
    assert float(nearer.median()) < 0.31
    assert float((nearer > 0.25).float().mean()) > 0.1


def test_rooms_are_rendered_where_they_are_kept() -> None:
    draw, kinds = generator(0, "meta"), torch.arange(4)
    rooms = draw_interiors(furnishing=kinds, wallpaper=kinds, relief=kinds, relief_m=0.2, draw=draw)
    camera = draw_cameras(rooms.size, draw)
    meta = torch.device("meta")
    assert {x.device.type for x in rooms.to(meta).seen(camera.to(meta), 9, 8)} == {"meta"}
    rgb, depth = rooms.seen(camera, 9, 8)
    some = rooms[torch.tensor([2, 2])].seen(camera[torch.tensor([2, 2])], 9, 8)
    torch.testing.assert_close(some[0], rgb[[2, 2]], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(some[1], depth[[2, 2]], atol=1e-4, rtol=1e-4)


def test_large_pictures_are_rendered_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = block()
    monkeypatch.setattr("groundwave.scenes.rgbd.PIXELS_AT_ONCE", 600)
    pieces = block()
    torch.testing.assert_close(pieces["rgb"], whole["rgb"], atol=1e-4, rtol=1e-4)
    assert ((pieces["depth"] - whole["depth"]).abs() < 1e-3).float().mean() > 0.999  # a rounded step may tip over


@pytest.mark.parametrize(
    "settings",
    [
        {"shared": 1.1},
        {"colour": -0.1},
        {"geometry": float("nan")},
        {"height": 4},
        {"rooms_per_class": 0},
        {"rgb_noise": -1.0},
        {"depth_noise": float("inf")},
        {"relief_m": 2.0},
        {"device": "abacus"},
    ],
)
def test_settings_that_no_picture_can_have_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(GroundwaveError, match=next(iter(settings))):
        RGBD(**settings)
