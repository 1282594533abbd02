"""Mutual information as bars: common and unique dimensions apart, one colour an estimator."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from groundwave.bench.information import BETWEEN_FEATURES, WITH_LABELS, Measured
from groundwave.metrics import interval
from groundwave.page import PALETTE, clean, new_figure


def information_picture(runs: Sequence[Sequence[Measured]], label_bits: float | None = None) -> Figure:
    """Draw what modalities tell about each other beside what they tell about labels, with 95 % intervals over runs.

    Args:
        runs: what `information` found with each seed.
        label_bits: entropy of the labels, which nothing can exceed, drawn as a dotted line.
    """
    figure, (left, right) = new_figure(9.6, 3.8, ncols=2, width_ratios=(2, 3))
    found = [measured for run in runs for measured in run]
    for axes, estimators, title in (
        (left, BETWEEN_FEATURES, "between modalities"),
        (right, WITH_LABELS, "with the label"),
    ):
        _bars(axes, [one for one in found if one.estimator in estimators], tuple(estimators))
        axes.set(title=title, ylabel="mutual information (bits)")
    if label_bits is not None:
        right.axhline(label_bits, color="black", linestyle=":", linewidth=1, label="entropy of the labels")
    for axes in (left, right):
        axes.legend(fontsize=7, frameon=False)
    return figure


def _bars(axes: Axes, found: Sequence[Measured], estimators: Sequence[str]) -> None:
    """Draw a group of bars for each thing that was measured."""
    places = list(dict.fromkeys(one.between for one in found))
    wide = 0.8 / len(estimators)
    for i, estimator in enumerate(estimators):
        cells = [
            interval([one.bits for one in found if one.between == place and one.estimator == estimator])
            for place in places
        ]
        at = [x + (i - (len(estimators) - 1) / 2) * wide for x in range(len(places))]
        reach = [(cell.high - cell.low) / 2 if cell.n > 1 else 0.0 for cell in cells]
        mean = [cell.mean for cell in cells]
        axes.bar(at, mean, wide, yerr=reach, color=PALETTE[i], capsize=2, label=estimator, error_kw={"linewidth": 0.9})
    shorter = [place.removesuffix(", label").replace("all: all", "all") for place in places]
    names = [place.replace(", as many: ", "\nas many\n").replace(": ", "\n") for place in shorter]
    axes.set_xticks(range(len(places)), names, fontsize=7)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.grid(axis="y", alpha=0.25)
    clean(axes)
