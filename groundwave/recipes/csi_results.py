"""The part of docs/results/masked.md about activities from CSI in rooms, of persons and in sessions that are new."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
from matplotlib.figure import Figure

from groundwave.bench.answer_pictures import recall_picture
from groundwave.bench.pictures import confusion_picture
from groundwave.bench.rows import Row, aggregate
from groundwave.bench.tables import summarise
from groundwave.recipes.results_page import Choose, Part, current, hung, labels, ordered

RECALL, CONFUSED = "recall of ", " as "  # `recall of sitting`; `sitting as lying`: the share of a class so answered

# Stores whose `room` is a session in one room all along, minutes apart from the others.
SESSIONS = ("esp32-4-sessions",)
ORDER = ("csi-small", "motion", "")  # of lines: pretrained, statistics of motion, other baselines


def csi_part(results: Path, folders: Sequence[Path]) -> Iterator[Part]:
    """Yield the accuracy of activities in what is new, by data set and by what was held out."""
    rows = [_named(row) for row in current(results, "csi-activity") if row.failed is None]
    for data, what, only in dict.fromkeys(map(_protocol, rows)):
        some = ordered([row for row in rows if _protocol(row) == (data, what, only)], ORDER)
        counts = sorted({row.shots for row in some if row.shots is not None})
        tables = {}
        for count in counts:
            columns: dict[str, Choose] = {"mean": labels(count)}
            columns |= {_short(split): _in(split, count) for split in sorted({row.split for row in some})}
            told = f"{count} labels per class of the new {what}" if count else f"no label of the new {what}"
            tables[told] = summarise(some, columns, "accuracy")
        title = f"leave one {what} out" if only is None else f"learn from {what} {only} alone"
        files = hung(folders, "csi-activity") if what == "room" else {}
        text, recalls = _recalls(some, what)
        text = "One room all along; sessions are minutes apart.\n" * (what == "session") + text
        pictures = {**recalls, **_confusions(some)}
        yield Part(f"Activities from CSI, {data}, {title}", text, tables, pictures, files)


def _named(row: Row) -> Row:
    """Return a row whose split calls sessions so."""
    return replace(row, split=row.split.replace("room", "session")) if row.data in SESSIONS else row


def _protocol(row: Row) -> tuple[str, str, int | None]:
    """Return the data, what is held out, and what alone is learned from."""
    return row.data, row.split.split(" ")[0], row.config.get("only")


def _short(split: str) -> str:
    return split.removesuffix(" left out")


def _in(split: str, count: int) -> Choose:
    return lambda row: row.split == split and row.shots == count


def _recalls(rows: Sequence[Row], what: str) -> tuple[str, dict[str, Figure]]:
    """Return a picture of how well each class is told in each domain by the method that does best without labels."""
    unseen = [row for row in rows if row.shots == 0]
    cells = aggregate(unseen, ("method",), "accuracy")
    ranked = sorted((cell.interval.mean, method) for (method,), cell in cells.items() if cell.interval)
    told = [row for row in unseen if ranked and row.method == ranked[-1][1] and row.metric.startswith(RECALL)]
    if not told:
        return "", {}
    splits = sorted({row.split for row in told})
    classes = sorted({row.metric.removeprefix(RECALL) for row in told})
    recalls = np.full((len(classes), len(splits)), np.nan)
    for row in told:
        recalls[classes.index(row.metric.removeprefix(RECALL)), splits.index(row.split)] = row.value
    picture = recall_picture(recalls, classes, [_short(split) for split in splits])
    return f"The picture is of *{ranked[-1][1]}* without labels.\n", {f"recall by {what}": picture}


def _confusions(rows: Sequence[Row]) -> dict[str, Figure]:
    """Return pictures of confusion, one for each split, method and number of labels whose rows tell it."""
    told = [row for row in rows if CONFUSED in row.metric]
    found = {}
    for split, method, shots in dict.fromkeys((row.split, row.method, row.shots) for row in told):
        own = [row for row in told if (row.split, row.method, row.shots) == (split, method, shots)]
        pairs = dict.fromkeys(row.metric for row in own)
        classes = list(dict.fromkeys(name for pair in pairs for name in pair.split(CONFUSED)))
        matrix = np.zeros((len(classes), len(classes)))
        for pair in pairs:
            true, answered = map(classes.index, pair.split(CONFUSED))
            matrix[true, answered] = fmean(row.value for row in own if row.metric == pair and row.value is not None)
        found[f"confusion, {split}, {method}, {shots} labels"] = confusion_picture(matrix, classes)
    return found
