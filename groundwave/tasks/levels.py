"""Yes-or-no answers with probabilities, tallied: histograms from which any threshold's rates and the ROC follow."""

import torch
from torch import Tensor

from groundwave.metrics import Curve, binary_rates, roc

EDGE, PER_UNIT = 12.0, 20.0  # log odds beyond 12 (6e-6) are as one; 0.05 from level to level
NUM_LEVELS = int(2 * EDGE * PER_UNIT) + 1


def levels(probability: Tensor) -> Tensor:
    """Return the level of each probability: its log odds, rounded to 0.05 and counted from 0."""
    odds = probability.double().logit().clamp(-EDGE, EDGE)
    return ((odds + EDGE) * PER_UNIT).round().long()


def histogram(probability: Tensor, truth: Tensor) -> Tensor:
    """Return how often each level (column) occurs where the truth is no (row 0) and yes (row 1), int64."""
    pair = truth.long().flatten() * NUM_LEVELS + levels(probability).flatten()
    return torch.bincount(pair, minlength=2 * NUM_LEVELS).reshape(2, NUM_LEVELS)


def counts_at(table: Tensor, threshold: float) -> Tensor:
    """Return counts `[..., truth, answer]` where a level from the threshold's up is answered yes."""
    first = int(levels(torch.tensor(threshold)))
    return torch.stack([table[..., :first].sum(-1), table[..., first:].sum(-1)], dim=-1)


def rates_at(table: Tensor, threshold: float) -> dict[str, Tensor]:
    """Return detection, false alarms and F1 at a threshold."""
    return binary_rates(counts_at(table, threshold))


def curve(table: Tensor) -> Curve:
    """Return the receiver operating characteristic of one histogram."""
    return roc(*table.flip(0).cpu())


def best_threshold(table: Tensor) -> float:
    """Return the probability from which to answer yes so that F1, averaged over leading dimensions, is highest."""
    above = table.flip(-1).cumsum(-1).flip(-1)  # answered yes from each level up
    counts = torch.stack([table.sum(-1, keepdim=True) - above, above], dim=-1).transpose(-3, -2)
    f1 = binary_rates(counts)["F1"].reshape(-1, NUM_LEVELS).nan_to_num(0).mean(0)
    return float(torch.tensor(int(f1.argmax()) / PER_UNIT - EDGE, dtype=torch.float64).sigmoid())
