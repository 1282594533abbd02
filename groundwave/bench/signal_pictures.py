"""Pictures of a waveform: its spectrum, and its constellation or how its frequency goes with time."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
