"""N-way K-shot episodes whose support and query never share a group."""

from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor

from groundwave.data.split import majority_labels
from groundwave.errors import SplitError

MAX_TRIES = 100  # redraws of which groups lend support and which lend queries, before giving up


def episodes(
    labels: Tensor,
    groups: Tensor | None,
    *,
    num_shots: int,
    num_episodes: int,
    generator: Generator,
    num_queries: int | None = None,
    classes: Sequence[int] | None = None,
    num_ways: int | None = None,
    support_pool: Tensor | None = None,
    query_pool: Tensor | None = None,
    names: Sequence[str] | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw episodes of (support, query) record indices.

    Groups that occur in both pools are dealt anew for each episode: class by class, a random half lends support and
    the other half queries. Groups of one pool only stay there.

    Args:
        labels: Class of each record, int64 `[N]`; -1 is never drawn.
        groups: Group of each record, int64 `[N]`; None lets support and query share groups (but no record).
        num_shots: Support records per class.
        num_episodes: Episodes to draw.
        generator: Where the randomness comes from.
        num_queries: Query records per class; None takes all that are left.
        classes: Class indices in play; by default all that the support pool holds.
        num_ways: Classes per episode, drawn from those; by default all of them.
        support_pool: Record indices that support may use; all by default.
        query_pool: Record indices that queries may use; all by default.
        names: What errors call the classes; their numbers by default.

    Yields:
        Support indices `[num_ways * num_shots]` and query indices, both ordered by class.

    Raises:
        SplitError: No honest episode exists: too few classes, groups or records.
    """
    for name, number in (("num_shots", num_shots), ("num_episodes", num_episodes)):
        if number < 1:
            raise SplitError(f"{name} {number}", "at least 1", "raise it")
    everything = torch.arange(len(labels))
    pools = [everything if pool is None else pool for pool in (support_pool, query_pool)]
    present = torch.unique(labels[pools[0]])
    in_play = torch.tensor(classes) if classes is not None else present[present >= 0]
    ways = len(in_play) if num_ways is None else num_ways
    if not 1 < ways <= len(in_play):
        raise SplitError(f"{len(in_play)} classes for {ways}-way episodes", "at least two, and enough", "add classes")
    for _ in range(num_episodes):
        drawn = in_play[torch.randperm(len(in_play), generator=generator)[:ways]].sort().values.tolist()
        yield _episode(labels, groups, pools, drawn, num_shots, num_queries, generator, names)


def _episode(
    labels: Tensor,
    groups: Tensor | None,
    pools: list[Tensor],
    classes: list[int],
    num_shots: int,
    num_queries: int | None,
    generator: Generator,
    names: Sequence[str] | None,
) -> tuple[Tensor, Tensor]:
    """Deal groups and draw records, and try again when a class runs short on one side."""
    support_pool, query_pool = (pool[torch.isin(labels[pool], torch.tensor(classes))] for pool in pools)
    dealer = None if groups is None else _Dealer(labels, groups, support_pool, query_pool)
    shortage = ""
    for _ in range(MAX_TRIES):
        lending, asking = dealer.deal(generator) if dealer else (support_pool, query_pool)
        support, query = [], []
        for label in classes:
            shots = _draw(lending[labels[lending] == label], num_shots, generator)
            rest = asking[labels[asking] == label]
            rest = rest[~torch.isin(rest, shots)]
            if len(shots) < num_shots or len(rest) < (num_queries or 1):
                shortage = (
                    f"class {names[label] if names else label} with {len(shots)} support and {len(rest)} query records"
                )
                break
            support.append(shots)
            query.append(rest if num_queries is None else _draw(rest, num_queries, generator))
        else:
            return torch.cat(support), torch.cat(query)
        if dealer is None:
            break
    raise SplitError(
        got=f"{shortage} when no group is shared",
        expected=f"{num_shots} support and {num_queries or 'some'} query records for each class",
        do="leave this class out, ask for fewer shots, or gather more recordings of it",
    )


class _Dealer:
    """Deals the groups that both pools hold; a half of each class's groups lends support."""

    def __init__(self, labels: Tensor, groups: Tensor, support_pool: Tensor, query_pool: Tensor) -> None:
        self._groups, self._pools = groups, (support_pool, query_pool)
        support_groups, query_groups = groups[support_pool], groups[query_pool]
        if bool((support_groups < 0).any()) or bool((query_groups < 0).any()):
            raise SplitError("records of unknown group", "a group for each record", "ingest with group information")
        both = torch.unique(torch.cat([support_pool, query_pool]))
        shared = both[torch.isin(groups[both], support_groups) & torch.isin(groups[both], query_groups)]
        self._by_class: dict[int, list[int]] = {}
        for group, label in majority_labels(groups[shared], labels[shared]).items():
            self._by_class.setdefault(label, []).append(group)

    def deal(self, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return the support and query pools of one episode, which share no group."""
        lending: list[int] = []
        for shared in self._by_class.values():
            order = torch.randperm(len(shared), generator=generator).tolist()
            # With an odd number of groups the larger half falls on either side, so that neither is favoured.
            extra = int(torch.randint(2, (), generator=generator)) if len(shared) % 2 else 0
            lending += [shared[i] for i in order[: len(shared) // 2 + extra]]
        support_pool, query_pool = self._pools
        shared_groups = torch.tensor([g for groups in self._by_class.values() for g in groups], dtype=torch.int64)
        lent = torch.tensor(lending, dtype=torch.int64)
        asked = shared_groups[~torch.isin(shared_groups, lent)]
        return (
            support_pool[~torch.isin(self._groups[support_pool], asked)],
            query_pool[~torch.isin(self._groups[query_pool], lent)],
        )


def _draw(pool: Tensor, count: int, generator: Generator) -> Tensor:
    return pool[torch.randperm(len(pool), generator=generator)[:count]]
