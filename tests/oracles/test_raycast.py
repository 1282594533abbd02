"""Rays among boxes against closed forms, against a slow twin that walks along them, and the depth camera's noise."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from groundwave.rng import generator
from groundwave.signal.depth_sensor import (
    DISPARITY_STEP,
    FOCAL_TIMES_BASELINE,
    draw_disparity_error,
    fill_missing,
    measure_depth,
)
from groundwave.signal.raycast import Boxes, box_normals, camera_rays, hit_boxes, hit_walls
from groundwave.signal.surfaces import PATTERNS, lambertian, pattern, to_display

STRAIGHT = torch.zeros(1)
ROOM = torch.tensor([[4.0, 5.0, 2.5]])
EYE = torch.tensor([2.0, 1.0, 1.5])


def rays(yaw: float = 0.0, pitch: float = 0.0, height: int = 9, width: int = 13) -> Tensor:
    return camera_rays(torch.tensor([yaw]), torch.tensor([pitch]), 1.2, height, width)


def origin(point: Tensor = EYE) -> Tensor:
    return point.reshape(1, 1, 1, 3)


def one_box(centre: list[float], half: list[float], yaw: float = 0.0) -> Boxes:
    return Boxes(torch.tensor([[centre]]), torch.tensor([[half]]), torch.tensor([[yaw]]))


def test_the_middle_ray_is_the_optical_axis_and_all_are_one_metre_deep() -> None:
    axis = torch.tensor([math.sin(0.3) * math.cos(-0.2), math.cos(0.3) * math.cos(-0.2), math.sin(-0.2)])
    fan = rays(0.3, -0.2)
    torch.testing.assert_close(fan[0, 4, 6], axis)
    torch.testing.assert_close(fan[0] @ axis, torch.ones(9, 13))


def test_the_outer_edges_span_the_angle_of_view() -> None:
    fan = rays(width=101, height=3)[0, 1]
    across = torch.atan2(fan[:, 0], fan[:, 1])
    pixel = 2 * math.tan(0.6) / 101
    assert float(across[-1]) == pytest.approx(math.atan(math.tan(0.6) - pixel / 2), abs=1e-5)
    torch.testing.assert_close(fan[:, 0], -fan.flip(0)[:, 0])


def test_a_wall_seen_straight_has_the_same_depth_everywhere() -> None:
    depth, wall = hit_walls(origin(), rays(), ROOM)
    far = wall == 3
    assert far.sum() > 30
    torch.testing.assert_close(depth[far], torch.full((int(far.sum()),), 4.0))
    assert wall[0, 0, 6] == 5, "up is the ceiling"
    assert wall[0, -1, 6] == 4
    assert wall[0, 4, 0] in (0, 3)


def test_side_walls_floor_and_ceiling_are_planes() -> None:
    depth, wall = hit_walls(origin(), rays(0.5, -0.3), ROOM)
    point = EYE + depth[0, ..., None] * rays(0.5, -0.3)[0]
    for number in wall.unique().tolist():
        axis, upper = divmod(number, 2)
        on_it = point[wall[0] == number][:, axis]
        torch.testing.assert_close(on_it, torch.full_like(on_it, float(ROOM[0, axis]) * upper), atol=1e-5, rtol=0)
    assert ((point > -1e-4) & (point < ROOM[0] + 1e-4)).all()


def test_the_face_of_a_box_straight_ahead_is_as_deep_as_it_is() -> None:
    depth, box = hit_boxes(origin(), rays(), one_box([2.0, 4.0, 1.5], [0.5, 0.5, 0.5]))
    hit = box[0] == 0
    torch.testing.assert_close(depth[0][hit], torch.full((int(hit.sum()),), 2.5))
    slope = rays()[0] / 1.0
    inside = (slope[..., 0].abs() <= 0.2) & (slope[..., 2].abs() <= 0.2)
    assert torch.equal(hit, inside), "half a metre at 2.5 m"
    assert depth[0][~hit].isinf().all()


def test_a_turned_box_shows_its_edge() -> None:
    fan = rays(width=401, height=3)
    depth, box = hit_boxes(origin(), fan, one_box([2.0, 4.0, 1.5], [0.5, 0.5, 0.5], math.pi / 4))
    reach = 0.5 * math.sqrt(2)
    assert float(depth[0, 1].min()) == pytest.approx(3 - reach, abs=1e-3)
    assert int(depth[0, 1].argmin()) == 200
    slope = fan[0, 1, :, 0].abs()
    wanted = (3 - reach) / (1 - slope)  # y = 3 - reach + |x| along x = slope * y
    hit = box[0, 1] == 0
    torch.testing.assert_close(depth[0, 1][hit], wanted[hit], atol=1e-4, rtol=1e-4)


def test_a_box_around_the_eye_behind_it_or_without_size_is_not_met() -> None:
    for boxes in (
        one_box([2.0, 1.0, 1.5], [0.5, 0.5, 0.5]),
        one_box([2.0, -3.0, 1.5], [0.5, 0.5, 0.5]),
        one_box([2.0, 3.0, 1.5], [0.0, 0.0, 0.0]),
    ):
        assert (hit_boxes(origin(), rays(), boxes)[1] == -1).all()


def some_boxes(num: int = 5) -> Boxes:
    u = torch.rand(1, num, 7, generator=generator(3, "boxes"))
    return Boxes(
        torch.tensor([0.5, 2.0, 0.3]) + u[..., :3] * torch.tensor([3.0, 2.5, 1.8]),
        0.1 + 0.5 * u[..., 3:6],
        6 * u[..., 6],
    )


def walked(start: np.ndarray, ray: np.ndarray, boxes: Boxes, step: float = 0.002) -> tuple[float, int]:
    """Return where a walk along a ray first finds itself in a box, and in which."""
    places = np.arange(step, 6, step)
    found = [(math.inf, -1)]
    for n in range(boxes.centre.shape[1]):
        x, y, z = (start + places[:, None] * ray - boxes.centre[0, n].numpy()).T
        yaw, half = float(boxes.yaw_rad[0, n]), boxes.half[0, n].numpy()
        own = np.stack([math.cos(yaw) * x + math.sin(yaw) * y, -math.sin(yaw) * x + math.cos(yaw) * y, z], 1)
        inside = (np.abs(own) < half).all(1)
        if inside.any():
            found.append((float(places[inside.argmax()]), n))
    return min(found)


def test_many_turned_boxes_are_met_where_a_walk_meets_them() -> None:
    boxes, fan = some_boxes(), rays(0.2, -0.1, 5, 7)
    depth, box = hit_boxes(origin(), fan, boxes)
    assert len(box.unique()) > 3
    for row in range(5):
        for column in range(7):
            wanted, number = walked(EYE.numpy(), fan[0, row, column].numpy(), boxes)
            if abs(float(depth[0, row, column]) - wanted) > 0.004 and math.isfinite(wanted):
                pytest.fail(f"ray {row}, {column}: {float(depth[0, row, column])} instead of {wanted}")
            assert int(box[0, row, column]) == number


def test_a_twin_that_forgets_the_turn_would_be_caught() -> None:
    boxes, fan = some_boxes(), rays(0.2, -0.1, 5, 7)
    straight = Boxes(boxes.centre, boxes.half, torch.zeros_like(boxes.yaw_rad))
    assert not torch.equal(hit_boxes(origin(), fan, straight)[1], hit_boxes(origin(), fan, boxes)[1])


def test_normals_are_unit_look_back_and_lie_across_their_face() -> None:
    boxes, fan = some_boxes(), rays(0.2, -0.1, 40, 60)
    depth, box = hit_boxes(origin(), fan, boxes)
    point = EYE + depth[..., None].nan_to_num(posinf=0) * fan
    normal = box_normals(boxes, box, point)
    hit = box >= 0
    torch.testing.assert_close(normal[hit].norm(dim=-1), torch.ones(int(hit.sum())))
    assert ((normal * fan).sum(-1)[hit] < 0).all()
    beside = (
        (box[..., 1:] == box[..., :-1]) & hit[..., 1:] & ((normal[..., 1:, :] * normal[..., :-1, :]).sum(-1) > 0.999)
    )
    along = (point[..., 1:, :] - point[..., :-1, :])[beside]
    across = (along * normal[..., 1:, :][beside]).sum(-1)
    torch.testing.assert_close(across, torch.zeros_like(across), atol=1e-5, rtol=0)


def test_depth_of_a_box_has_the_gradient_of_its_distance() -> None:
    centre = torch.tensor([[[2.0, 4.0, 1.5]]], requires_grad=True)
    boxes = Boxes(centre, torch.full((1, 1, 3), 0.5), torch.zeros(1, 1))
    hit_boxes(origin(), rays(), boxes)[0][0, 4, 6].backward()
    assert centre.grad is not None
    torch.testing.assert_close(centre.grad, torch.tensor([[[0.0, 1.0, 0.0]]]))


def test_a_lamp_lights_by_cosine_and_squared_distance() -> None:
    point = torch.tensor([[[[0.0, 0.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 4.0]]]])
    normal = torch.tensor([[[[0.0, 0.0, 1.0]]]]).expand(point.shape)
    light = lambertian(point, normal, torch.tensor([[0.0, 0.0, 2.0]]), torch.tensor([2.0]))
    wanted = torch.tensor([[[1.0, 4 / 13 * 2 / math.sqrt(13), 0.0]]])
    torch.testing.assert_close(light, wanted)


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_repeat_are_half_of_each_and_differ(name: str) -> None:
    kind = torch.tensor([list(PATTERNS).index(name)])
    v, u = torch.meshgrid(torch.linspace(0, 3, 121), torch.linspace(0, 3, 121), indexing="ij")
    drawn = pattern(kind, u[None], v[None], torch.tensor([1.5]))
    assert float(drawn.mean()) == pytest.approx(0.5, abs=0.02)
    torch.testing.assert_close(drawn[..., :60, :60], drawn[..., 60:120, 60:120], atol=1e-4, rtol=0)
    for other in range(len(PATTERNS)):
        if other != int(kind):
            assert (drawn - pattern(torch.tensor([other]), u[None], v[None], torch.tensor([1.5]))).abs().mean() > 0.3


def test_pictures_hold_light_with_its_gamma() -> None:
    torch.testing.assert_close(
        to_display(torch.tensor([0.0, 0.5, 1.0, 7.0]))[1:], torch.tensor([0.5 ** (1 / 2.2), 1, 1])
    )


@pytest.mark.parametrize("metres", [1.0, 3.0, 5.0])
def test_noise_of_depth_grows_with_its_square(metres: float) -> None:
    depth = torch.full((20_000,), metres)
    error = draw_disparity_error(depth, 1.0, generator=generator(0, "sensor"))
    deviation = float(measure_depth(depth, error, 0.0).std())
    assert deviation == pytest.approx(0.04 * (metres / 5) ** 2, rel=0.05), "4 cm at 5 m (Khoshelham and Elberink, 2012)"


def test_steps_of_depth_are_eighths_of_a_pixel() -> None:
    depth = torch.linspace(0.8, 6, 5000)
    disparity = FOCAL_TIMES_BASELINE / measure_depth(depth, torch.zeros(5000), 1.0)
    steps = disparity / DISPARITY_STEP
    torch.testing.assert_close(steps, steps.round(), atol=1e-3, rtol=0)
    found = measure_depth(torch.tensor([4.99, 5.01, 5.08]), torch.zeros(3), 1.0).unique().diff()
    assert found.tolist() == pytest.approx([0.08], abs=0.02)
    torch.testing.assert_close(measure_depth(depth, torch.zeros(5000), 0.0), depth)


def test_holes_are_filled_from_their_rim_inwards() -> None:
    depth = torch.full((2, 5, 5), torch.nan)
    depth[0, 0] = 2.0
    depth[0, 4] = 4.0
    filled = fill_missing(depth)
    assert filled[0, 1].tolist() == [2.0] * 5
    assert filled[0, 3].tolist() == [4.0] * 5
    assert filled[0, 2].tolist() == [3.0] * 5
    assert filled[1].isnan().all(), "nothing is known of it"
    whole = torch.rand(3, 4)
    torch.testing.assert_close(fill_missing(whole), whole, rtol=0, atol=0)
