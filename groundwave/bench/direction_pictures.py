"""Errors of directions as arrows, from where a source is to where it is said to be."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from torch import Tensor

from groundwave.page import PALETTE, clean, new_figure


def quiver(angle: Tensor, answers: Mapping[str, Tensor], shown: int) -> Figure:
    """Draw an arrow from true directions to each method's answers, one panel a method under its mean absolute errors.

    Args:
        angle: azimuth and elevation in radians, `[N, 2]`.
        answers: the same by method.
        shown: how many records have an arrow, the first ones; errors are of all.
    """
    figure, panels = new_figure(4.6 * len(answers), 3.6, ncols=len(answers), sharex=True, sharey=True, squeeze=False)
    start = angle[:shown].rad2deg().numpy()
    for axes, (title, found) in zip(panels[0], answers.items(), strict=True):
        step = (found - angle).rad2deg()
        error = step.abs().mean(dim=0).tolist()
        axes.quiver(
            *start.T,
            *step[:shown].numpy().T,
            angles="xy",
            scale_units="xy",
            scale=1,
            width=0.004,
            color=PALETTE[0],
            zorder=2,
        )
        axes.plot(*start.T, ".", color="0.6", markersize=3, zorder=1)
        axes.set_title(f"{title}: {error[0]:.2f}° azimuth, {error[1]:.2f}° elevation", fontsize=9)
        axes.set(xlabel="azimuth (degrees)", aspect="equal")
        axes.grid(alpha=0.25)
        clean(axes)
    panels[0][0].set_ylabel("elevation (degrees)")
    return figure
