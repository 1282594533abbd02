"""The section on angles of a page of results: error against SNR beside the bound, several sources, unseen angles."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from groundwave.bench.pictures import MARKERS
from groundwave.bench.rows import Cell, Row, aggregate
from groundwave.bench.tables import behind, draws, marked
from groundwave.page import PALETTE, Table, clean, new_figure
from groundwave.recipes.angles import NUM_SAMPLES, NUM_TRAINING
from groundwave.recipes.results_page import Part, current
from groundwave.recipes.unseen_angles import METRIC as AZIMUTH

RMS, MEAN, FOUND = "rms error (deg)", "mean error (deg)", "found"
BOUND = "Cramér-Rao bound"
# Of lines and curves: ours, other networks, then what learns from no or few records, and the bound.
ORDER = (
    "beamspace network",
    "beamspace network, no shots",
    "",
    "MUSIC",
    "MUSIC, calibrated",
    "ESPRIT",
    "beamscan",
    BOUND,
)

TITLES: Mapping[str, str] = {
    "single": "One source, ideal array",
    "single-uncalibrated": "One source, an array that nobody has calibrated",
    "several": "One to three sources, ideal array",
    "several-hard": "One to three sources, uncalibrated, wide band, reflections",
}
ABOUT: Mapping[str, str] = {
    "single": "A narrow-band source, a planar array of 4 x 4 elements half a wavelength apart. MUSIC reaches the bound "
    "here, and where it does nothing without a bias can be better. Ours answers with the mean of beamscan's peaks, by "
    "how likely its network holds each of them. It and its 8 epochs (the CNN has 4) were tried on further records of "
    "the first seed's array.\n",
    "single-uncalibrated": "Elements differ by 1 dB and 12 degrees (standard deviations) and hear a neighbour 15 dB "
    "below themselves. The bound is that of an array whose errors are known. *MUSIC, calibrated with the labels* has "
    "its steering vectors fitted to the same labelled records that the networks learn from: the honest opponent. Ours "
    "has the response of its array from the same fit.\n",
    "several": "All are told how many there are. A source that is not found counts as 90 degrees off, so the share "
    "found within 5 degrees says more than a mean.\n",
    "several-hard": "A band of 20 % of the carrier, of which a source fills a fifth at least; a reflection of each "
    "source 10 dB below it; elements as above. No way here makes use of the width of the band.\n",
}


def angles_part(results: Path, _: Sequence[Path] = ()) -> Iterator[Part]:
    """Yield the parts of the recipe `angles`, one for each setting that has rows.

    Args:
        results: folder of rows.
    """
    rows = [row for row in current(results, "angles", ORDER) if row.failed is None]
    for data, title in TITLES.items():
        some = [row for row in rows if row.data == data]
        if some:
            yield Part(title, _about(some, data), _tables(some), {"error against SNR": error_against_snr(some)})
    unseen = [row for row in rows if row.data == "unseen"]
    if unseen:
        yield Part("Azimuths that training has not heard", UNSEEN, {"Mean error of azimuth": _by_shots(unseen)})


UNSEEN = (
    "ProtoAoA's question: 14 of 60 classes of two degrees lend records for training (23 %); the others are asked, with "
    "4, 8 or 32 labelled records for each class, over 100 draws of them. Labels tell the middle of a class, errors are "
    "of the true azimuth: who names the right class and no more is 0.5 degrees off. 0 to 20 dB, an uncalibrated array. "
    "All but ProtoNet know the geometry of the array, and MUSIC that there is no elevation. The "
    "source reports 3 degrees at 4 shots and 2 at 32, on recordings that it does not publish.\n"
)


def _about(rows: Sequence[Row], data: str) -> str:
    seeds = len({row.seed for row in rows})
    text = f"{NUM_SAMPLES} snapshots; networks learn from {NUM_TRAINING} records of the same array at -20 to 20 dB. "
    return f"{text}{seeds} seeds: arrays, records and weights.\n\n{ABOUT[data]}{_below_the_bound(rows)}"


def _below_the_bound(rows: Sequence[Row]) -> str:
    """Say whose error lies below the bound, where, and by how much at most; nothing where none does."""
    cells = aggregate(rows, ("method", "snr_db"), RMS)
    means = {place: cell.interval.mean for place, cell in cells.items() if cell.interval}
    below = {
        (method, snr): 1 - mean / means[BOUND, snr]
        for (method, snr), mean in means.items()
        if mean < means.get((BOUND, snr), 0.0)
    }
    if not below:
        return ""
    methods = dict.fromkeys(f"*{method}*" for method, _ in below)
    snrs = ", ".join(f"{snr:g}" for snr in sorted({snr for _, snr in below}))
    count = max(row.n for row in rows if row.metric == RMS)
    lies = f"lies below the bound, by {100 * max(below.values()):.1f} % at most: it is that"
    of = f"of a sample,\n{count} records for each SNR and seed, and the bound is an expectation."
    return f"\nAt {snrs} dB the error of {', '.join(methods)} {lies} {of}\n"


def _tables(rows: Sequence[Row]) -> dict[str, Table]:
    """Return the tables of a setting: errors by SNR, and the share found where there are several sources."""
    several = rows[0].data.startswith("several")
    metrics = (MEAN, FOUND) if several else (RMS, MEAN)
    known = {row.metric for row in rows}
    return {f"{metric}, by SNR": degrees_table(rows, metric, "snr_db") for metric in metrics if metric in known}


def _by_shots(rows: Sequence[Row]) -> Table:
    return degrees_table(rows, AZIMUTH, "shots")


def degrees_table(rows: Sequence[Row], metric: str, by: str) -> Table:
    """Return a table of a metric in its own unit (shares in %), a line per method, a column per value of `by`."""
    cells = aggregate(rows, ("method", by), metric)
    methods = list(dict.fromkeys(method for method, _ in cells))
    heads = sorted({head for _, head in cells})
    unit = " dB" if by == "snr_db" else " shots"
    grid = [[cells.get((method, head)) for head in heads] for method in methods]
    texts = marked([[_text(cell, metric) for cell in line] for line in grid], draws(grid))
    body = [[method, *line] for method, line in zip(methods, texts, strict=True)]
    share = ", %" if metric == FOUND else ""
    told = f"{metric}{share}; mean ± half of the 95 % interval; {behind(draws(grid))}."
    return Table(["method", *(f"{head:g}{unit}" for head in heads)], body, told)


def _text(cell: Cell | None, metric: str) -> str:
    if cell is None or cell.interval is None:
        return ""
    mean, low, high, n = cell.interval
    scale, digits = (100, 0) if metric == FOUND else (1, 2 if mean < 10 else 1)
    half = f" ± {scale * (high - low) / 2:.{digits}f}" if n > 1 else ""
    return f"{scale * mean:.{digits}f}{half}"


def error_against_snr(rows: Sequence[Row]) -> Figure:
    """Draw a line per method over the SNR, on a logarithmic scale: rms error of one source, else the mean error."""
    metric = RMS if any(row.method == BOUND for row in rows) else MEAN
    figure, axes = new_figure()
    cells = aggregate(rows, ("method", "snr_db"), metric)
    methods = dict.fromkeys(method for method, _ in cells)
    for number, method in enumerate(sorted(methods, key=BOUND.__eq__)):  # the bound last: it takes no colour
        points = sorted((snr, cell.interval) for (name, snr), cell in cells.items() if name == method and cell.interval)
        snrs, means = [snr for snr, _ in points], [found.mean for _, found in points]
        if method == BOUND:
            axes.plot(snrs, means, "k--", label=method)
            continue
        colour = PALETTE[number % len(PALETTE)]
        width = 3.2 - 2.4 * number / len(methods)  # thinner on top: lines that coincide are all seen
        axes.plot(
            snrs, means, marker=MARKERS[number % len(MARKERS)], markersize=2.5 * width, color=colour, linewidth=width,
            label=method,
        )  # fmt: skip
        low, high = (
            [max(getattr(found, end), mean / 10) for (_, found), mean in zip(points, means, strict=True)]
            for end in ("low", "high")
        )
        if all(found.n > 1 for _, found in points):
            axes.fill_between(snrs, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set(xlabel="SNR at an element (dB)", ylabel=metric.replace("(deg)", "(degrees)"), yscale="log")
    axes.legend(fontsize=8)
    clean(axes)
    return figure
