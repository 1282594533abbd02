"""The energy detector: what is louder than noise alone would be, at a false-alarm rate that is chosen beforehand."""

import torch
from jaxtyping import Bool, Float
from scipy.stats import gamma
from torch import Tensor

CLIPPED = 0.01  # share of noise cells that the search for the floor takes for signals
MOST_ROUNDS = 100


def energy_threshold(false_alarm: float, num_cells: int = 1) -> float:
    """Return the mean power of `num_cells` independent noise cells, over the noise power, exceeded that rarely.

    The power of a cell of white Gaussian noise is exponential, that of n together is gamma distributed (Urkowitz, 1967;
    chi-square of 2 n degrees of freedom). Of one cell the threshold is -ln(false_alarm).
    """
    return float(gamma.isf(false_alarm, num_cells) / num_cells)


def energy_detection(false_alarm: float, snr_db: float, num_cells: int = 1) -> float:
    """Return how probably `num_cells` independent cells of a Gaussian signal in noise exceed the threshold."""
    scale = 1 + 10 ** (snr_db / 10)
    return float(gamma.sf(energy_threshold(false_alarm, num_cells) * num_cells / scale, num_cells))


def noise_floor(
    power: Float[Tensor, "*batch cells"], num_averaged: int = 1, start: float = 0.1
) -> Float[Tensor, "*batch"]:
    """Return the noise power beside signals; the lowest `start` of the cells must be noise alone.

    Forward consecutive mean excision (Lehtomäki et al., 2005): the mean of the lowest cells sets a threshold that 1 %
    of noise exceeds whose cells are the mean of `num_averaged` windows, all cells below it set the next, until none is
    added; the mean of what such a threshold leaves is put right by its closed form. Signals that fill more than half
    of the cells mislead it unless they are strong (30 dB).
    """
    ascending = power.double().sort(dim=-1).values
    means = ascending.cumsum(-1) / torch.arange(1, power.shape[-1] + 1, device=power.device)
    threshold = energy_threshold(CLIPPED, num_averaged)
    last = torch.full((*power.shape[:-1], 1), max(1, round(start * power.shape[-1])) - 1, device=power.device)
    for _ in range(MOST_ROUNDS):
        below = torch.searchsorted(ascending, threshold * means.gather(-1, last), right=True) - 1
        grown = torch.maximum(last, below)
        if grown.equal(last):
            break
        last = grown
    kept = float(gamma.cdf(threshold * num_averaged, num_averaged + 1)) / (1 - CLIPPED)  # mean below the threshold
    return (means.gather(-1, last).squeeze(-1) / kept).to(power.dtype)


def energy_over_floor(
    spec: Float[Tensor, "batch freq time"], num_frames: int = 1, num_averaged: int = 1
) -> tuple[Float[Tensor, "batch freq time"], Float[Tensor, " time"]]:
    """Return each cell's power over its record's noise power, averaged over frames, and how many frames that are.

    Args:
        spec: decibels.
        num_frames: frames averaged at each place, an odd number; less at both ends.
        num_averaged: windows that each frame of `spec` already is the mean power of.
    """
    power = 10 ** (spec / 10)
    power = power / noise_floor(power.flatten(1), num_averaged)[:, None, None]
    window = torch.ones(1, 1, 1, num_frames, device=spec.device)
    places = torch.ones(1, 1, 1, spec.shape[-1], device=spec.device)
    total, count = (torch.conv2d(x, window, padding=(0, num_frames // 2)) for x in (power.unsqueeze(1), places))
    return (total / count).squeeze(1), count.flatten()


def energy_occupancy(
    spec: Float[Tensor, "batch freq time"], false_alarm: float = 0.01, num_frames: int = 1, num_averaged: int = 1
) -> Bool[Tensor, "batch freq time"]:
    """Return which cells hold more energy than noise alone has, but for `false_alarm` of the noise cells.

    The rate holds for frames that share no samples (a hop of the window's length), see `energy_over_floor`.
    """
    energy, count = energy_over_floor(spec, num_frames, num_averaged)
    thresholds = [energy_threshold(false_alarm, int(n) * num_averaged) for n in count.tolist()]
    return energy > torch.tensor(thresholds, device=spec.device)
