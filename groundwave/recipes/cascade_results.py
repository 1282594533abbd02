"""The part of docs/results/accelerated.md on the cascade: all forms, the Pareto front, accuracy against SNR."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from groundwave.bench.comparisons import VERDICT_CAPTION, difference
from groundwave.bench.pictures import accuracy_against_snr
from groundwave.bench.rows import Row, aggregate
from groundwave.bench.tables import summarise
from groundwave.metrics import Interval
from groundwave.page import PALETTE, clean, new_figure
from groundwave.recipes.accelerated_cells import aim_of, half_width, numbers, quotient, times
from groundwave.recipes.compress_report import MARKS
from groundwave.recipes.results_page import Choose, Part, current

ORIGINAL, CHOSEN = "original, PyTorch", "chosen"


def cascade_part(results: Path, _: Sequence[Path]) -> Iterator[Part]:
    """Yield all forms of each model that the cascade tried, and which it chose."""
    rows = current(results, "cascade")
    for name in dict.fromkeys(row.method.partition(":")[0] for row in rows):
        some = [row for row in rows if row.method.startswith(f"{name}:")]
        methods = list(dict.fromkeys(row.method for row in some))
        tables = {"All forms": numbers(some, methods)}
        pictures = {"accuracy and time, and the Pareto front": pareto(some)}
        snrs = sorted({row.snr_db for row in some if row.snr_db is not None})
        if snrs:
            told = [row for row in some if row.method not in twins(methods)]
            tables["Accuracy at each SNR"] = summarise(told, {f"{snr:g} dB": _at(snr) for snr in snrs}, "accuracy")
            pictures["accuracy"] = accuracy_against_snr([row for row in told if row.metric == "accuracy"])
        yield Part(f"Cascade, {name}", _won(some, name), tables, pictures)


def twins(methods: Sequence[str]) -> set[str]:
    """Return forms in ONNX Runtime that answer as the same in PyTorch does."""
    twins = {method.replace("PyTorch", "ONNX Runtime") for method in methods if method.endswith("PyTorch")}
    return twins.intersection(methods)


def _at(snr_db: float) -> Choose:
    return lambda row: row.snr_db == snr_db


def _won(rows: Sequence[Row], name: str) -> str:
    """Say what the chosen form has won and lost against the original, seed by seed."""
    base, chosen = f"{name}: {ORIGINAL}", f"{name}: {CHOSEN}"
    overall = [row for row in rows if row.snr_db is None]
    smaller, faster = (quotient(overall, metric, base, chosen) for metric in ("file kB", "ms"))
    gained = difference(overall, "accuracy", chosen, base)
    if not (smaller and faster and gained):
        return ""
    exported = f"{name}: {ORIGINAL.replace('PyTorch', 'ONNX Runtime')}"
    like = [quotient(overall, metric, exported, chosen) for metric in ("file kB", "ms")]
    in_points = Interval(100 * gained.mean, 100 * gained.low, 100 * gained.high, gained.n)
    return (
        f"Of the forms within half a point on validation, the fastest at batch 1, by the median record (within a tenth "
        f"of its time, the smallest), is {times(smaller, 'smaller', 'larger')} ({aim_of(8, smaller)}) and "
        f"{times(faster, 'faster', 'slower')} ({aim_of(5, faster)}) than the original in PyTorch, with "
        f"{half_width(in_points, '+.1f')} points on test ({aim_of(-0.5, in_points)}), seed by seed. "
        f"{_beside(*like)}{VERDICT_CAPTION}. Forms are timed one after the other, minutes apart, and the machine had "
        "other work: where a time has a wide interval, that is why. Exits are timed in PyTorch alone. "
        "How many records there are, the factors and the mixtures that students learn from were settled by the "
        "validation parts of these seeds; accuracies on test stood beside them.\n"
    )


def _beside(smaller: Interval | None, faster: Interval | None) -> str:
    """Say the same against the original in the engine of what is chosen, which is how much of it is not the engine."""
    if not (smaller and faster):
        return ""
    both = f"{times(smaller, 'smaller', 'larger')} and {times(faster, 'faster', 'slower')}"
    return f"Than the original exported to ONNX it is {both}. "


def pareto(rows: Sequence[Row]) -> Figure:
    """Draw the accuracy on test over the time of a record, with intervals, and the forms that no other beats in both.

    What was chosen is one of them for each seed; it stands as a ring where its mean lies.
    """
    overall = [row for row in rows if row.snr_db is None]
    found = {metric: aggregate(overall, ("method",), metric) for metric in ("ms", "accuracy")}
    known: dict[str, tuple[Interval, Interval]] = {}
    for key, cell in found["ms"].items():
        if cell.interval and (other := found["accuracy"].get(key)) and other.interval:
            known[key[0]] = cell.interval, other.interval
    figure, axes = new_figure()
    for number, (method, (ms, accuracy)) in enumerate(known.items()):
        name = method.partition(": ")[2]
        colour = PALETTE[number % len(PALETTE)]
        style: dict[str, Any] = {
            "color": colour,
            "fmt": next((m for backend, m in MARKS.items() if name.endswith(backend)), "o"),
        }
        if number >= len(PALETTE):  # colours come again, hollow
            style["markerfacecolor"] = "white"
        if name == CHOSEN:
            style |= {"color": "black", "markersize": 12, "markerfacecolor": "none"}
        errors = {"xerr": [[min(_half(ms), 0.9 * ms.mean)], [_half(ms)]], "yerr": 100 * _half(accuracy)}
        label = name + " (one run)" * (ms.n < 2)
        axes.errorbar(ms.mean, 100 * accuracy.mean, **errors, **style, elinewidth=0.8, label=label)
    best = _front({method: points for method, points in known.items() if not method.endswith(CHOSEN)})
    axes.step([x for x, _ in best], [100 * y for _, y in best], where="post", color="0.35", linewidth=1.5, zorder=0)
    axes.set(xlabel="median time of a record, batch 1 (ms)", ylabel="accuracy on test (%)", xscale="log")
    axes.legend(
        fontsize=7,
        frameon=False,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        title="lines: 95 % interval",
        title_fontsize=7,
    )
    clean(axes)
    return figure


def _half(found: Interval) -> float:
    return (found.high - found.low) / 2 if found.n > 1 else 0.0


def _front(known: Mapping[str, tuple[Interval, Interval]]) -> list[tuple[float, float]]:
    """Return times and accuracies of what no other form beats in both, fastest first."""
    best: list[tuple[float, float]] = []
    for time, accuracy in sorted(((ms.mean, share.mean) for ms, share in known.values()), key=lambda p: (p[0], -p[1])):
        if not best or accuracy > best[-1][1]:
            best.append((time, accuracy))
    return best
