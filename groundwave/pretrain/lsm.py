"""LSM: contrast the time view of a signal with its frequency view."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from groundwave.contracts import Record, View
from groundwave.nn.complex import to_channels
from groundwave.nn.heads import ProjectionHead
from groundwave.nn.lsm import LSM
from groundwave.pretrain.contrastive import nt_xent
from groundwave.views import Compose, check_views


class LSMObjective(nn.Module):
    """Two random views of each record; the towers must agree on which belong together.

    As published, the only term is time of view 1 against frequency of view 2, straight on the features (`projection=0`,
    `terms=("time-frequency",)`). Ours adds a projector per tower and the terms within each tower.

    Args:
        backbone: the two towers.
        views: perturbations drawn independently for the two views of a record.
        temperature: of NT-Xent; 0.5 as published.
        projection: width of the contrastive space; 0 means the features themselves, which must then be equally wide.
        terms: which pairs are contrasted.
        answer: the downstream answer, when known: views that destroy it are refused.
    """

    def __init__(
        self,
        backbone: LSM,
        views: Sequence[View],
        temperature: float = 0.2,
        projection: int = 128,
        terms: Sequence[str] = ("time-frequency", "time-time", "frequency-frequency"),
        answer: str | None = None,
    ) -> None:
        super().__init__()
        if answer is not None:
            check_views(views, answer)
        self.backbone = backbone
        self.view = Compose(views)
        self.temperature = temperature
        self.terms = tuple(terms)
        self.projectors = nn.ModuleDict(
            {
                name: ProjectionHead(tower.num_features, projection) if projection else nn.Identity()
                for name, tower in (("time", backbone.time), ("frequency", backbone.frequency))
            }
        )

    def forward(self, record: Record, generator: Generator) -> dict[str, Tensor]:
        """Return the mean of the chosen terms, and each term to log."""
        first, second = (to_channels(self.view(record, generator)["iq"]) for _ in range(2))
        both = torch.cat([first, second])
        time_1, time_2 = self.projectors["time"](self.backbone.time(both)).chunk(2)
        frequency_1, frequency_2 = self.projectors["frequency"](self.backbone.frequency(both)).chunk(2)
        pairs = {
            "time-frequency": (time_1, frequency_2),
            "frequency-time": (frequency_1, time_2),
            "time-time": (time_1, time_2),
            "frequency-frequency": (frequency_1, frequency_2),
        }
        losses = {term: nt_xent(*pairs[term], self.temperature) for term in self.terms}
        return {"loss": torch.stack(list(losses.values())).mean(), **{k: v.detach() for k, v in losses.items()}}
