"""Hints about the sample rate: how much of the band each class fills."""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from groundwave.audit.finding import Finding, Outcome, names
from groundwave.audit.sample import Sample
from groundwave.page import PALETTE, Table, clean, new_figure
from groundwave.signal.spectrum import power_spectrum

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST = 5
FULL, SPARSE = 0.92, 1 / 16
CONTRAST = 2.0  # of the strongest bin over the floor, below which there is no bandwidth to speak of


def bandwidth(iq: Tensor, fraction: float = 0.99) -> float:
    """Return the width that holds a fraction of the signal's power, in cycles per sample; NaN where nothing stands out.

    From the mean spectrum of records `[n, time]`, whose floor is taken off. The width includes how far the centre moves
    from record to record.
    """
    num_bins = min(1024, iq.shape[-1])
    level = power_spectrum(iq, num_bins).mean(0)
    floor = quietest(level)
    if level.max() < CONTRAST * (1 + 4 / math.sqrt(len(iq))) * floor:  # chance alone makes few records ragged
        return math.nan
    cumulative = (level - floor).cumsum(0)
    share = cumulative / cumulative[-1]
    inside = (share >= (1 - fraction) / 2) & (share <= (1 + fraction) / 2)
    return max(1, int(inside.sum())) / num_bins


def quietest(level: Tensor) -> Tensor:
    """Return the mean of the sixteenth of a spectrum `[freq]`, in one piece, where it is the lowest."""
    width = max(3, len(level) // 16)
    return torch.cat([level, level[: width - 1]]).unfold(0, width, 1).mean(1).min()


def check_rate(sample: Sample) -> Outcome:
    """Measure the occupied bandwidth of each class at its highest SNRs."""
    rows = sample.members(sample.strong() & ~sample.clipped, LEAST)  # clipping spreads a spectrum over the band
    widths = {name: bandwidth(sample.unit(here)) for name, here in rows.items()}
    known = {name: width for name, width in widths.items() if not math.isnan(width)}
    if not known:
        return Outcome(notes=["No class stands out of the noise: nothing to tell about the sample rate."])
    rate = sample.sample_rate_hz
    body = [
        [name, f"{width:.4f}", f"{1 / width:.1f}", f"{width * rate / 1e3:.2f}" if rate > 1 else "–"]
        for name, width in known.items()
    ]
    table = Table(["class", "99 % bandwidth (cycles per sample)", "oversampling", "bandwidth (kHz)"], body)
    full = [name for name, width in known.items() if width > FULL]
    widest = max(known.values())
    notes = [f"The widest class fills {100 * widest:.0f} % of the band."]
    if widest < SPARSE:
        notes.append(f"All fit into 1/{int(1 / widest)} of the band: decimating loses nothing and takes noise away.")
    caption = "Mean spectrum of each class at its highest SNRs; records at unit power."
    figure = _picture({name: sample.unit(rows[name]) for name in known})
    return Outcome(_findings(full, widest), notes, [table], {caption: figure})


def _picture(records: "dict[str, Tensor]") -> "Figure":
    columns = min(6, len(records))
    lines = math.ceil(len(records) / columns)
    grid = {"nrows": lines, "ncols": columns, "squeeze": False, "sharex": True, "sharey": True}
    figure, panels = new_figure(1.6 * columns + 0.6, 1.2 * lines + 0.7, **grid)
    for axes in panels.flat[len(records) :]:
        axes.set_visible(False)
    for axes, (name, iq) in zip(panels.flat, records.items(), strict=False):
        num_bins = min(256, iq.shape[-1])
        level = 10 * torch.log10(power_spectrum(iq, num_bins).mean(0).clamp(min=1e-8))
        axes.plot(torch.linspace(-0.5, 0.5, num_bins + 1)[:-1], level, color=PALETTE[0], linewidth=0.9)
        axes.set_title(name, fontsize=8)
        clean(axes)
        axes.grid(alpha=0.25)
    figure.supxlabel("frequency (cycles per sample)", fontsize=8)
    figure.supylabel("power (dB)", fontsize=8)
    return figure


def _findings(full: list[str], widest: float) -> list[Finding]:
    if not full:
        return []
    return [
        Finding(
            what=f"Signals reach the edges of the band: {names(full)}.",
            evidence=f"99 % of the power takes up to {100 * widest:.0f} % of the sampled band",
            value=widest,
            limit=FULL,
            why="What lies beyond the edges is folded back, and no part of the band shows the noise alone.",
            do="Sample faster, or filter to the channel before decimating.",
            about=full,
        )
    ]
