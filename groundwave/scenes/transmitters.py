"""Clean IQ for many emitters, each of its own class and length, made class by class."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

from groundwave.scenes.air import Air
from groundwave.scenes.waveforms import WAVEFORMS
from groundwave.signal.spectrum import squared_magnitude

SILENT = 1e-3  # mean power of what falls between pulses or packets; the waveforms' own is about 1


def transmissions(
    classes: Sequence[str], label: Tensor, count: Tensor, samples_per_symbol: int, *, generator: Generator
) -> list[Tensor]:
    """Return complex64 `[count]` for each emitter, none of them silent.

    Args:
        classes: names in `WAVEFORMS`.
        label: int64 `[emitters]`, the class of each.
        count: int64 `[emitters]`, the samples wanted of each.
        samples_per_symbol: the inverse of every waveform's nominal bandwidth.
        generator: source of randomness.
    """
    sent = [torch.empty(0)] * len(label)
    for number in label.unique().tolist():
        rows = (label == number).nonzero().squeeze(1)
        waveform = WAVEFORMS[classes[number]]
        air = Air(samples_per_symbol, samples_per_symbol * (waveform.bandwidth_hz or 1.0))
        made = waveform(len(rows), int(count[rows].max()), air, generator)
        starts = _starts(made, count[rows], generator)
        for i, (row, start, num) in enumerate(zip(rows.tolist(), starts, count[rows].tolist(), strict=True)):
            sent[row] = made[i, start : start + num]
    return sent


def _starts(made: Tensor, count: Tensor, generator: Generator) -> list[int]:
    """Return where to cut each row: at its start, or if there is silence, anywhere with half the most that there is."""
    energy = pad(squared_magnitude(made).cumsum(1), (1, 0))
    starts = torch.zeros_like(count)
    for row in (energy.gather(1, count[:, None]).squeeze(1) < SILENT * count).nonzero().squeeze(1).tolist():
        held = energy[row, int(count[row]) :] - energy[row, : energy.shape[1] - int(count[row])]
        lively = (held >= 0.5 * held.max()).nonzero().squeeze(1)
        starts[row] = lively[torch.randint(len(lively), (), generator=generator)]
    found: list[int] = starts.tolist()
    return found
