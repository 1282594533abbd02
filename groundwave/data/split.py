"""Splits that keep every group (recording, device, room, subject) whole, or refuse."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Protocol

import torch
from torch import Tensor

from groundwave.errors import SplitError
from groundwave.rng import stable_hash


class Grouped(Protocol):
    """What a split needs to know of a source, without reading any IQ: `Store`, `Records` and `Windows` have it."""

    @property
    def classes(self) -> Sequence[str]:
        """Class names."""
        ...

    @property
    def group_names(self) -> Sequence[str]:
        """Group names."""
        ...

    @property
    def labels(self) -> Tensor:
        """Class index of each record, int64 `[N]`; -1 means unlabelled."""
        ...

    @property
    def groups(self) -> Tensor:
        """Group index of each record, int64 `[N]`; -1 means unknown."""
        ...


def split(
    source: Grouped, fractions: Mapping[str, float], *, seed: int, stratify: bool = False, indices: Tensor | None = None
) -> dict[str, Tensor]:
    """Deal whole groups to named parts, in the order of a hash of the group's *name*.

    The order of the records, their number and the group codes play no role, so the same recordings fall on the same
    side in any store. Fractions count groups, and each part gets at least one (with `stratify`: one of each class).

    Args:
        source: Where the groups come from.
        fractions: Share of the groups for each part; they sum to at most 1, the rest is left out.
        seed: Another seed deals the groups otherwise.
        stratify: Deal class by class (a group counts for its most frequent label), so that each part has each class.
        indices: Consider only these records, int64 `[M]`; all by default.

    Returns:
        For each part the indices of its records, int64, ascending.

    Raises:
        SplitError: Records of unknown group, fewer groups than parts (per class with `stratify`), bad fractions.
    """
    _check_fractions(fractions)
    chosen = torch.arange(len(source.groups)) if indices is None else indices.sort().values
    groups, labels = source.groups[chosen], source.labels[chosen]
    if bool((groups < 0).any()):
        raise SplitError(
            got=f"{int((groups < 0).sum())} records of unknown group",
            expected="a group (recording, device, room, subject) for each record",
            do="ingest with group information; a split by record would leak",
        )
    side = torch.full((len(source.group_names),), -1)
    for what, members in _strata(groups, labels, source.classes, stratify):
        ranked = sorted(members, key=lambda g: stable_hash(seed, "split", source.group_names[g]))
        start = 0
        for part, count in enumerate(_quotas(len(ranked), fractions, what)):
            side[ranked[start : start + count]] = part
            start += count
    return {name: chosen[side[groups] == part] for part, name in enumerate(fractions)}


def split_hash(parts: Mapping[str, Tensor]) -> str:
    """Return 12 hex digits that change when any record changes sides; part names and record order count, too."""
    digest = blake2b(digest_size=6)
    for name in sorted(parts):
        digest.update(f"{name}:{len(parts[name])};".encode())
        digest.update(parts[name].to(torch.int64).cpu().numpy().astype("<i8").tobytes())
    return digest.hexdigest()


def _check_fractions(fractions: Mapping[str, float]) -> None:
    total = sum(fractions.values())
    if not fractions or min(fractions.values()) <= 0 or total > 1 + 1e-9:
        raise SplitError(
            got=f"fractions {dict(fractions)} (sum {total:g})",
            expected="positive fractions that sum to at most 1",
            do="lower them",
        )


def parted_classes(labels: Tensor, groups: Tensor) -> tuple[list[int], list[int]]:
    """Return the classes whose records are of two groups or more, and those of one, of which no honest test exists."""
    pairs = torch.stack([labels, groups], dim=1)[labels >= 0].unique(dim=0)
    classes, counts = pairs[:, 0].unique(return_counts=True)
    return classes[counts > 1].tolist(), classes[counts == 1].tolist()


def majority_labels(groups: Tensor, labels: Tensor) -> dict[int, int]:
    """Return each group's most frequent label (the lowest of equals); -1 when none of its records has one."""
    found, number = torch.unique(groups, return_inverse=True)
    known = labels >= 0
    num_labels = int(labels.max()) + 1 if known.any() else 1
    pair, count = torch.unique(number[known] * num_labels + labels[known], return_counts=True)
    ranked = pair[count.argsort(descending=True, stable=True)]  # pairs ascend, so the lowest of equals comes first
    rank = torch.arange(len(ranked))
    first = torch.full((len(found),), len(ranked)).scatter_reduce(0, ranked // num_labels, rank, "amin")
    majority = torch.cat([ranked % num_labels, torch.tensor([-1])])[first]
    return dict(zip(found.tolist(), majority.tolist(), strict=True))


def _strata(groups: Tensor, labels: Tensor, classes: Sequence[str], stratify: bool) -> list[tuple[str, list[int]]]:
    if not stratify:
        return [("the data", torch.unique(groups).tolist())]
    strata: dict[int, list[int]] = {}
    for group, label in majority_labels(groups, labels).items():
        strata.setdefault(label, []).append(group)
    return [(f"class {classes[c]!r}" if c >= 0 else "unlabelled data", g) for c, g in sorted(strata.items())]


def _quotas(num_groups: int, fractions: Mapping[str, float], what: str) -> list[int]:
    """Return how many groups each part gets: largest remainders, but at least one each."""
    if num_groups < len(fractions):
        raise SplitError(
            got=f"{num_groups} group{'s'[: num_groups != 1]} of {what} for {len(fractions)} parts",
            expected="at least one group for each part",
            do="gather more recordings, or ask for fewer parts; a group is never torn apart",
        )
    wanted = [num_groups * fraction for fraction in fractions.values()]
    total = min(num_groups, max(len(wanted), round(sum(wanted))))
    counts = [max(1, int(share)) for share in wanted]
    while sum(counts) != total:
        step = 1 if sum(counts) < total else -1
        open_parts = [i for i, count in enumerate(counts) if step > 0 or count > 1]
        counts[max(open_parts, key=lambda i: step * (wanted[i] - counts[i]))] += step
    return counts


def first_of_each(groups: Tensor) -> Tensor:
    """Return the first record of each group `[N]`, ascending."""
    _, number = groups.unique(return_inverse=True)
    nowhere = torch.full((int(number.max()) + 1,), len(groups))
    return nowhere.scatter_reduce(0, number, torch.arange(len(groups)), "amin").sort().values
