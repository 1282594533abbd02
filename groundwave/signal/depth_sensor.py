"""What a depth camera that triangulates makes of depths: noise and steps that grow with the square of the distance.

Khoshelham and Elberink, "Accuracy and resolution of Kinect depth data", Sensors 2012: a disparity of F B / Z pixels is
measured with a random error and in steps of an eighth of a pixel. At 5 m that is 4 cm of noise and steps of 8 cm.
"""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

FOCAL_TIMES_BASELINE = 39.4  # pixels times metres: 525 pixels, 7.5 cm
DISPARITY_ERROR = 0.063  # pixels, standard deviation
DISPARITY_STEP = 0.125  # pixels


def draw_disparity_error(depth: Tensor, severity: float, *, generator: Generator) -> Float[Tensor, "*shape"]:
    """Draw the error of each pixel's disparity, in pixels; `severity` 1 is a Kinect's, 0 none."""
    drawn = torch.randn(depth.shape, generator=generator, device=generator.device).to(depth.device)
    return severity * DISPARITY_ERROR * drawn


def measure_depth(
    depth: Float[Tensor, "*shape"], error: Float[Tensor, "*shape"], severity: float
) -> Float[Tensor, "*shape"]:
    """Return depths in metres as the camera reports them, with the steps of its disparities where `severity` > 0."""
    disparity = FOCAL_TIMES_BASELINE / depth + error
    if severity > 0:
        disparity = DISPARITY_STEP * (disparity / DISPARITY_STEP).round().clamp(min=1)
    return FOCAL_TIMES_BASELINE / disparity


def fill_missing(depth: Float[Tensor, "*batch rows columns"]) -> Float[Tensor, "*batch rows columns"]:
    """Return depths with each hole (NaN) filled ring by ring by the mean of its neighbours that are known.

    A picture without any known depth stays as it is.
    """
    shape = depth.shape
    filled = depth.reshape(-1, 1, *shape[-2:]).clone()
    for _ in range(max(shape[-2:])):
        known = ~filled.isnan()
        if bool(known.flatten(1).all(1).logical_or(~known.flatten(1).any(1)).all()):
            break
        total = torch.nn.functional.avg_pool2d(filled.nan_to_num(0), 3, 1, 1, divisor_override=1)
        count = torch.nn.functional.avg_pool2d(known.to(filled.dtype), 3, 1, 1, divisor_override=1)
        filled = torch.where(known, filled, torch.where(count > 0.5, total / count, torch.nan))
    return filled.reshape(shape)
