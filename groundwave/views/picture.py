"""Views of pictures in colour (`rgb`) and in depth (`depth`): of both alike where both are there, or of one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from groundwave.contracts import Record
from groundwave.errors import GroundwaveError
from groundwave.views.answers import keeping

BOTH = ("rgb", "depth")
_GREY = (0.299, 0.587, 0.114)  # luminance of red, green and blue (ITU-R BT.601)


@dataclass(frozen=True)
class CropPicture:
    """Cut a part out of each picture and stretch it to the size of the whole, alike in each modality.

    The part keeps the picture's proportions and holds a share of its area uniform in `area`. Colours are interpolated;
    depths are those of the nearest pixel, in metres as before: between an edge and what is behind it, there is nothing.

    Args:
        area: smallest and largest share of the area.
        modalities: which pictures, those of them that a record has.
    """

    area: tuple[float, float] = (0.5, 1.0)
    modalities: Sequence[str] = BOTH
    keeps, maps, destroys = keeping()

    def __post_init__(self) -> None:
        """Raise `GroundwaveError` for shares that no part has."""
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise GroundwaveError(f"area={self.area}", "smallest, then largest share, above 0 up to 1", "correct area")

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record with its pictures cut."""
        held, out = _held(record, self.modalities), dict(record)
        side = _uniform(record[held[0]], *self.area, generator).sqrt()
        across, down = ((1 - side) * _uniform(record[held[0]], -1, 1, generator) for _ in range(2))
        zero = torch.zeros_like(side)
        theta = torch.stack((torch.stack((side, zero, across), -1), torch.stack((zero, side, down), -1)), 1)
        for name in held:
            x = record[name]
            grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
            mode = "nearest" if name == "depth" else "bilinear"
            out[name] = functional.grid_sample(x, grid, mode, "border", align_corners=False)
        return out


@dataclass(frozen=True)
class FlipPicture:
    """Mirror each picture left to right with probability one half, alike in each modality.

    Args:
        modalities: which pictures, those of them that a record has.
    """

    modalities: Sequence[str] = BOTH
    keeps, maps, destroys = keeping()

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record with some pictures mirrored."""
        held = _held(record, self.modalities)
        flip = _per_pixel(_uniform(record[held[0]], 0, 1, generator)) < 0.5
        return {**record, **{name: torch.where(flip, record[name].flip(-1), record[name]) for name in held}}


@dataclass(frozen=True)
class ColourJitter:
    """Change brightness, hue, contrast and saturation of each picture in colour, some to grey (Chen et al., 2020).

    Args:
        brightness: largest change of the factor on all values.
        contrast: of the factor on what differs from the picture's mean grey.
        saturation: of the factor on what differs from each pixel's own grey.
        grey: share of the pictures that lose their colour.
        hue: largest turn about the grey axis in linear colours, as a share of the full circle, up to one half.
    """

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    grey: float = 0.2
    hue: float = 0.0
    keeps, maps, destroys = keeping()

    def __post_init__(self) -> None:
        """Raise `GroundwaveError` for a turn that is none."""
        if not 0 <= self.hue <= 0.5:
            raise GroundwaveError(f"hue={self.hue}", "a share of the circle from 0 to 0.5", "correct hue")

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record in other colours, still 0 to 1."""
        rgb = record["rgb"]
        bright, contrast, saturation = (
            _per_pixel(_uniform(rgb, 1 - most, 1 + most, generator))
            for most in (self.brightness, self.contrast, self.saturation)
        )
        faded = _per_pixel(_uniform(rgb, 0, 1, generator)) < self.grey
        x = rgb * bright
        if self.hue:
            x = _turned(x, 2 * math.pi * _uniform(rgb, -self.hue, self.hue, generator))
        x = _mixed(_grey(x).mean((-2, -1), keepdim=True), x, contrast)
        x = _mixed(_grey(x), x, torch.where(faded, 0.0, saturation))
        return {**record, "rgb": x.clamp(0, 1)}


@dataclass(frozen=True)
class AddColourNoise:
    """Add white noise to pictures in colour, its standard deviation uniform up to `most` of full scale."""

    most: float = 0.1
    keeps, maps, destroys = keeping()

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record with noise, still 0 to 1."""
        rgb = record["rgb"]
        deviation = _per_pixel(_uniform(rgb, 0, self.most, generator))
        return {**record, "rgb": (rgb + deviation * _normal(rgb, generator)).clamp(0, 1)}


@dataclass(frozen=True)
class AddDepthNoise:
    """Add white noise to depths that grows with their square, its standard deviation at 3 m uniform up to `most_m`."""

    most_m: float = 0.05
    keeps, maps, destroys = keeping()

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record with noise, no depth less than half of what it was."""
        depth = record["depth"]
        deviation = _per_pixel(_uniform(depth, 0, self.most_m, generator)) * (depth / 3).square()
        return {**record, "depth": torch.maximum(depth + deviation * _normal(depth, generator), depth / 2)}


@dataclass(frozen=True)
class ScaleDepth:
    """Multiply the depths of each picture by one factor between 1 / `max_factor` and `max_factor`.

    So a depth camera is off in scale; what depths alone tell of sizes gets less sure.
    """

    max_factor: float = 1.1
    keeps, maps, destroys = keeping()

    def __post_init__(self) -> None:
        """Raise `GroundwaveError` for a factor below 1."""
        if self.max_factor < 1:
            raise GroundwaveError(f"max_factor={self.max_factor}", "at least 1", "raise max_factor")

    def __call__(self, record: Record, generator: Generator) -> Record:
        """Return the record with other depths."""
        factor = self.max_factor ** _uniform(record["depth"], -1, 1, generator)
        return {**record, "depth": record["depth"] * _per_pixel(factor)}


def _held(record: Record, modalities: Sequence[str]) -> list[str]:
    held = [name for name in modalities if name in record]
    if not held:
        raise GroundwaveError(
            got=f"a view of pictures for a record of {', '.join(record)}",
            expected=f"a record of {' or '.join(modalities)}",
            do="leave the view out, or name other modalities",
        )
    return held


def _uniform(x: Tensor, low: float, high: float, generator: Generator) -> Tensor:
    drawn = torch.rand(len(x), generator=generator, device=generator.device)
    return (low + (high - low) * drawn).to(x.device)


def _normal(x: Tensor, generator: Generator) -> Tensor:
    return torch.randn(x.shape, generator=generator, device=generator.device).to(x.device)


def _per_pixel(parameter: Tensor) -> Tensor:
    return parameter[:, None, None, None]


def _grey(rgb: Tensor) -> Tensor:
    return (rgb * rgb.new_tensor(_GREY)[:, None, None]).sum(1, keepdim=True)


def _turned(rgb: Tensor, angle: Tensor) -> Tensor:
    """Return colours turned about the grey axis, on which red, green and blue are equal (Rodrigues' formula)."""
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    along = rgb.new_full((3, 3), 1 / 3)
    across = rgb.new_tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    turn = cosine * torch.eye(3, device=rgb.device) + (1 - cosine) * along + sine * across
    return torch.einsum("bij,bjhw->bihw", turn, rgb)


def _mixed(plain: Tensor, x: Tensor, share: Tensor) -> Tensor:
    return plain + share * (x - plain)
