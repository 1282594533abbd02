"""Several directions at once: from the cells of a beamspace to peaks, each with its place between the cells."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from groundwave.nn.beamspace import cell_turns
from groundwave.nn.dense import Decoder


class PeakHead(Decoder):
    """A picture of three numbers a cell: how surely a source is there, and how far off the middle it is (ours).

    As detectors of objects by their centres do (Zhou et al., 2019). What it says are directions (`answer`).

    Args:
        num_features: width of the tokens, whose last numbers are steps along rows and columns to a peak nearby.
        num_sources: how many of the highest peaks to tell.
        spacing: of the elements in wavelengths.
    """

    output = "directions"
    meaning = (
        "directions [batch, source, 3]: azimuth and elevation in radians, and probability, the surest source first"
    )

    def __init__(self, num_features: int, num_sources: int = 1, spacing: float = 0.5) -> None:
        super().__init__()
        self.num_sources, self.spacing = num_sources, spacing
        self.project = nn.Linear(num_features, 3)
        with torch.no_grad():  # begin with the steps that the token tells last
            self.project.weight[1:].zero_()
            self.project.weight[1:, -2:] = torch.eye(2)
            self.project.bias.zero_()

    def forward(
        self, tokens: Float[Tensor, "batch tokens features"], grid: tuple[int, int], size: tuple[int, int] = (0, 0)
    ) -> Float[Tensor, "batch 3 rows columns"]:
        """Return level and steps of each cell of a `grid`; the input's size plays no role."""
        picture: Tensor = self.project(tokens).transpose(1, 2).unflatten(2, grid)
        return picture

    def answer(self, picture: Float[Tensor, "batch 3 rows columns"]) -> Float[Tensor, "batch {self.num_sources} 3"]:
        """Return azimuth and elevation in radians, and how sure it is, of the highest peaks, the surest first.

        Phases that no direction has become the nearest direction. Where there are fewer peaks, the rest have
        probability 0, and directions that mean nothing.
        """
        level = picture[:, 0]
        around = F.max_pool2d(F.pad(level[:, None], (1, 1, 1, 1), mode="circular"), 3, 1)[:, 0]
        rows, columns = level.shape[1:]
        height, place = torch.where(level >= around, level, -1e4).flatten(1).topk(self.num_sources)
        step = picture[:, 1:].flatten(2).gather(2, place[:, None].expand(-1, 2, -1))
        across = (cell_turns(columns).to(level)[place % columns] + step[:, 1] / columns) / self.spacing
        up = (cell_turns(rows).to(level)[place // columns] + step[:, 0] / rows) / self.spacing
        elevation = up.clamp(-1, 1).asin()
        azimuth = (across / elevation.cos().clamp_min(1e-6)).clamp(-1, 1).asin()
        return torch.stack([azimuth, elevation, height.sigmoid()], -1)
