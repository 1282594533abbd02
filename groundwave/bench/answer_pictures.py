"""What methods answer: for the cells of the same records, one below another; for classes, domain by domain."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from groundwave.page import PALETTE, clean, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

WIDTH, HEIGHT = 2.4, 1.15  # of a panel, in inches
LABEL = 15  # letters beside a panel, in a line
NOISE = "#f2f2f2"


def mask_picture(spec: Tensor, masks: Mapping[str, Tensor], classes: Sequence[str]) -> "Figure":
    """Draw spectrograms and, below, the classes of their cells by each method.

    Args:
        spec: decibels `[B, freq, time]`.
        masks: whole numbers `[B, freq, time]` by title; 0 is noise.
        classes: names of the numbers, that of noise first.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    figure, grid = _panels(spec, list(masks))
    colours = [NOISE, *(PALETTE[i % len(PALETTE)] for i in range(len(classes) - 1))]
    for row, answers in zip(grid[1:], masks.values(), strict=True):
        for axes, cells in zip(row, answers, strict=True):
            style = {"cmap": ListedColormap(colours), "vmin": -0.5, "vmax": len(classes) - 0.5}
            axes.imshow(cells.numpy(), origin="lower", aspect="auto", interpolation="nearest", **style)
    handles = [Patch(facecolor=colour, label=name) for colour, name in zip(colours, classes, strict=True)]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(classes)), frameon=False, fontsize=8)
    return figure


def forecast_picture(past: Tensor, chances: Mapping[str, Tensor]) -> "Figure":
    """Draw the pasts of records and, below, how probably each cell of their futures is occupied by each method.

    Args:
        past: decibels `[B, freq, time]`.
        chances: from 0 to 1 `[B, freq, later time]` by title.
    """
    figure, grid = _panels(past, list(chances))
    # Chances of a sparse band are small: among greys they would look alike.
    style = {"cmap": "viridis", "vmin": 0, "vmax": 1, "interpolation": "nearest"}
    for row, answers in zip(grid[1:], chances.values(), strict=True):
        for axes, cells in zip(row, answers, strict=True):
            image = axes.imshow(cells.float().numpy(), origin="lower", aspect="auto", **style)
    bar = figure.colorbar(image, ax=list(grid[1:].flat), fraction=0.03, pad=0.01)
    bar.set_label("chance of being occupied", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def recall_picture(recalls: "NDArray[Any]", classes: Sequence[str], domains: Sequence[str]) -> "Figure":
    """Draw the share of each class `[classes, domains]` that was told right in each domain; NaN where there is none."""
    figure, axes = new_figure(2.6 + 0.55 * len(domains), 1.6 + 0.28 * len(classes))
    image = axes.imshow(100 * recalls, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    axes.set_xticks(range(len(domains)), domains, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.tick_params(labelsize=8, length=0)
    for (i, j), share in np.ndenumerate(recalls):
        if share == share:
            ink = "white" if share > 0.55 else "#1a1a1a"
            axes.text(j, i, f"{100 * share:.0f}", ha="center", va="center", fontsize=7, color=ink)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02)
    bar.set_label("recall (%)", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def _panels(spec: Tensor, titles: Sequence[str]) -> "tuple[Figure, Any]":
    """Return a figure with a column for each record, its spectrograms drawn and its rows named."""
    shape = {"nrows": 1 + len(titles), "ncols": len(spec), "squeeze": False}
    figure, grid = new_figure(1.2 + WIDTH * len(spec), 0.5 + HEIGHT * (1 + len(titles)), **shape)
    for axes, cells in zip(grid[0], spec.float(), strict=True):
        low, high = float(cells.quantile(0.02)), float(cells.quantile(0.995))
        axes.imshow(cells.numpy(), origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=max(high, low + 1))
    for row, title in zip(grid, ("input", *titles), strict=True):
        row[0].set_ylabel(fill(title, LABEL), fontsize=8)
        for axes in row:
            _bare(axes)
    for axes in grid[-1]:
        axes.set_xlabel("time", fontsize=8)
    return figure, grid


def _bare(axes: "Axes") -> None:
    axes.set(xticks=[], yticks=[])
    clean(axes)
