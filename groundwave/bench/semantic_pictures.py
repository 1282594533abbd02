"""Figures of semantic communication: accuracy against what was sent, and what sensors see."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from groundwave.bench.rows import Row
from groundwave.bench.semantic import HEAD_START
from groundwave.contracts import Record
from groundwave.metrics import interval
from groundwave.page import PALETTE, clean, new_figure

MARKERS = "osD^vP*X"
LEAST_SHADED = 3  # seeds: the interval of two hides what is drawn of others


def accuracy_against_traffic(rows: Sequence[Row], unit: str) -> Figure:
    """Draw the accuracy of each method over round trips, or over the bits that went up and down until then.

    What goes up for a head start of the server counts as bits, and not as rounds. Who sends pictures once, and learns
    without round trips, is a level line at its final accuracy.

    Args:
        rows: of one number of labels, with `accuracy after N rounds`, `Mbit per round` and `Mbit of the head start`.
        unit: `rounds` or `Mbit`.
    """
    figure, axes = new_figure()
    for i, method in enumerate(dict.fromkeys(row.method for row in rows)):
        own = [row for row in rows if row.method == method]
        colour = PALETTE[i % len(PALETTE)]
        per_round = {row.value for row in own if row.metric == "Mbit per round"}
        if not per_round:
            finals = [row.value for row in own if row.metric == "accuracy" and row.snr_db is None]
            final = 100 * float(np.mean([value for value in finals if value is not None]))
            axes.axhline(final, color=colour, linestyle="--", linewidth=1.2, label=method)
            continue
        scale, ahead = 1.0, 0.0
        if unit == "Mbit":
            scale = max(value for value in per_round if value is not None)
            ahead = max((row.value or 0.0 for row in own if row.metric == HEAD_START), default=0.0)
        points: dict[int, list[float]] = {}
        for row in own:
            if row.metric.startswith("accuracy after") and row.value is not None:
                points.setdefault(int(row.metric.split()[2]), []).append(row.value)
        x = np.array(sorted(points))
        cells = [interval(points[rounds]) for rounds in x.tolist()]
        mean, low, high = (100 * np.array([getattr(cell, part) for cell in cells]) for part in ("mean", "low", "high"))
        sent = ahead + scale * x
        axes.plot(sent, mean, color=colour, marker=MARKERS[i % len(MARKERS)], markersize=4, label=method)
        if min(cell.n for cell in cells) >= LEAST_SHADED:
            axes.fill_between(sent, low, high, color=colour, alpha=0.15, linewidth=0)
    name = "communication rounds" if unit == "rounds" else "sent up and down (Mbit)"
    axes.set(xlabel=name, ylabel="test accuracy (%)", ylim=(0, 100))
    axes.grid(alpha=0.25)
    clean(axes)
    title = f"shaded: 95 % interval of {LEAST_SHADED} seeds or more" if axes.collections else None
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8, title=title, title_fontsize=8)
    return figure


def scene_picture(record: Record, classes: Sequence[str]) -> Figure:
    """Draw records in colour and, below, in depth.

    Args:
        record: with `rgb`, `depth` and `label`.
        classes: names of the labels.
    """
    count = len(record["label"])
    figure, axes = new_figure(1.25 * count, 3.0, nrows=2, ncols=count, squeeze=False)
    for i, label in enumerate(record["label"].tolist()):
        axes[0, i].imshow(record["rgb"][i].movedim(0, -1).numpy())
        axes[1, i].imshow(-record["depth"][i, 0].numpy(), cmap="viridis")
        axes[0, i].set_title(classes[label], fontsize=8)
        for row in axes[:, i]:
            row.set_axis_off()
    return figure
