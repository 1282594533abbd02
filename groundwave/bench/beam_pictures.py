"""Figures of what tells beams apart: mistakes by the distance of beams, frequencies that count, calibration."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from groundwave.bench.pictures import MARKERS, Array
from groundwave.metrics import Reliability
from groundwave.page import PALETTE, clean, new_figure

FARTHEST = 6  # beams apart; what is farther is drawn together


def distance_picture(distances: Mapping[str, Array]) -> Figure:
    """Draw which share of the answers is how many beams off, by method; right answers are left out."""
    figure, axes = new_figure()
    width = 0.8 / len(distances)
    for i, (name, apart) in enumerate(distances.items()):
        clipped = np.minimum(np.abs(np.asarray(apart)), FARTHEST)
        shares = 100 * np.bincount(clipped, minlength=FARTHEST + 1)[1:] / max(1, len(clipped))
        at = np.arange(1, FARTHEST + 1) + (i - (len(distances) - 1) / 2) * width
        axes.bar(at, shares, width, color=PALETTE[i % len(PALETTE)], label=f"{name}, {shares.sum():.1f} % wrong")
    ticks = [*map(str, range(1, FARTHEST)), f"{FARTHEST} or more"]
    axes.set_xticks(range(1, FARTHEST + 1), ticks)
    axes.set(xlabel="distance of the answer from the truth (beams)", ylabel="share of all answers (%)")
    axes.legend(frameon=False, fontsize=8)
    clean(axes)
    return figure


def frequency_picture(weights: Array, sample_rate_hz: float) -> Figure:
    """Draw how much each frequency counts for each beam, of `weights` `[beam, freq]` with DC in the middle."""
    figure, axes = new_figure(8, 0.6 + 0.16 * len(weights) + 1.2)
    shares = np.asarray(weights) / np.asarray(weights).sum(axis=1, keepdims=True)
    half = sample_rate_hz / 2e9 if np.isfinite(sample_rate_hz) else 0.5
    extent = (-half, half, -0.5, len(shares) - 0.5)
    image = axes.imshow(100 * shares, aspect="auto", origin="lower", extent=extent, cmap="cividis")
    unit = "GHz" if np.isfinite(sample_rate_hz) else "cycles per sample"
    axes.set(xlabel=f"frequency ({unit})", ylabel="beam")
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02)
    bar.set_label("share of the squared gradient (%)", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    return figure


def reliability_picture(curves: Mapping[str, Reliability]) -> Figure:
    """Draw how often answers are right that are given with a confidence, by method; the diagonal is calibrated."""
    figure, axes = new_figure()
    axes.plot([0, 100], [0, 100], color="black", linestyle=":", linewidth=1, label="calibrated")
    for i, (name, curve) in enumerate(curves.items()):
        filled = curve.share > 0
        told = f"{name}, ECE {100 * curve.error:.1f} %"
        style = {"color": PALETTE[i % len(PALETTE)], "marker": MARKERS[i % len(MARKERS)], "markersize": 4}
        axes.plot(100 * curve.confidence[filled], 100 * curve.accuracy[filled], label=told, **style)
    axes.set(xlabel="confidence (%)", ylabel="right answers (%)", xlim=(0, 100), ylim=(0, 100))
    axes.legend(frameon=False, fontsize=8)
    clean(axes)
    return figure
