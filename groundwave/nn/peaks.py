"""Directions from the cells of a beamspace: peaks between the cells, or of a single source the mean direction."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from groundwave.nn.beamspace import cell_turns
from groundwave.nn.dense import Decoder


class PeakHead(Decoder):
    """A picture of three numbers a cell: how likely a source is there, and how far off the middle it is (ours).

    As detectors of objects by their centres do (Zhou et al., 2019). How far off says an expert, the steps to a peak
    that a token tells last: those of beamscan for one source, which nothing without a bias betters, so that the network
    only says where; those of Capon for several, which the network mends. What the head says are directions (`answer`).

    Args:
        num_features: width of the tokens, whose last four numbers are steps along rows and columns to a peak nearby, of
            beamscan's spectrum and of Capon's.
        num_sources: how many of the highest peaks to tell; of one, the mean direction is told.
        spacing: of the elements in wavelengths.
    """

    output = "directions"
    meaning = (
        "directions [batch, source, 3]: azimuth and elevation in radians, and probability, the surest source first"
    )

    def __init__(self, num_features: int, num_sources: int = 1, spacing: float = 0.5) -> None:
        super().__init__()
        self.num_sources, self.spacing = num_sources, spacing
        self.level = nn.Linear(num_features, 1)
        self.mend = nn.Linear(num_features, 2) if num_sources > 1 else None
        if self.mend is not None:  # begin with the expert's steps as they are
            nn.init.zeros_(self.mend.weight)
            nn.init.zeros_(self.mend.bias)

    def forward(
        self, tokens: Float[Tensor, "batch tokens features"], grid: tuple[int, int], size: tuple[int, int] = (0, 0)
    ) -> Float[Tensor, "batch 3 rows columns"]:
        """Return level and steps of each cell of a `grid`; the input's size plays no role."""
        steps = tokens[..., -4:-2] if self.mend is None else tokens[..., -2:] + self.mend(tokens)
        picture: Tensor = torch.cat([self.level(tokens), steps], -1).transpose(1, 2).unflatten(2, grid)
        return picture

    def answer(self, picture: Float[Tensor, "batch 3 rows columns"]) -> Float[Tensor, "batch {self.num_sources} 3"]:
        """Return azimuth and elevation in radians, and how sure it is, of the highest peaks, the surest first.

        Of a single source levels are logarithms of probabilities, and the answer is the mean direction, which errs
        least in the mean square; how sure it is, is the probability of the likeliest cell. Phases that no direction has
        become the nearest direction. Where there are fewer peaks, the rest have probability 0 and point straight on.
        """
        level = picture[:, 0]
        up, over = self._cosines(picture)
        if self.num_sources == 1:
            share = level.flatten(1).softmax(1)
            up, over = ((share * each).sum(1, keepdim=True) for each in (up, over))
            return _directions(up, over, share.amax(1, keepdim=True))
        around = F.max_pool2d(F.pad(level[:, None], (1, 1, 1, 1), mode="circular"), 3, 1)[:, 0]
        height, place = torch.where(level >= around, level, -1e4).flatten(1).topk(self.num_sources)
        sure = height.sigmoid()
        up, over = (cosine.gather(1, place) * (sure > 0) for cosine in (up, over))
        return _directions(up, over, sure)

    def _cosines(self, picture: Tensor) -> list[Tensor]:
        """Return the direction cosines upwards and across `[B, cell]` that the cells tell of."""
        rows, columns = picture.shape[2:]
        down, across = cell_turns(rows).to(picture)[:, None], cell_turns(columns).to(picture)
        turns = (down + picture[:, 1] / rows).flatten(1), (across + picture[:, 2] / columns).flatten(1)
        return [((turn - turn.round()) / self.spacing).clamp(-1, 1) for turn in turns]


def _directions(up: Tensor, over: Tensor, sure: Tensor) -> Tensor:
    """Return azimuths and elevations of direction cosines, and how sure they are, `[B, source, 3]`."""
    elevation = up.asin()
    azimuth = (over / elevation.cos().clamp_min(1e-6)).clamp(-1, 1).asin()
    return torch.stack([azimuth, elevation, sure], -1)
