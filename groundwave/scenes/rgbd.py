"""Rooms in colour and in depth, with evidence of what they are in both, in colour alone, and in depth alone."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from groundwave.contracts import Record
from groundwave.rng import generator
from groundwave.scenes.furniture import FURNISHINGS
from groundwave.scenes.interiors import Camera, Interiors, draw_cameras, draw_interiors
from groundwave.scenes.knobs import device_of, require
from groundwave.signal.depth_sensor import draw_disparity_error, measure_depth
from groundwave.signal.surfaces import PATTERNS

PIXELS_AT_ONCE = 1 << 18  # what rendering needs for a moment is some hundred bytes for each


class Evidence(NamedTuple):
    """How a class is known: its furnishing, its wallpaper and the relief of its walls; None: any."""

    furnishing: str
    wallpaper: str | None
    relief: str | None


# Two classes share each furnishing, which both cameras see. Colour tells three of these pairs apart, depth three.
ROOMS: Mapping[str, Evidence] = {
    "bedroom": Evidence("bed", "columns", None),
    "nursery": Evidence("bed", "checks", None),
    "library": Evidence("shelves", "courses", None),
    "bookstore": Evidence("shelves", "diagonals", None),
    "dining room": Evidence("table", None, "columns"),
    "meeting room": Evidence("table", None, "checks"),
    "kitchen": Evidence("counter", None, "courses"),
    "laboratory": Evidence("counter", None, "diagonals"),
    "classroom": Evidence("rows", "columns", "diagonals"),
    "theatre": Evidence("rows", "diagonals", "columns"),
}


class RGBD:
    """Pictures of rooms: `rgb` float32 `[3, height, width]`, 0 to 1, and `depth` float32 `[1, height, width]`, metres.

    Ten classes are told by three things. The furnishing is seen in colour and in depth. The pattern of the wallpaper is
    seen in colour alone, the relief of the walls, of the same four patterns, in depth alone. Who sees all three knows
    every class; who sees one modality, however well, knows six and has to guess among two for the other four: 80 %.
    Hues, sizes, places, lamps and cameras say nothing. `group` is the room, of which there are several pictures.

    Depth has the noise and the steps of a camera that triangulates (Khoshelham and Elberink, 2012).

    Args:
        shared: share of the rooms whose furnishing is that of their class; the others have any.
        colour: share of the rooms whose wallpaper is that of their class, where it has one.
        geometry: share of the rooms whose relief is that of their class, where it has one.
        relief_m: how far the relief stands out of the walls.
        rgb_noise: standard deviation of the noise of colours, whose full scale is 1.
        depth_noise: of the depth camera's errors and steps, 1 being a Kinect's; 0: none.
        height: rows of pixels.
        width: columns of pixels.
        rooms_per_class: rooms of each class in a block.
        pictures_per_room: from as many places.
        provenance: tell what was drawn, as `drawn_...`.
        device: where pictures are rendered and kept; what is drawn is the same on any.
        seed: another seed is another, independent scene.

    Raises:
        GroundwaveError: a setting that no picture can have.
    """

    classes: Sequence[str] = tuple(ROOMS)

    def __init__(
        self,
        *,
        shared: float = 1.0,
        colour: float = 1.0,
        geometry: float = 1.0,
        relief_m: float = 0.2,
        rgb_noise: float = 0.02,
        depth_noise: float = 1.0,
        height: int = 32,
        width: int = 32,
        rooms_per_class: int = 4,
        pictures_per_room: int = 4,
        provenance: bool = False,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        shares = {"shared": shared, "colour": colour, "geometry": geometry}
        sizes = {"height": height, "width": width}
        counts = {"rooms_per_class": rooms_per_class, "pictures_per_room": pictures_per_room}
        noises = {"rgb_noise": rgb_noise, "depth_noise": depth_noise}
        require(
            *((name, value, 0 <= value <= 1, "a share from 0 to 1") for name, value in shares.items()),
            *((name, value, value >= 8, "at least 8") for name, value in sizes.items()),
            *((name, value, value >= 1, "at least 1") for name, value in counts.items()),
            *(
                (name, value, 0 <= value < math.inf, "a finite number, no less than 0")
                for name, value in noises.items()
            ),
            ("relief_m", relief_m, 0 <= relief_m <= 0.5, "metres, from 0 to 0.5"),
        )
        self.shared, self.colour, self.geometry, self.relief_m = shared, colour, geometry, relief_m
        self.rgb_noise, self.depth_noise, self.size = rgb_noise, depth_noise, (height, width)
        self.num_rooms, self.pictures_per_room = len(ROOMS) * rooms_per_class, pictures_per_room
        self.num_per_block = self.num_rooms * pictures_per_room
        self.provenance, self.device, self.seed = provenance, device_of(device), seed

    def block(self, b: int) -> Record:
        """Return block `b`, a pure function of (seed, settings, b); the pictures of a room stand together."""
        draw = generator(self.seed, "rgbd", "block", b)
        label = torch.randperm(self.num_rooms, generator=draw) % len(ROOMS)
        cues = self._cues(label, draw)
        rooms = draw_interiors(**cues, relief_m=self.relief_m, draw=draw)
        room = torch.arange(self.num_per_block) // self.pictures_per_room
        camera = draw_cameras(rooms.size[room], draw)
        rgb, depth = self._seen(rooms, room, camera)
        told = {**{name: kind[room] for name, kind in cues.items()}, "start": camera.position}
        rest = {
            "label": label[room],
            "snr_db": torch.full((self.num_per_block,), torch.nan),
            "group": b * self.num_rooms + room,
            "index": b * self.num_per_block + torch.arange(self.num_per_block),
            **({f"drawn_{name}": values for name, values in told.items()} if self.provenance else {}),
        }
        return {
            "rgb": self._photographed(rgb, draw),
            "depth": self._measured(depth, draw),
            **{name: values.to(self.device) for name, values in rest.items()},
        }

    def _seen(self, rooms: Interiors, room: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
        """Return the pictures that cameras take, each of its room, a bounded number of pixels at once."""
        at_once = max(1, PIXELS_AT_ONCE // (self.size[0] * self.size[1]))
        pieces = [
            rooms[room[rows]].to(self.device).seen(camera[rows].to(self.device), *self.size)
            for rows in torch.arange(self.num_per_block).split(at_once)
        ]
        rgb, depth = (torch.cat(parts) for parts in zip(*pieces, strict=True))
        return rgb, depth

    def _cues(self, label: Tensor, draw: Generator) -> dict[str, Tensor]:
        """Return number of furnishing, wallpaper and relief of each room."""
        shares = {"furnishing": self.shared, "wallpaper": self.colour, "relief": self.geometry}
        cues = {}
        for name, share in shares.items():
            table = list(FURNISHINGS if name == "furnishing" else PATTERNS)
            known = [getattr(evidence, name) for evidence in ROOMS.values()]
            own = torch.tensor([-1 if cue is None else table.index(cue) for cue in known])[label]
            shown = (torch.rand(len(label), generator=draw) < share) & (own >= 0)
            cues[name] = torch.where(shown, own, torch.randint(len(table), (len(label),), generator=draw))
        return cues

    def _photographed(self, rgb: Tensor, draw: Generator) -> Tensor:
        noise = torch.randn(rgb.shape, generator=draw).to(rgb.device)
        return (rgb + self.rgb_noise * noise).clamp(0, 1).contiguous()

    def _measured(self, depth: Tensor, draw: Generator) -> Tensor:
        error = draw_disparity_error(depth, self.depth_noise, generator=draw)
        return measure_depth(depth, error, self.depth_noise)
