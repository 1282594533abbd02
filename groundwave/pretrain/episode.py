"""Episodes out of a labelled batch, and the objectives that are trained on them."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from groundwave.contracts import Record, View
from groundwave.errors import DataError
from groundwave.pretrain.objective import LabelledObjective, labels_of


class EpisodicObjective(LabelledObjective):
    """An objective that draws one episode from each batch it is given.

    Args:
        backbone: what is trained.
        views: perturbations of support and query.
        num_ways: classes per episode.
        num_shots: support records per class.
        num_queries: query records per class.
        answer: the downstream answer, when known: views that destroy it are refused.
    """

    def __init__(
        self,
        backbone: nn.Module,
        views: Sequence[View],
        num_ways: int = 5,
        num_shots: int = 5,
        num_queries: int = 10,
        answer: str | None = None,
    ) -> None:
        super().__init__(backbone, views, answer)
        self.num_ways, self.num_shots, self.num_queries = num_ways, num_shots, num_queries

    def rows(self, record: Record, generator: Generator) -> Tensor:
        """Return the rows of an episode, int64 `[num_ways, num_shots + num_queries]`."""
        return draw_episode(labels_of(record), self.num_ways, self.num_shots, self.num_queries, generator=generator)

    def draw(self, record: Record, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return views of an episode as channels `[num_ways * (num_shots + num_queries), channels, time]`.

        They are ordered by class, each class's support first; beside them the class of each query in the episode.
        """
        rows = self.rows(record, generator)
        chosen = {name: values[rows.flatten()] for name, values in record.items()}
        target = torch.arange(self.num_ways, device=rows.device).repeat_interleave(self.num_queries)
        return self.look(chosen, generator), target

    def part(self, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """Return the support `[num_ways, num_shots, ...]` and queries `[num_ways * num_queries, ...]` of an episode."""
        by_class = embedded.unflatten(0, (self.num_ways, self.num_shots + self.num_queries))
        return by_class[:, : self.num_shots], by_class[:, self.num_shots :].flatten(0, 1)


def draw_episode(label: Tensor, num_ways: int, num_shots: int, num_queries: int, *, generator: Generator) -> Tensor:
    """Return the rows of an episode, int64 `[num_ways, num_shots + num_queries]`, no row twice.

    Args:
        label: class of each record of the batch, `[B]`.
        num_ways: classes, drawn from those that have records enough.
        num_shots: support records per class.
        num_queries: query records per class.
        generator: where the randomness comes from.

    Raises:
        DataError: too few classes have records enough.
    """
    needed = num_shots + num_queries
    classes, counts = label.unique(return_counts=True)
    enough = classes[counts >= needed]
    if num_ways < 2 or len(enough) < num_ways:
        raise DataError(
            got=f"a batch in which {len(enough)} classes have {needed} records, for {num_ways}-way episodes",
            expected="two ways or more, and as many classes with records enough",
            do="raise the batch size, or lower num_ways, num_shots or num_queries",
        )
    chosen = enough[torch.randperm(len(enough), generator=generator, device=generator.device)[:num_ways]]
    order = torch.randperm(len(label), generator=generator, device=generator.device)
    return torch.stack([order[label[order] == c][:needed] for c in chosen])
