"""Pictures of masked modelling: what was there, what was left of it, and what was drawn in its place."""

from typing import TYPE_CHECKING

from torch import Tensor

from groundwave.page import clean, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def reconstruction_picture(x: Tensor, hidden: Tensor, reconstruction: Tensor) -> "Figure":
    """Draw the first channel of each record in a row: input, what is left, reconstruction, all in the same colours.

    Args:
        x: input, float32 `[B, channels, freq, time]`.
        hidden: where it was hidden, `[B, 1, freq, time]`, not 0.
        reconstruction: as `x`.
    """
    height = 0.4 + 2.0 * len(x)
    figure, grid = new_figure(7.2, height, nrows=len(x), ncols=3, sharex=True, sharey=True, squeeze=False)
    left = x.masked_fill(hidden > 0, float("nan"))
    for row, *shown in zip(grid, x, left, reconstruction, strict=True):
        low, high = shown[0][0].quantile(0.01), shown[0][0].quantile(0.999)
        for axes, cells in zip(row, shown, strict=True):
            _draw(axes, cells[0], float(low), float(high))
    for axes, title in zip(grid[0], ("input", "what is left", "reconstruction"), strict=True):
        axes.set_title(title, fontsize=9)
    for axes in grid[:, 0]:
        axes.set_ylabel("frequency", fontsize=8)
    for axes in grid[-1]:
        axes.set_xlabel("time", fontsize=8)
    return figure


def _draw(axes: "Axes", cells: Tensor, low: float, high: float) -> None:
    if len(cells) == 1:  # a signal
        axes.plot(cells[0].numpy(), linewidth=0.7)
        axes.set_ylim(low, high)
    else:
        axes.set_facecolor("0.85")
        axes.imshow(cells.numpy(), origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high)
    clean(axes)
