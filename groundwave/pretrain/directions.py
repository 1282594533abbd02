"""Directions of several sources, learned as peaks of a beamspace."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from groundwave.contract import Contract
from groundwave.contracts import Record, Source, View
from groundwave.errors import DataError, GroundwaveError
from groundwave.model import Model
from groundwave.nn.beamspace import Beamspace, cell_turns
from groundwave.nn.peaks import PeakHead
from groundwave.pretrain.direction import looked
from groundwave.pretrain.objective import LabelledObjective
from groundwave.signal.array import planar_array, steering, unit_vector
from groundwave.signal.direction import covariance, fit_response

OUTPUTS = ("azimuth", "elevation", "probability")  # of each peak, as a model with a `PeakHead` calls them

_SPREAD = 0.6  # cells: standard deviation of the hill around a source that the level should have
_STEP_WEIGHT = 4.0
_MEASURED, _AT_ONCE = 4000, 500  # records, at most, that measure the response, and are held at once
_WEAKEST = 0.03  # of its strongest part: below it records say nothing of a part
_SMALL = 0.02  # cells: below it the loss of a step is quadratic


class Directions(LabelledObjective):
    """Peaks of a beamspace, one for each of a record's sources: how surely there is one at a cell, and how far off.

    The level's loss is the cross entropy with a hill around each source; of one source, that of a distribution over the
    cells with the nearest one. That of the steps is linear but for small errors, and counts where a source is. Before
    the first step the array's response is measured (`fit_response`) from records of one source among the first 4000,
    and kept; of what they do not tell it stays the identity, as where all of them are level. With fewer of them than
    pairs of elements it is learned like everything else. Trained, it leaves a model with its
    `PeakHead`.

    Args:
        backbone: a `Beamspace`.
        views: perturbations of the records.
        contract: of the records.
        num_sources: how many peaks the trained model tells.
        answer: the downstream answer, when known: views that destroy it are refused.
    """

    def __init__(
        self,
        backbone: nn.Module,
        views: Sequence[View],
        contract: Contract,
        num_sources: int = 1,
        answer: str | None = None,
    ) -> None:
        super().__init__(backbone, views, answer)
        if not isinstance(backbone, Beamspace):
            raise GroundwaveError(
                f"a {type(backbone).__name__}", "a backbone whose cells are directions", "choose beamspace"
            )
        self.contract, self.sides, self.spacing = contract, backbone.sides, backbone.spacing
        self.args: dict[str, Any] = {
            "num_features": backbone.num_features,
            "num_sources": num_sources,
            "spacing": backbone.spacing,
        }
        self.head = PeakHead(**self.args)

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the loss and its two terms."""
        backbone: Any = self.backbone
        picture = self.head(backbone.tokens(looked(self, record, generator)), self.sides).float()
        apart = cells_to(known_directions(record), self.sides, self.spacing)
        if self.head.num_sources == 1:
            nearest = apart.square().sum(2).flatten(1).argmin(1)
            hills = F.one_hot(nearest, math.prod(self.sides)).view(-1, 1, *self.sides)
            level = F.cross_entropy(picture[:, 0].flatten(1), nearest)
        else:
            hills = torch.exp(-apart.square().sum(2) / (2 * _SPREAD**2)).nan_to_num(0.0)  # [B, source, rows, columns]
            wanted = hills.amax(1)
            level = F.binary_cross_entropy_with_logits(picture[:, 0], wanted, reduction="none").sum((1, 2)).mean()
        off = F.smooth_l1_loss(
            picture[:, None, 1:].expand_as(apart), apart.nan_to_num(0.0), reduction="none", beta=_SMALL
        )
        step = (off.sum(2) * hills).sum() / hills.sum()
        return {"loss": level + _STEP_WEIGHT * step, "level": level.detach(), "step": step.detach()}

    def begin(self, source: Source, indices: Tensor) -> None:
        """Measure the response of the array."""
        backbone: Any = self.backbone
        matrices, angles = [], []
        for rows in indices[:_MEASURED].split(_AT_ONCE):
            record = source[rows]
            matrix, angle = covariance(record[self.contract.modality]), known_directions(record)
            alone = (angle.isfinite().all(-1).sum(1) == 1) & matrix.isfinite().all(-1).all(-1)
            matrices.append(matrix[alone])
            angles.append(angle[alone, 0])
        matrix, angle, num = torch.cat(matrices), torch.cat(angles), backbone.response.shape[-1]
        if num == 1 or len(matrix) < num**2:
            return
        down, across = backbone.size
        ideal = steering(planar_array(down, across, backbone.spacing), angle)
        response = filled(fit_response(matrix, ideal))
        response = response * (num**0.5 / response.norm())
        with torch.no_grad():
            backbone.response.copy_(torch.stack([response.real, response.imag]))
        backbone.response.requires_grad_(False)

    def finished(self, model: Model, record: Record, classes: Sequence[str]) -> Model:
        """Return the model with its head."""
        return model.with_head("peaks", self.head, self.args, OUTPUTS)


def filled(response: Complex[Tensor, "antenna antenna"]) -> Complex[Tensor, "antenna antenna"]:
    """Return a response that is the identity, as strong as the rest, where records tell nothing of it."""
    left, strength, right = torch.linalg.svd(response)
    told = strength > _WEAKEST * strength[0]
    heard = right[told]
    unheard = torch.eye(len(response)) - heard.mH @ heard
    filled_up: Tensor = (left[:, told] * strength[told]) @ heard + strength[told].mean() * unheard
    return filled_up


def known_directions(record: Record) -> Tensor:
    """Return azimuth and elevation `[B, source, 2]`, NaN beyond a record's; raises `DataError` for one without any."""
    angle = record.get("angle", torch.empty(0))
    if angle.dim() != 3 or not bool(angle.isfinite().all(-1).any(1).all()):
        raise DataError(
            got="records without directions",
            expected="one direction at least for each record",
            do="generate angles, or choose an objective that learns from something else",
        )
    return angle


def cells_to(
    angle: Float[Tensor, "batch source 2"], sides: tuple[int, int], spacing: float
) -> Float[Tensor, "batch source 2 rows columns"]:
    """Return how far from each cell a direction is along rows and columns, in cells: the shorter way round."""
    towards = unit_vector(angle)
    rows, columns = sides
    parts = []
    for along, side, shape in ((2, rows, (rows, 1)), (1, columns, (1, columns))):
        turns = spacing * towards[..., along, None] - cell_turns(side).to(angle)
        parts.append((side * (turns - turns.round())).unflatten(-1, shape).expand(*angle.shape[:2], rows, columns))
    return torch.stack(parts, 2)
