"""How docs/results/accelerated.md is made from rows: `python -m groundwave.recipes.accelerated_results`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf
from pathlib import Path

from matplotlib.figure import Figure

from groundwave.bench.comparisons import (
    MET,
    MISSED,
    ON_AVERAGE,
    ONCE,
    VERDICT_CAPTION,
    difference,
    verdict,
    weakest,
)
from groundwave.bench.pictures import accuracy_against_snr
from groundwave.bench.rows import Row, aggregate
from groundwave.bench.tables import behind, draws, marked
from groundwave.compress.exits import PUBLISHED
from groundwave.metrics import Interval
from groundwave.page import Table
from groundwave.recipes.accelerated_cells import SPREAD, aim_of, half_width, numbers, quotient, spread, times
from groundwave.recipes.aoa_compression import DRAWN, ONE_LAYER, ORIGINAL
from groundwave.recipes.cascade import MODELS
from groundwave.recipes.cascade_results import cascade_part
from groundwave.recipes.early_exit import OTHERS
from groundwave.recipes.early_exit_measured import ALONE, BATCH_TIME, BUDGET, CHOSEN, GOOD_DB, ONNX_TIME, TIME
from groundwave.recipes.early_exit_measured import SOURCE as THRESHOLDS
from groundwave.recipes.results_page import COPIES, Part, current, hung, missing, sources, write_page

HEAD = """# Smaller and faster models in full

What [early exits](#sources), pruning and integers cost and save, measured here; made by
`python -m groundwave.recipes.accelerated_results` from the rows in `results/` and the pictures in
`runs/accelerated/pictures`. `groundwave run early-exit`, `aoa-compression` and `cascade` make both.

Groups are parted to training, validation, which chooses thresholds and forms, and test, of which all numbers here
are. Times are wall-clock times of one thread; networks with exits take turns with the backbone, record by record.
Intervals are over seeds, each of which parts the records and draws weights anew; what has none is of one seed or the
same for all.
"""

# The source's table, validation records, T = 0.05: share leaving, accuracy of those leaving, accuracy; all in percent.
SOURCE = {
    "V0": (1.42, 100.0, 62.86),
    "V1": (20.82, 99.99, 62.40),
    "V2": (25.61, 99.93, 61.21),
    "V3": (32.10, 99.82, 63.12),
}
# Shares of records by what is on the air: good SNRs, and the rest.
MIXES = {"uniform": 0.5, "mostly good": 0.9, "mostly weak": 0.1}
TIME_AIMS = (-0.5, -0.7, 0.05)  # at the uniform mix, from the good SNRs up, and at the slowest SNR
AIMED_AT = "What was aimed at"
# The source's network before and after: azimuth and elevation error in degrees, weights, kB.
TALK = {"original": (1.55, 1.16, 548_482, 2197.0), "pruned": (2.2, 2.1, 20_011, 167.0)}


def accelerated_results(
    results: Path = Path("results"),
    runs: Path = Path("runs/accelerated"),
    out: Path = Path("docs/results/accelerated.md"),
) -> Path:
    """Write the page and, in a folder of its name beside it, its pictures; what has no rows yet is named at the end.

    Args:
        results: folder of rows.
        runs: folder of runs, with pictures of errors; those that an earlier page has copied are kept where it has none.
        out: the page.
    """
    folders = (runs / "pictures", out.with_suffix("") / COPIES)
    parts = [part for make in SECTIONS.values() for part in make(results, folders)]
    cascades = current(results, "cascade")
    known = {row.method.partition(":")[0] for row in cascades}
    models = [f"cascade models={name}" for name in MODELS if name not in known]
    exits = {row.method for row in current(results, "early-exit")}
    others = ",".join(name for name in OTHERS if name not in exits)
    lacking = [name for name in ("early-exit", "aoa-compression") if not current(results, name)] + models
    lacking += [f'early-exit variants="{others}"'] if exits and others else []
    open_ends = [f"No rows yet of `groundwave run {command}`." for command in lacking]
    if cascades and not any(row.metric == "peak kB" for row in cascades):
        open_ends += ["The rows of the cascade are older than its peak memory and its accuracy at each SNR."]
    closing = [*missing(open_ends), sources("early exits", "RML22", "talk", "MUSIC")]
    return write_page(out, HEAD + _made_on(results), [*parts, *closing])


def _made_on(results: Path) -> str:
    """Return on what the rows were made."""
    rows = [row for name in ("early-exit", "aoa-compression", "cascade") for row in current(results, name)]
    hardware = dict.fromkeys(row.hardware.replace("1 threads", "1 thread") for row in rows)
    return f"Rows were made on: {'; '.join(hardware)}.\n" if hardware else ""


def early_exit_part(results: Path, _: Sequence[Path]) -> Iterator[Part]:
    """Yield accuracies, shares and times of networks with exits, overall and against SNR."""
    rows = current(results, "early-exit", ("exit at the input", "", "backbone alone"))
    if not rows:
        return
    size = rows[-1].config["records_per_cell"]
    text = (
        f"The published CNN, alone and with exits, on our replica of RML22: {size} records of each of ten classes at "
        "each of 21 SNRs, each learned from once where nothing else is said; the source has 2000 and 50 epochs, and "
        "reaches 62 %. V0 to V3 are its architectures and learn by its Algorithm 1. *Exit at the input* is a network "
        "of three strided convolutions in front of a backbone that was trained alone for 2 epochs and stays as it is; "
        "it learns for 4 epochs from labels and from that backbone, which is less work than the backbone's 2. So "
        "short a training favours small networks: with the source's, the backbone would gain more."
        f"{_leaving(rows)}{_kept(rows)}\n\n"
        "Times are those of a record over that of the backbone alone, at batch 1 where nothing else is said. Both run "
        "in PyTorch with batch norms folded and linear layers merged, or both as exported files in ONNX Runtime, level "
        "and softmax inside; V0 to V3 in PyTorch alone.\n\n"
        "*T* is the source's threshold on the entropy. *Half a point* is what validation chose to lose half a point "
        "at most, with a margin of 1.64 standard errors; *or hopeless* lets records leave, too, for which going on "
        "would not help; *half the time* is what is most accurate on validation in half of the backbone's time in ONNX "
        "Runtime. The source's accuracies on validation at T = 0.05: "
        + ", ".join(f"{name} {told[2]} % ({told[0]} % leave)" for name, told in SOURCE.items())
        + ".\n"
    )
    tables = {
        AIMED_AT: _aims(rows),
        "Whole networks": _by_metric(rows, [m for m in _methods(rows) if m in _whole(rows)], ["accuracy"]),
        "The source's thresholds": _by_metric(rows, _with(rows, list(THRESHOLDS)), EXIT_METRICS),
        "Thresholds chosen on validation": _by_metric(
            rows, _with(rows, CHOICES), (*EXIT_METRICS, ONNX_TIME, f"{ONNX_TIME}, from {GOOD_DB:g} dB")
        ),
        "Expected time by what is on the air": _mixes(rows),
    }
    yield Part(
        "Early exits",
        text,
        {title: table for title, table in tables.items() if table.body},
        dict(_exit_pictures(rows)),
    )


CHOICES = (*CHOSEN, BUDGET)
EXIT_METRICS = (
    *("share leaving", "accuracy of those leaving", "accuracy"),
    *(TIME, f"{TIME}, from {GOOD_DB:g} dB", BATCH_TIME),
)


def _methods(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.method for row in rows))


def _whole(rows: Sequence[Row]) -> set[str]:
    return {row.method for row in rows if row.config["policy"] == "whole"}


def _with(rows: Sequence[Row], policies: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(row.method for row in rows if row.config["policy"] in policies))


def _by_metric(rows: Sequence[Row], methods: Sequence[str], metrics: Sequence[str]) -> Table:
    """Return a line for each method and a column for each metric, a share in percent."""
    overall = [row for row in rows if row.snr_db is None]
    cells = {metric: aggregate(overall, ("method",), metric) for metric in metrics}
    grid = [[cells[metric].get((method,)) for metric in metrics] for method in methods]
    most = [inf if metric.startswith(TIME) else 1.0 for metric in metrics]
    texts = [[spread(cell, 100, ".1f", top) for cell, top in zip(line, most, strict=True)] for line in grid]
    body = [[method, *line] for method, line in zip(methods, marked(texts, draws(grid)), strict=True)]
    return Table(["method", *metrics], body, f"in %, {SPREAD}; {behind(draws(grid))}.")


def _leaving(rows: Sequence[Row]) -> str:
    """Say how many records leave at the input, and what that means for the time that is saved."""
    at_input = [row for row in rows if row.config.get("after") == [0] and row.config["policy"] in CHOICES]
    shares = [100 * _told(at_input, method, "share leaving") for method in _methods(at_input)]
    if not shares:
        return ""
    return (
        f" Here {min(shares):.0f} to {max(shares):.0f} % of all records leave at the input: what is "
        "saved is mostly what a smaller network saves."
    )


def _kept(rows: Sequence[Row]) -> str:
    """Say, seed by seed, whether networks with an exit at the input are as accurate as their backbone alone."""
    overall, text = [row for row in rows if row.snr_db is None], ""
    for method in _with([row for row in rows if row.config.get("after") == [0]], CHOICES):
        rival = _rival(overall, method)
        if gap := difference(overall, "accuracy", method, rival):
            text += f"\n- *{method}* less *{rival}*: {half_width(gap, '+.1f', 100)} points, {KEPT[verdict(gap, 0)]}."
    return f"\n\nIs accuracy lost? Seed by seed, on test:\n{text}" if text else ""


KEPT = {
    MET: "without loss, by all of the 95 % interval",
    ON_AVERAGE: "without loss on average, while the interval reaches below 0",
    ONCE: "without loss in the one run there is",
    MISSED: "with loss",
}


def _aims(rows: Sequence[Row]) -> Table:
    """Show how near the fastest network with chosen thresholds comes to what was aimed at, in either engine."""
    header = ["network", "engine", "uniform mix", f"from {GOOD_DB:g} dB", "slowest SNR", "accuracy (points)"]
    lines = [line for unit in (TIME, ONNX_TIME) for policy in CHOICES if (line := _aim(rows, policy, unit))]
    aim = ["aim", "", *(f"{'at most ' * (aim > 0)}{100 * aim:+.0f} %" for aim in TIME_AIMS), "at least 0"]
    return Table(
        header,
        [aim, *lines] if lines else [],
        "change of the time of a record at batch 1, and, seed by seed, of the accuracy, against the backbone of the "
        "same training alone: mean ± half of the 95 % interval, and whether that meets the aim; *slowest SNR*: the one "
        "at which least is saved, met if all SNRs do. Of each rule the network with the least time. "
        f"{VERDICT_CAPTION}.",
    )


def _aim(rows: Sequence[Row], policy: str, unit: str) -> list[str]:
    overall = [row for row in rows if row.snr_db is None]
    found = {
        method: change
        for method in _with([row for row in overall if row.metric == unit], (policy,))
        if (change := _change(overall, method, unit))
    }
    if not found:
        return []
    best = min(found, key=lambda method: found[method].mean)
    gained = difference(overall, "accuracy", best, _rival(rows, best))
    snrs = sorted({row.snr_db for row in rows if row.snr_db is not None and row.method == best})
    each = [change for snr in snrs if (change := _change([r for r in rows if r.snr_db == snr], best, unit))]
    good = _change(overall, best, f"{unit}, from {GOOD_DB:g} dB")
    parts = ([found[best]], [good] if good else [], each)
    told = [_slowest(changes, aim) for changes, aim in zip(parts, TIME_AIMS, strict=True)]
    engine = "ONNX Runtime" if unit == ONNX_TIME else "PyTorch"
    return [best, engine, *told, f"{half_width(gained, '+.1f', 100)} {verdict(gained, 0)}" if gained else ""]


def _slowest(changes: Sequence[Interval], aim: float) -> str:
    """Return the largest of several changes of time, and how far all of them meet an aim."""
    if not changes:
        return ""
    met = weakest(verdict(change, aim, at_most=True) for change in changes)
    return f"{half_width(max(changes, key=lambda change: change.mean), '+.0f', 100)} % {met}"


def _change(rows: Sequence[Row], method: str, metric: str) -> Interval | None:
    """Return a relative time less 1, over seeds."""
    cell = aggregate([row for row in rows if row.method == method], ("method",), metric).get((method,))
    if cell is None or cell.interval is None:
        return None
    mean, low, high, n = cell.interval
    return Interval(mean - 1, low - 1, high - 1, n)


def _rival(rows: Sequence[Row], method: str) -> str:
    """Return the backbone alone that a network with exits is compared with."""
    return str(next(row for row in rows if row.method == method).config.get("built_on", ALONE))


def _told(rows: Sequence[Row], method: str, metric: str) -> float:
    """Return the mean of a metric over all SNRs and the seeds."""
    values = [row.value for row in rows if (row.method, row.metric, row.snr_db) == (method, metric, None)]
    return sum(value for value in values if value is not None) / len(values)


def _mixes(rows: Sequence[Row]) -> Table:
    """Return the expected time where a stated share of records has a good SNR, from the times at each SNR."""
    body = []
    for method in _with(rows, CHOICES):
        for unit in (TIME, ONNX_TIME):
            own = [row for row in rows if (row.method, row.metric) == (method, unit) and row.snr_db is not None]
            good, weak = ([row for row in own if (row.snr_db >= GOOD_DB) == side] for side in (True, False))  # type: ignore[operator]
            if good and weak:
                times = [sum(row.value or 0 for row in some) / len(some) for some in (good, weak)]
                mixed = [f"{100 * (share * times[0] + (1 - share) * times[1]):.0f}" for share in MIXES.values()]
                body.append([method + unit.removeprefix(TIME), *mixed])
    header = ["method", *(f"{name}: {100 * share:.0f} % from {GOOD_DB:g} dB" for name, share in MIXES.items())]
    return Table(
        header, body, "time of a record at batch 1 in % of the backbone's; SNRs on either side are equally likely."
    )


def _exit_pictures(rows: Sequence[Row]) -> Iterator[tuple[str, Figure]]:
    """Yield the source's figures: accuracy, share and time against SNR by threshold."""
    for value in THRESHOLDS:
        methods = [f"{name}, {value}" for name in PUBLISHED]
        some = [row for row in rows if row.method in (ALONE, *methods)]
        yield f"accuracy, {value}", accuracy_against_snr(some, 0.1, "accuracy")
        yield f"share leaving, {value}", accuracy_against_snr(some, metric="share leaving")
        yield f"time of a record, {value}", _times(some)
    chosen = [row for row in rows if row.config["policy"] == CHOSEN[1]]
    alone = [row for row in rows if row.config["policy"] == "whole" and row.snr_db is not None]
    yield "accuracy, thresholds chosen", accuracy_against_snr([*chosen, *alone], 0.1, "accuracy")
    yield "time of a record, thresholds chosen", _times(chosen)
    if any(row.metric == ONNX_TIME for row in chosen):
        exported = [row for row in rows if row.metric == ONNX_TIME and row.config["policy"] in CHOICES]
        yield "time of a record, ONNX Runtime", _times(exported, ONNX_TIME)


def _times(rows: Sequence[Row], metric: str = TIME) -> Figure:
    figure = accuracy_against_snr(rows, metric=metric)
    axes = figure.axes[0]
    axes.axhline(100, color="black", linestyle=":", linewidth=1)
    axes.autoscale(axis="y")
    axes.set(ylabel="time over the backbone's (%)")
    axes.set_ylim(bottom=0)
    return figure


def aoa_part(results: Path, folders: Sequence[Path]) -> Iterator[Part]:
    """Yield errors, sizes and times of the angle regressor, step by step, and the arrows of its errors."""
    rows = current(results, "aoa-compression", (ORIGINAL, "pruned", ONE_LAYER, "MUSIC", "straight ahead"))
    if not rows:
        return
    text = (
        "One signal, an array of 4 by 4 elements, 64 snapshots, SNR from 0 to 20 dB (scene `angles`). The "
        f"[talk](#sources)'s network went from {TALK['original'][2]:,} to {TALK['pruned'][2]:,} weights (27.4 times), "
        f"from {TALK['original'][3]:.0f} to {TALK['pruned'][3]:.0f} kB, became 3.57 times faster, and its errors rose "
        f"from {TALK['original'][0]}° and {TALK['original'][1]}° to {TALK['pruned'][0]}° and {TALK['pruned'][1]}°, on "
        "data that are not public. *MUSIC* searches a grid and knows how the array stands, but not its faults; "
        "*straight ahead* names the same direction, that in front of the array, whatever comes in. "
        f"Every form has learned from {rows[-1].config['num_records'] * 4 // 5:,} records for "
        f"{rows[-1].config['epochs']} epochs after the one before it, so smaller ones have learned longer; "
        f"*{ONE_LAYER}* has new weights and learns as long as the smallest in all, from labels and from the original. "
        "Each of its filters spans the elements at one instant: a beam, whose rectified mean over time is a level. "
        "Pruning finds fewer units, never fewer layers, which is what one record's time is made of.\n"
    )
    first = "seed-0"  # one is enough to see what errors are like
    files = {
        f"arrows from the true directions to the answers, for {DRAWN} test records of the first seed; titles are of "
        "all its test records": file
        for what, file in hung(folders, "aoa-compression").items()
        if what == first
    }
    yield Part(
        "Angles of arrival", f"{text}\n{_shrunk(rows)}", {"Step by step": numbers(rows, _methods(rows))}, files=files
    )


def _shrunk(rows: Sequence[Row]) -> str:
    """Say by how much the smallest forms are smaller and faster than the original, and what they cost, by seeds."""
    methods = _methods(rows)
    pruned = [method for method in methods if method.startswith("pruned") and method.endswith("INT8")]
    text = ""
    for last in (*pruned[-1:], *(method for method in methods if method == ONE_LAYER)):
        weights, file, speed = (
            quotient(rows, metric, ORIGINAL, last) for metric in ("parameters", "file kB, ONNX", "ms, ONNX Runtime")
        )
        azimuth, elevation = (difference(rows, metric, last, ORIGINAL) for metric in ERRORS)
        if weights and file and speed and azimuth and elevation:
            text += (
                f"- *{last}* has {times(weights, 'fewer', 'more')} weights ({aim_of(27.4, weights)}), its file is "
                f"{times(file, 'smaller', 'larger')} ({aim_of(25, file)}), it is {times(speed, 'faster', 'slower')} "
                f"in ONNX Runtime at batch 1 ({aim_of(8, speed)}), and errs {half_width(azimuth, '+.2f')}° in azimuth "
                f"({aim_of(0.33, azimuth, at_most=True)}) and {half_width(elevation, '+.2f')}° in elevation "
                f"({aim_of(0.47, elevation, at_most=True)}) more.\n"
            )
    if not text:
        return ""
    text += f"\nAll of it seed by seed. The aims of errors are half of the talk's loss. {VERDICT_CAPTION}.\n"
    if "MUSIC" in methods:
        azimuth_deg, elevation_deg = (_told(rows, "MUSIC", metric) for metric in ERRORS)
        text += f"Beside it *MUSIC* errs {azimuth_deg:.2f}° in azimuth and {elevation_deg:.2f}° in elevation.\n"
    return text


ERRORS = ("azimuth error (deg)", "elevation error (deg)")


SECTIONS: Mapping[str, Callable[[Path, Sequence[Path]], Iterator[Part]]] = {
    "early-exit": early_exit_part,
    "aoa-compression": aoa_part,
    "cascade": cascade_part,
}


if __name__ == "__main__":
    from jsonargparse import auto_cli

    auto_cli(accelerated_results, as_positional=False)
