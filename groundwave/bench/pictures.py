"""Figures for the report: labelled axes with units, intervals drawn, colours that the colour-blind can tell apart."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from groundwave.bench.rows import Row, aggregate, only_metric
from groundwave.data.recording import Annotation, Recording
from groundwave.page import PALETTE as PALETTE
from groundwave.page import clean, new_figure

MARKERS = "osD^vP*X"
MAX_COLUMNS = 2000
FFT_SIZE = 256
Array = npt.NDArray[Any]


def accuracy_against_snr(
    rows: Sequence[Row],
    chance: float | None = None,
    metric: str | None = None,
    published: Mapping[str, Mapping[float, float]] = MappingProxyType({}),
    snr: str = "SNR in the sampled band",
) -> Figure:
    """Draw a line with a 95 % band per method over the SNR.

    Args:
        rows: with `snr_db`; rows without are left out.
        chance: share expected from guessing, drawn as a dotted line.
        metric: which metric, a share; by default the only one there is.
        published: shares by SNR that others report, drawn as dashed lines under their names.
        snr: what the SNR of these data is.
    """
    figure, axes = new_figure()
    metric = metric or only_metric(rows)
    _curves(axes, [row for row in rows if row.snr_db is not None], "snr_db", metric, published)
    axes.set(xlabel=f"{snr} (dB)")
    _finish(axes, metric, chance)
    return figure


def accuracy_against_labels(
    rows: Sequence[Row],
    metric: str | None = None,
    published: Mapping[str, Mapping[float, float]] = MappingProxyType({}),
) -> Figure:
    """Draw a line with a 95 % band per method over the number of labels; who has all labels is a level line.

    Args:
        rows: with `shots`; those without had all labels.
        metric: which metric, a share; by default the only one there is.
        published: shares by number of labels that others report, drawn as dashed lines under their names.
    """
    figure, axes = new_figure()
    metric = metric or only_metric(rows)
    some, everything = ([row for row in rows if (row.shots is None) == full] for full in (False, True))
    _curves(axes, some, "shots", metric, published)
    for i, (key, cell) in enumerate(aggregate(everything, ("method",), metric).items()):
        if cell.interval:
            style = (":", "-.", (0, (1, 4)))[i % 3]
            axes.axhline(100 * cell.interval.mean, color="black", linestyle=style, linewidth=1.2, label=key[0])
    counts = sorted({row.shots for row in some if row.shots is not None})
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.set(xlabel="labels per class and SNR")
    _finish(axes, metric, None)
    return figure


def _curves(
    axes: Axes, rows: Sequence[Row], field: str, metric: str, published: Mapping[str, Mapping[float, float]]
) -> None:
    """Draw a line with markers and a band per method over a field of the rows, and the lines of others."""
    cells = aggregate(rows, ("method", field), metric)
    methods = list(dict.fromkeys(method for method, _ in cells))
    for i, method in enumerate(methods):
        known = sorted((at, cell.interval) for (name, at), cell in cells.items() if name == method and cell.interval)
        x = np.array([point[0] for point in known])
        mean, low, high = (100 * np.array([getattr(x, part) for _, x in known]) for part in ("mean", "low", "high"))
        colour, marker = PALETTE[i % len(PALETTE)], MARKERS[i % len(MARKERS)]
        axes.plot(x, mean, color=colour, marker=marker, markersize=4, linewidth=1.6, label=method)
        finite = np.isfinite(low) & np.isfinite(high)
        if finite.any():
            axes.fill_between(x, low, high, where=finite, color=colour, alpha=0.15, linewidth=0)
    for i, (name, line) in enumerate(published.items(), start=len(methods)):
        shares = 100 * np.array(list(line.values()))
        marker = "" if len(line) > 1 else "x"
        axes.plot(list(line), shares, color=PALETTE[i % len(PALETTE)], linestyle="--", marker=marker, label=name)


def _finish(axes: Axes, metric: str, chance: float | None) -> None:
    if chance is not None:
        axes.axhline(100 * chance, color="black", linestyle=":", linewidth=1, label="expected from chance")
    axes.set(ylabel=f"{metric} (%)", ylim=(0, 100))
    axes.grid(alpha=0.25)
    clean(axes)
    if axes.get_legend_handles_labels()[1]:
        title = "shaded: 95 % interval" if axes.collections else None
        style = {"frameon": False, "fontsize": 8, "title_fontsize": 8}
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), title=title, **style)


def confusion_picture(matrix: Array, classes: Sequence[str]) -> Figure:
    """Draw a confusion matrix whose rows (the truth) are shares that sum to one."""
    size = 2.2 + 0.42 * len(classes)
    figure, axes = new_figure(size + 0.6, size)
    shares = np.asarray(matrix, dtype=float)
    image = axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, classes)
    axes.set(xlabel="predicted", ylabel="true")
    axes.tick_params(labelsize=8, length=0)
    for i, j in np.argwhere(shares >= 0.005):
        axes.text(j, i, f"{100 * shares[i, j]:.0f}", ha="center", va="center", fontsize=7, color=_ink(shares[i, j]))
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02)
    bar.set_label("share of the true class (%)", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    return figure


def _ink(share: float) -> str:
    return "white" if share > 0.55 else "#1a1a1a"


def embedding_maps(
    features: Mapping[str, Array], labels: Array, classes: Sequence[str], *, method: str = "t-SNE", seed: int = 0
) -> Figure:
    """Draw 2-D maps of the same records' features side by side, one per entry, coloured by class.

    Args:
        features: float `[B, D]` by title, such as `before` and `after` pretraining.
        labels: int `[B]`.
        classes: names of the classes.
        method: `t-SNE` or `PCA`.
        seed: of t-SNE, which is deterministic for it.
    """
    figure, panels = new_figure(3.9 * len(features), 4.3, ncols=len(features), squeeze=False)
    for axes, (title, values) in zip(panels[0], features.items(), strict=True):
        points = flatten(np.asarray(values, dtype=np.float64), method, seed)
        for c, name in enumerate(classes):
            here = np.asarray(labels) == c
            style = {"color": PALETTE[c % len(PALETTE)], "marker": MARKERS[c % len(MARKERS)]}
            axes.scatter(*points[here].T, s=14, alpha=0.75, linewidths=0, label=name, **style)
        axes.set_title(title, fontsize=10)
        axes.set(xticks=[], yticks=[], xlabel=f"{method}, axis 1 (no unit)")
        axes.xaxis.label.set_fontsize(8)
    panels[0][0].set_ylabel(f"{method}, axis 2 (no unit)", fontsize=8)
    handles, names = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(6, len(classes)), frameon=False, fontsize=8)
    return figure


def flatten(features: Array, method: str, seed: int) -> Array:
    """Return `[B, 2]` points: principal components, or t-SNE started from them."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    scaled = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-9)
    reduced = PCA(min(50, *scaled.shape), svd_solver="full").fit_transform(scaled)
    if method == "PCA":
        return np.asarray(reduced[:, :2])
    perplexity = min(30.0, (len(features) - 1) / 3)
    return np.asarray(TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced))


class Spectrogram(NamedTuple):
    """Decibels `[freq, time]`, frequency ascending with DC in the middle, and the extent in seconds and hertz."""

    level_db: Array
    seconds: float
    low_hz: float
    high_hz: float


def reduced_spectrogram(recording: Recording, max_columns: int = MAX_COLUMNS, segments: int = 8) -> Spectrogram:
    """Return a spectrogram of at most `max_columns` columns, each a mean over `segments` spectra spread over its time.

    Reads a bounded share of the recording, whatever its length, of its first channel.
    """
    num_columns = max(1, min(max_columns, recording.num_samples // FFT_SIZE))
    edges = np.linspace(0, recording.num_samples, num_columns + 1).astype(np.int64)
    taper = np.hanning(FFT_SIZE)
    columns = []
    for start, stop in pairwise(edges):
        count = max(1, min(segments, int(stop - start) // FFT_SIZE))
        starts = np.linspace(start, max(start, min(stop, recording.num_samples) - FFT_SIZE), count).astype(np.int64)
        pieces = [_piece(recording, int(first)) for first in starts]
        power = np.abs(np.fft.fft(np.stack(pieces) * taper, axis=1)) ** 2
        columns.append(np.fft.fftshift(power.mean(axis=0)))
    level = 10 * np.log10(np.stack(columns, axis=1) + 1e-20)
    half, centre = recording.sample_rate_hz / 2, recording.center_hz or 0.0
    return Spectrogram(level, recording.num_samples / recording.sample_rate_hz, centre - half, centre + half)


def _piece(recording: Recording, start: int) -> Array:
    count = min(FFT_SIZE, recording.num_samples - start)
    return np.pad(recording.read(start, count)[0], (0, FFT_SIZE - count))


def annotated_spectrogram(
    recording: Recording, predicted: Sequence[Annotation], truth: Sequence[Annotation] = ()
) -> Figure:
    """Draw a long recording with what was found above it and, where known, the truth below.

    A label has the same colour in both bands; confidences stand behind the predicted labels.
    """
    picture = reduced_spectrogram(recording)
    bands = [("predicted", predicted)] + ([("truth", truth)] if truth else [])
    figure, panels = new_figure(
        11,
        4.0 + 0.8 * len(bands),
        nrows=1 + len(bands),
        sharex=True,
        height_ratios=[*[0.9] * len(bands), 4],
        squeeze=False,
    )
    *upper, main = panels[:, 0]
    names = sorted({a.label or "?" for _, annotations in bands for a in annotations})
    for axes, (title, annotations) in zip(upper, bands, strict=True):
        _band(axes, title, annotations, recording.sample_rate_hz, names, picture.seconds)
    scale, unit = _hertz(max(abs(picture.low_hz), abs(picture.high_hz)))
    low, high = np.percentile(picture.level_db, [5, 99.7])
    extent = (0, picture.seconds, picture.low_hz / scale, picture.high_hz / scale)
    image = main.imshow(
        picture.level_db,
        aspect="auto",
        origin="lower",
        extent=extent,
        cmap="cividis",
        vmin=low,
        vmax=max(high, low + 1),
    )
    for annotation in predicted:
        start, count = (value / recording.sample_rate_hz for value in (annotation.start, annotation.count))
        colour = PALETTE[names.index(annotation.label or "?") % len(PALETTE)]
        for second in (start, start + count):
            main.axvline(second, color=colour, linewidth=0.8, alpha=0.9)
    relative = "" if recording.center_hz else " relative to the carrier"
    main.set(xlabel="time (s)", ylabel=f"frequency{relative} ({unit})", xlim=(0, picture.seconds))
    main.tick_params(labelsize=8)
    bar = figure.colorbar(image, ax=list(panels[:, 0]), fraction=0.02, pad=0.01)
    bar.set_label("power (dB, relative)", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    return figure


def _band(
    axes: Axes, title: str, annotations: Sequence[Annotation], rate_hz: float, names: list[str], seconds: float
) -> None:
    for annotation in annotations:
        start, width = annotation.start / rate_hz, annotation.count / rate_hz
        colour = PALETTE[names.index(annotation.label or "?") % len(PALETTE)]
        axes.broken_barh([(start, width)], (0, 1), facecolors=colour, edgecolors="white", linewidth=0.5)
        text = annotation.label or "?"
        if annotation.confidence is not None:
            text += f"\n{100 * annotation.confidence:.0f} %"
        lying = width > 0.008 * seconds * max(map(len, text.split("\n")))
        if lying or width > 0.012 * seconds * (1 + text.count("\n")):  # a label must fit into its box
            place: dict[str, Any] = {"ha": "center", "va": "center", "rotation": 0 if lying else 90}
            axes.text(start + width / 2, 0.5, text, color="white", fontsize=7, clip_on=True, **place)
    axes.set(ylim=(0, 1), yticks=[])
    axes.set_ylabel(title, rotation=0, ha="right", va="center", fontsize=9)
    axes.tick_params(bottom=False)
    axes.spines[:].set_visible(False)


def _hertz(largest: float) -> tuple[float, str]:
    return next(
        (scale, unit)
        for scale, unit in ((1e9, "GHz"), (1e6, "MHz"), (1e3, "kHz"), (1.0, "Hz"))
        if largest >= scale or scale == 1
    )
