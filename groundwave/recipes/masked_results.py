"""How docs/results/masked.md is made from rows: `python -m groundwave.recipes.masked_results`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from groundwave.bench.comparisons import decibel_table, difference, points, time_table
from groundwave.bench.encoders import Pretraining
from groundwave.bench.pictures import accuracy_against_labels, accuracy_against_snr
from groundwave.bench.rows import Row, aggregate, read
from groundwave.bench.tables import summarise
from groundwave.page import Table
from groundwave.recipes.csi_results import csi_part
from groundwave.recipes.masked_aims import aims
from groundwave.recipes.msm import CONVLSTM, VIT
from groundwave.recipes.multimodal import MODULATIONS
from groundwave.recipes.results_page import (
    COPIES,
    Choose,
    Part,
    aimed,
    current,
    hung,
    labels,
    missing,
    sources,
    write_page,
)
from groundwave.signal.gait import ACTIVITIES

HEAD = """# Masked modelling in full

Networks pretrained by [hiding parts of unlabelled spectrograms](#sources), and what they are good for, measured here as
far as there are rows: what has none is named at the end. Of what tells activities from CSI only the packaged model
`csi-small` is pretrained, on simulated people; statistics of motion are not. Made by
`python -m groundwave.recipes.masked_results` from the rows in `results/` and the pictures in `runs/masked/pictures`.
`groundwave run msm-vit`, `msm-convlstm`, `segmentation`, `forecasting`, `csi-activity` and `multimodal-vit` make both.

Spectrograms are simulated (`groundwave list scenes`: `ism-band`, `cellular`, `occupancy`); CSI is recorded where a
table names recordings. No record that is asked was pretrained on, lent labels or chose an epoch. Intervals are over
seeds, each of which parts the records and draws weights and labels anew; a number without one is of a single seed.
"""


def masked_results(
    results: Path = Path("results"),
    runs: Path = Path("runs/masked"),
    out: Path = Path("docs/results/masked.md"),
) -> Path:
    """Write the page and, in a folder of its name beside it, its pictures; what has no rows yet is named at the end.

    Args:
        results: folder of rows.
        runs: folder of runs, with pictures of reconstructions and answers; those that an earlier page has copied are
            kept where it has none.
        out: the page.
    """
    folders = (runs / "pictures", out.with_suffix("") / COPIES)
    parts = aimed(aims(results))
    parts += [part for make in SECTIONS.values() for part in make(results, folders)]
    lacking = [name for name in SECTIONS if not read(results / f"{name}.jsonl")]
    open_ends = [f"No rows yet of `groundwave run {name}`." for name in lacking]
    open_ends += [text for name in SECTIONS for text in _failed(results, name)]
    return write_page(out, HEAD, [*parts, *missing(open_ends), sources("MSM")])


def _failed(results: Path, name: str) -> Iterator[str]:
    rows = [row for row in current(results, name) if row.failed is not None]
    if rows:
        yield f"{len(rows)} cells of `groundwave run {name}` failed, the last one because: {rows[-1].failed}"


def reconstruction_part(
    results: Path, folders: Sequence[Path], name: str, title: str, own: Pretraining
) -> Iterator[Part]:
    """Yield how well hidden cells are drawn, by what is hidden; `own` is the recipe's setting."""
    rows = [row for row in current(results, name) if row.failed is None]
    if not rows:
        return
    metrics = {row.metric.removeprefix("error ").removesuffix(" (dB)"): row.metric for row in rows}
    data = ", ".join(dict.fromkeys(row.data for row in rows))
    caption = f"root mean squared error of hidden cells in dB, lower is better, on {data}"
    told = "Hidden are random cells, blocks, bands of frequencies or tubes of time, and the share that is told."
    text = f"{told} {_pretrained(rows, own)}\n"
    files = {f"input, what is left, reconstruction: {mask}": file for mask, file in hung(folders, name).items()}
    yield Part(title, text, {"Error by mask and ratio": decibel_table(rows, metrics, caption)}, files=files)


def _pretrained(rows: Sequence[Row], own: Pretraining) -> str:
    """Say for how long the network has learned, and whether that is less than the recipe asks for."""
    epochs = max(row.config["pretraining"]["schedule"]["epochs"] for row in rows)
    if epochs >= own.schedule.epochs:
        return f"The network was pretrained for {epochs} epochs."
    return f"The network was pretrained for {epochs} of the recipe's {own.schedule.epochs} epochs: too few."


def segmentation_part(results: Path, folders: Sequence[Path]) -> Iterator[Part]:
    """Yield the scores of segmentation by share of the labels, and the time to the same mIoU."""
    rows = [row for row in current(results, "segmentation") if row.failed is None]
    for data in dict.fromkeys(row.data for row in rows):
        some = [row for row in rows if row.data == data]
        counts = sorted({row.shots for row in some if row.shots is not None})
        columns: dict[str, Choose] = {f"{count} labels": labels(count) for count in counts}
        metrics = ("mIoU", "pixel accuracy", "boundary F1", *_of_classes(some))
        tables = {metric: summarise(some, columns, metric) for metric in metrics if _any(some, metric)}
        for reference in ("from scratch", "from scratch, 4 times as large"):
            times = time_table(some, "mIoU", reference)
            if times:
                tables[f"Time to the best mIoU on validation of {reference}"] = times
        pictures = {"mIoU by labels": _against_labels(some)} if _any(some, "mIoU") else {}
        files = _answers(folders, "segmentation", "input, truth, and what each method answers")
        yield Part(f"Segmentation, {data}", _ahead(some, counts), tables, pictures, files)


def _answers(folders: Sequence[Path], name: str, title: str) -> dict[str, Path]:
    """Return the picture of a recipe's answers under a title; nothing where there is none."""
    file = hung(folders, name).get("answers")
    return {title: file} if file else {}


def _any(rows: Sequence[Row], metric: str) -> bool:
    return any(row.metric == metric for row in rows)


def _of_classes(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.metric for row in rows if row.metric.startswith("IoU ")))


def _against_labels(rows: Sequence[Row]) -> Figure:
    figure = accuracy_against_labels(rows, "mIoU")
    figure.axes[0].set_xlabel("labelled records")
    return figure


def _ahead(rows: Sequence[Row], counts: Sequence[int]) -> str:
    """Return whether the frozen network is ahead of the larger one from scratch, in words."""
    first, second = "pretrained, frozen", "from scratch, 4 times as large"
    cells = aggregate(rows, ("method", "shots"), "mIoU")
    lines = ["The source reports 97.9 against 97.7 % pixel accuracy, on other frames, of one run each.\n"]
    for count in counts:
        one, other = (cells.get((method, count)) for method in (first, second))
        if one and other and one.interval and other.interval:
            apart = "apart" if not one.interval.overlaps(other.interval) else "overlapping"
            if one.interval.n == 1:
                apart = "unknown with one seed"
            gap = points(difference([row for row in rows if row.shots == count], "mIoU", first, second))
            lines.append(f"- {count} labels: *{first}* less *{second}* is {gap} points of mIoU; intervals {apart}.")
    lines.append(
        "\nSeconds are those of tuning; a pretrained network has cost its pretraining before, once for all tasks."
    )
    return "\n".join(lines) + "\n"


def forecasting_part(results: Path, folders: Sequence[Path]) -> Iterator[Part]:
    """Yield the scores of forecasts by horizon, with baselines and oracles, and the time to the same area."""
    rows = [row for row in current(results, "forecasting") if row.failed is None]
    if not rows:
        return
    tables, pictures = {}, {}
    for score, says in (
        ("detection", "correct occupied predictions"),
        ("false alarm", "free cells predicted to be occupied"),
        ("F1", "F1 of occupied cells"),
        ("detection at 5 %", "correct occupied predictions at 5 % false alarms"),
    ):
        ahead = by_horizon(rows, score)
        if not ahead:
            continue
        horizons = sorted({row.snr_db for row in ahead if row.snr_db is not None})
        columns: dict[str, Choose] = {f"{h:g} ahead": _at(h) for h in horizons}
        tables[says] = summarise(ahead, columns, score, bold=score != "false alarm")
        pictures[says] = accuracy_against_snr(ahead, metric=score)
        pictures[says].axes[0].set_xlabel("slices ahead")
    for reference in ("ConvLSTM, from scratch", "ViT, from scratch"):
        times = time_table(rows, "area", reference)
        if times:
            tables[f"Time to the best area on validation of {reference}"] = times
    text = "*Persistence of the truth* and *patterns known* know what no receiver does: they bound what can be had.\n\n"
    text += _even(by_horizon(rows, "F1"))
    files = _answers(folders, "forecasting", "the past, the truth of what follows, and each forecast")
    yield Part("Forecasting", text, tables, pictures, files)


def _even(rows: Sequence[Row]) -> str:
    """Return by how much frozen networks differ from the same from scratch, in words."""
    lines = []
    for network in ("ConvLSTM", "ViT"):
        methods = (f"{network}, pretrained, frozen", f"{network}, from scratch")
        horizons = sorted({row.snr_db for row in rows if row.snr_db is not None})
        gaps = [difference([row for row in rows if row.snr_db == h], "F1", *methods) for h in horizons]
        means = [100 * gap.mean for gap in gaps if gap]
        if means:
            spread = f"{min(means):+.1f} to {max(means):+.1f}"
            lines.append(f"- {network}: *frozen* less *from scratch* is {spread} points of F1 over the horizons.")
    return "\n".join(lines) + "\n" if lines else ""


def by_horizon(rows: Sequence[Row], score: str) -> list[Row]:
    """Return the rows of a score as if it were one metric, with the horizon in place of the SNR."""
    found = []
    for row in rows:
        name, _, horizon = row.metric.rpartition(" ")
        if name == score and horizon.isdigit():
            found.append(replace(row, metric=score, snr_db=float(horizon)))
    return found


def _at(horizon: float) -> Choose:
    return lambda row: row.snr_db == horizon


def multimodal_part(results: Path, _: Sequence[Path]) -> Iterator[Part]:
    """Yield the scores of one trunk beside those of separate ones, and their difference over seeds."""
    rows = [row for row in current(results, "multimodal-vit") if row.failed is None]
    if not rows:
        return
    body = []
    for task, metric in (("segmentation", "mIoU"), ("activity", "macro recall"), ("modulation", "macro recall")):
        methods = [f"{task}, {kind}" for kind in ("shared", "multiway", "separate")]
        some = [row for row in rows if row.method in methods and row.metric == metric]
        if some:
            cells = aggregate(some, ("method",), metric)
            scores = [points(cell.interval) if (cell := cells.get((method,))) else "" for method in methods]
            gaps = [points(difference(some, metric, method, methods[-1])) for method in methods[:-1]]
            body.append([task, metric, *scores, *gaps])
    caption = "in %, mean ± half of the 95 % interval over seeds; differences are of pairs of one seed, in points."
    header = ["task", "score", "shared", "multiway", "separate", "shared less separate", "multiway less separate"]
    text = (
        "One set of weights, *shared* or *multiway*, against *separate* ones. All backbones are frozen; heads learn "
        "from the same labels. A shared trunk is as large as each of the separate ones; in a multiway trunk modalities "
        "share attention and have feed-forward layers of their own, so that it is as large as 2.3 of them and takes "
        "the time of one: a second attempt, made when the scores of the shared one were known. Who guesses is right in "
        f"{100 / len(ACTIVITIES):.1f} % of the activities and "
        f"{100 / len(MODULATIONS):.1f} % of the modulations.\n"
    )
    yield Part("One trunk for three modalities", text, {"Shared against separate": Table(header, body, caption)})


SECTIONS: Mapping[str, Callable[[Path, Sequence[Path]], Iterator[Part]]] = {
    "msm-vit": lambda results, folders: reconstruction_part(results, folders, "msm-vit", "Reconstruction, ViT", VIT),
    "msm-convlstm": lambda results, folders: reconstruction_part(
        results, folders, "msm-convlstm", "Reconstruction, ConvLSTM", CONVLSTM
    ),
    "segmentation": segmentation_part,
    "forecasting": forecasting_part,
    "csi-activity": csi_part,
    "multimodal-vit": multimodal_part,
}


if __name__ == "__main__":
    from jsonargparse import auto_cli

    auto_cli(masked_results, as_positional=False)
