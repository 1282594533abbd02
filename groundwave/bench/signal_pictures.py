"""Pictures of what scenes make: spectra, constellations, wide bands with their truth, rooms."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from groundwave.bench.pictures import PALETTE

Array = npt.NDArray[Any]


def waveform_picture(spectrum_db: Array, frequency: Array, view: Array, *, symbols: float | None = None) -> Figure:
    """Draw a spectrum beside a constellation or a spectrogram.

    Args:
        spectrum_db: mean power spectrum over its peak, `[F]`.
        frequency: in nominal bandwidths, `[F]`.
        view: decided symbols, complex `[N]`, or a spectrogram in dB, `[frequency, time]`, over the same frequencies.
        symbols: duration of the spectrogram, in inverse nominal bandwidths; None for a constellation.
    """
    figure = Figure(figsize=(6.0, 2.1), dpi=100, layout="constrained", facecolor="white")
    left, right = figure.subplots(ncols=2, width_ratios=(3, 2))
    left.plot(frequency, spectrum_db, color=PALETTE[0], linewidth=0.9)
    left.set(xlim=(frequency[0], frequency[-1]), ylim=(-62, 3), xlabel="nominal bandwidths", ylabel="dB")
    left.grid(alpha=0.25)
    if symbols is None:
        _constellation(right, view)
    else:
        extent = (0, symbols, frequency[0], frequency[-1])
        right.imshow(view, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=view.max() - 45)
        right.set(xlabel="time × nominal bandwidth")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7)
        axes.xaxis.label.set_size(8)
        axes.yaxis.label.set_size(8)
    return figure


def _constellation(axes: Axes, points: Array) -> None:
    axes.plot(points.real, points.imag, ".", color=PALETTE[1], markersize=1.5, alpha=0.5)
    reach = 1.1 * float(np.abs(points).max())
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="in phase", ylabel="quadrature")


def wideband_picture(
    spec: Array, mask: Array, boxes: Array, names: Sequence[str], hop: int, *, num_classes: int
) -> Figure:
    """Draw a wide-band spectrogram with its boxes beside its mask.

    Args:
        spec: decibels over the noise floor, `[frequency, time]`.
        mask: class + 1 of each cell, 0 for noise, `[frequency, time]`.
        boxes: start, stop in samples, lowest, highest frequency in cycles per sample, `[N, 4]`.
        names: what is in each box.
        hop: samples from one column to the next.
        num_classes: how many colours the mask needs.
    """
    figure = Figure(figsize=(9.0, 4.0), dpi=100, layout="constrained", facecolor="white")
    left, right = figure.subplots(ncols=2, sharex=True, sharey=True)
    extent = (0, spec.shape[1] * hop, -0.5, 0.5)
    left.imshow(spec, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-5, vmax=35)
    shown = np.ma.masked_equal(mask, 0)
    right.imshow(
        shown,
        origin="lower",
        aspect="auto",
        extent=extent,
        cmap="turbo",
        vmin=1,
        vmax=num_classes,
        interpolation="none",
    )
    for (start, stop, low, high), name in zip(boxes, names, strict=True):
        for axes, colour in ((left, "white"), (right, "black")):
            axes.add_patch(
                Rectangle((start, low), stop - start, high - low, fill=False, edgecolor=colour, linewidth=0.8)
            )
        right.annotate(name, (start, high), fontsize=7, va="bottom", annotation_clip=True)
    title = "received, boxes of the truth" if len(boxes) else "received"
    left.set(xlabel="samples", ylabel="cycles per sample", title=title)
    right.set(xlabel="samples", title="mask")
    for axes in (left, right):
        axes.tick_params(labelsize=7)
    return figure


def rooms_picture(pictures: Sequence[tuple[Array, Array]], names: Sequence[str]) -> Figure:
    """Draw rooms in colour above the same in depth.

    Args:
        pictures: colours `[class, height, width, 3]` and depths in metres `[class, height, width]`, row by row.
        names: of the classes.
    """
    size = (1.0 * len(names) + 0.9, 2.05 * len(pictures) + 0.25)
    figure = Figure(figsize=size, dpi=110, layout="constrained", facecolor="white")
    grid = figure.subplots(2 * len(pictures), len(names), squeeze=False)
    for row, (colours, depths) in enumerate(pictures):
        for column in range(len(names)):
            above, below = grid[2 * row : 2 * row + 2, column]
            above.imshow(colours[column], interpolation="none")
            shown = below.imshow(depths[column], cmap="viridis", vmin=0.5, vmax=6.5, interpolation="none")
    for axes, name in zip(grid[0], names, strict=True):
        axes.set_title(name, fontsize=8)
    for axes in grid.flat:
        axes.set_axis_off()
    figure.colorbar(shown, ax=list(grid[:, -1]), shrink=0.6).set_label("metres", fontsize=8)
    return figure
