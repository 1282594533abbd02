"""LSM: contrast what several encoders see in two views of a signal."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from groundwave.contracts import Record, View
from groundwave.errors import GroundwaveError, lookup
from groundwave.nn.heads import ProjectionHead
from groundwave.nn.lsm import LSM
from groundwave.pretrain.contrastive import nt_xent
from groundwave.pretrain.objective import ViewObjective, kin

FUSED = "fused"  # in a term: the features of all its towers side by side


class LSMObjective(ViewObjective):
    """Two random views of each record; the towers must agree on which views belong together.

    A term `("time", "frequency")` contrasts the time tower's view 1 with the frequency tower's view 2. As published it
    is the only one, straight on the features (`projection=0`); ours adds a projector per tower, terms within towers and
    one of all towers' features side by side, `("fused", "fused")`.

    Args:
        backbone: the towers.
        views: perturbations drawn independently for the two views of a record.
        terms: pairs of towers to contrast; `fused` stands for all towers that are named.
        temperature: of NT-Xent; 0.5 as published.
        projection: width of the contrastive space; 0 means the features themselves, which must then be equally wide.
        answer: the downstream answer, when known: views that destroy it are refused.
    """

    backbone: LSM

    def __init__(
        self,
        backbone: LSM,
        views: Sequence[View],
        terms: Sequence[tuple[str, str]] = (("time", "frequency"), ("time", "time"), ("frequency", "frequency")),
        temperature: float = 0.2,
        projection: int = 128,
        answer: str | None = None,
    ) -> None:
        if not isinstance(backbone, LSM):
            raise GroundwaveError(
                got=f"objective lsm on a {type(backbone).__name__}",
                expected="a backbone with towers to contrast",
                do="pretrain --backbone lsm; an encoder alone can be one of its towers",
            )
        super().__init__(backbone, views, answer)
        self.temperature = temperature
        self.terms = tuple((first, second) for first, second in terms)
        named = dict.fromkeys(name for term in self.terms for name in term)
        # Only the looks that a term asks for are taken; all of them by all towers where those are fused.
        self.looks = {x: tuple(v for v in (0, 1) if any(x == term[v] for term in self.terms)) for x in named}
        if FUSED in named:
            self.looks = dict.fromkeys(named, (0, 1))
        self.contrasted = [name for name in named if name != FUSED]
        widths = {name: lookup(backbone.sizes, name, "tower") for name in self.contrasted}
        if FUSED in named:
            widths[FUSED] = sum(widths.values())
        self.projectors = nn.ModuleDict(
            {name: ProjectionHead(width, projection) if projection else nn.Identity() for name, width in widths.items()}
        )

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the mean of the terms, and each term to log."""
        views = self.look_twice(record, generator)
        features = {
            name: self.backbone.towers[name](torch.cat([views[v] for v in self.looks[name]]))
            for name in self.contrasted
        }
        if FUSED in self.looks:
            features[FUSED] = torch.cat(list(features.values()), dim=-1)
        projected = {
            name: dict(zip(looks, self.projectors[name](features[name]).chunk(len(looks)), strict=True))
            for name, looks in self.looks.items()
        }
        group = kin(record)
        losses = {f"{a}-{b}": nt_xent(projected[a][0], projected[b][1], self.temperature, group) for a, b in self.terms}
        return {"loss": torch.stack(list(losses.values())).mean(), **{k: v.detach() for k, v in losses.items()}}
