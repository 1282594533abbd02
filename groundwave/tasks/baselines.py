"""Answers without a network: energy detector, Bayes' rule cell by cell; persistence, the mean, autoregression."""

from collections.abc import Callable

import torch
from torch import Tensor

from groundwave.signal.energy import energy_over_floor

RIDGE = 1e-3  # keeps the normal equations of a row that never changes solvable

Forecast = Callable[[Tensor, int, int], Tensor]


def energy_detector(spec: Tensor, num_frames: int = 1, num_averaged: int = 1) -> Tensor:
    """Return how surely each cell holds more than noise: one less the chance of noise alone being as loud.

    A threshold of 1 - p is that of `groundwave.signal.energy.energy_threshold` for a false-alarm rate of p.

    Args:
        spec: decibels `[B, freq, time]`.
        num_frames: frames averaged at each place, an odd number.
        num_averaged: windows that each frame already is the mean power of.

    Returns:
        float64 `[B, 2, freq, time]`: free and occupied, as `Occupancy` takes probabilities.
    """
    energy, count = energy_over_floor(spec, num_frames, num_averaged)
    cells = (count * num_averaged).double()
    free = torch.special.gammaincc(cells.expand_as(energy), energy.double() * cells)
    return torch.stack([free, 1 - free], dim=1)


class LevelTable:
    """Bayes' rule for each cell by itself: how often each class was met at that frequency and level.

    Levels are whole decibels over the median of the spectrogram, cut at -20 and 60 dB.

    Args:
        num_classes: number of classes.
        num_freqs: rows of the spectrograms.
    """

    NUM_LEVELS = 81

    def __init__(self, num_classes: int, num_freqs: int) -> None:
        self.counts = torch.ones(num_classes, num_freqs, self.NUM_LEVELS)

    def add(self, spec: Tensor, mask: Tensor) -> None:
        """Count the classes `[B, freq, time]` of cells, in decibels `[B, freq, time]`."""
        row = torch.arange(spec.shape[1])[:, None].expand(spec.shape)
        places = (mask.long() * spec.shape[1] + row) * self.NUM_LEVELS + self._levels(spec)
        self.counts += torch.bincount(places.flatten(), minlength=self.counts.numel()).view_as(self.counts)

    def __call__(self, spec: Tensor) -> Tensor:
        """Return probabilities `[B, classes, freq, time]`."""
        share = self.counts / self.counts.sum(dim=0)
        row = torch.arange(spec.shape[1])[:, None].expand(spec.shape)
        return share[:, row, self._levels(spec)].transpose(0, 1)

    def _levels(self, spec: Tensor) -> Tensor:
        over = spec.float() - spec.float().flatten(1).median(dim=1).values[:, None, None]
        return (over.round() + 20).clamp(0, self.NUM_LEVELS - 1).long()


def persistence(past: Tensor, slice: int, num_slices: int) -> Tensor:
    """Return the last slice again and again.

    Args:
        past: how probably each cell was occupied, float32 `[B, freq, time]`.
        slice: frames of a slice.
        num_slices: how many slices to predict.

    Returns:
        How probably each cell of the future is occupied, float32 `[B, freq, num_slices * slice]`.
    """
    return past[..., -slice:].repeat(1, 1, num_slices)


def mean_occupancy(past: Tensor, slice: int, num_slices: int) -> Tensor:
    """Return the share of the past in which each frequency was occupied; arguments as for `persistence`."""
    return past.mean(dim=-1, keepdim=True).expand(-1, -1, num_slices * slice)


def autoregression(past: Tensor, slice: int, num_slices: int, order: int = 3) -> Tensor:
    """Return each frequency's occupied share of a slice, regressed on its last `order` slices and rolled out.

    Least squares with a constant, for each record and frequency by itself, on all slices of its past; a forecast takes
    the place of what has not happened yet. Arguments as for `persistence`; the first frames of a past that is no whole
    number of slices are left out, and with too few slices the order is lowered.
    """
    whole = past.shape[-1] // slice
    shares = past[..., past.shape[-1] - whole * slice :].unflatten(-1, (whole, slice)).mean(dim=-1).double()
    order = max(0, min(order, whole - 1 - order))
    weight = _least_squares(shares, order)
    for _ in range(num_slices):
        known = _with_constant(shares[..., shares.shape[-1] - order :])
        shares = torch.cat([shares, (known * weight).sum(dim=-1, keepdim=True)], dim=-1)
    future: Tensor = shares[..., whole:].clamp(0, 1).repeat_interleave(slice, dim=-1)
    return future.to(past.dtype)


def _least_squares(shares: Tensor, order: int) -> Tensor:
    """Return the weights `[B, freq, order + 1]` (oldest first, then the constant) that predict each slice best."""
    windows = shares.unfold(-1, order + 1, 1)
    known, wanted = _with_constant(windows[..., :-1]), windows[..., -1:]
    gram = known.mT @ known + RIDGE * torch.eye(order + 1, dtype=shares.dtype, device=shares.device)
    weight: Tensor = torch.linalg.solve(gram, known.mT @ wanted)
    return weight.squeeze(-1)


def _with_constant(known: Tensor) -> Tensor:
    return torch.cat([known, known.new_ones(*known.shape[:-1], 1)], dim=-1)


FORECASTS: dict[str, Forecast] = {
    "autoregression": autoregression,
    "mean occupancy": mean_occupancy,
    "persistence": persistence,
}
