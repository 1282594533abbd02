"""Masks as targets: checked against their spectrograms, and brought to another size without inventing classes."""

import torch
from torch import Tensor
from torch.nn import functional as F

from groundwave.contracts import Record
from groundwave.errors import DataError


def resize_mask(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Return masks `[B, freq, time]` of another size: each cell takes the class of the nearest old cell.

    Any interpolation between classes would invent third ones at their borders.
    """
    return F.interpolate(mask[:, None].double(), size, mode="nearest-exact")[:, 0].to(mask.dtype)


def checked_mask(record: Record, num_classes: int, *, resize: bool = False) -> Tensor:
    """Return a record's `mask` as int64 `[B, freq, time]`, one cell for each of its `spec`.

    Args:
        record: what holds both.
        num_classes: noise and the classes of signals; a mask holds numbers below.
        resize: whether a mask of another size is brought to that of the spectrogram; otherwise it is refused.

    Raises:
        DataError: no mask, no whole numbers, another size, or a class that there is not; told with its record.
    """
    mask, (freq, time) = record.get("mask"), record["spec"].shape[-2:]
    if mask is None or mask.is_floating_point() or mask.is_complex() or mask.dim() != 3:
        raise DataError(
            got="records without a mask" if mask is None else f"a mask of {mask.dtype} and shape {tuple(mask.shape)}",
            expected="whole numbers [records, freq, time]: 0 noise, class + 1 otherwise",
            do="take labelled records, or a task that needs no mask",
        )
    if mask.shape[1:] != (freq, time):
        if not resize:
            raise DataError(
                got=f"masks of {mask.shape[1]} by {mask.shape[2]} cells for spectrograms of {freq} by {time}",
                expected="a class for each cell",
                do="make both of one size, or ask the task to resize masks (nearest neighbour)",
            )
        mask = resize_mask(mask, (freq, time))
    mask = mask.long()
    strange = (mask < 0) | (mask >= num_classes)
    if bool(strange.any()):
        row = int(strange.flatten(1).any(dim=1).nonzero()[0])
        named = int(record["index"][row]) if "index" in record else row
        raise DataError(
            got=f"class {int(mask[strange][0])} in the mask of record {named}",
            expected=f"0 to {num_classes - 1}: noise and {num_classes - 1} classes",
            do="name all classes of the masks, or correct that mask",
        )
    return mask


def cross_entropy(scores: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross entropy of scores `[B, classes, ...]` over all cells of int64 `[B, ...]`."""
    return F.cross_entropy(scores.float(), target)


def soft_dice(scores: Tensor, target: Tensor) -> Tensor:
    """Return one less the mean Dice coefficient of the classes in `target` (Milletari et al., 2016, arXiv 1606.04797).

    Cells of a batch `[B, classes, ...]` against int64 `[B, ...]` are counted together, each class by itself: a rare one
    weighs as much as a frequent one. `2 sum(p t) / (sum p + sum t)`, without the squares of the source.
    """
    chance = scores.float().softmax(dim=1).movedim(1, -1).flatten(0, -2)
    truth = F.one_hot(target.flatten(), scores.shape[1]).to(chance)
    dice = 2 * (chance * truth).sum(0) / (chance.sum(0) + truth.sum(0))
    return 1 - dice[truth.any(0)].mean()


def occupied(probabilities: Tensor) -> Tensor:
    """Return how probably each cell is anything but noise: `[B, classes, ...]` to `[B, ...]`."""
    return 1 - probabilities[:, 0].double()


def cells_of(mask: Tensor) -> Tensor:
    """Return which cells are occupied, int64."""
    return (mask > 0).to(torch.int64)
