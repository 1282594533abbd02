"""The part of docs/results/masked.md about activities from CSI in rooms, of persons and in sessions that are new."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from groundwave.bench.answer_pictures import recall_picture
from groundwave.bench.domains import CONFUSED, RECALL
from groundwave.bench.pictures import confusion_picture
from groundwave.bench.rows import Row, aggregate
from groundwave.bench.tables import summarise
from groundwave.recipes.results_page import Choose, Part, current, hung, labels, ordered

# Stores whose `room` is a session in one room all along, minutes apart from the others.
SESSIONS = ("esp32-4-sessions",)
ORDER = ("csi-small", "motion", "")  # of lines: pretrained, statistics of motion, other baselines
MOST_PICTURES = 3  # of confusions; where more are held out in turn, one shows the mean
# What makes the rows of a data set from the file that it comes in.
MADE = {
    "intel5300-2-rooms": """groundwave ingest csi_har_11act_2rooms.npz --out intel5300-2-rooms --format csi-npz \\
  --csi csi_i8 --axes "iq antenna packet subcarrier" --scale packet_scale --sample-rate 20 \\
  --label label --classes label_names --room room --user user
groundwave run csi-activity data=intel5300-2-rooms models=csi-small
""",
    "esp32-4-sessions": """groundwave ingest wifi_csi_har_esp32_stability.npz --out esp32-4-sessions --format csi-npz \\
  --csi amp --axes subcarrier --sample-rate 100 --num-samples 50 --hop 25 \\
  --label label --classes label_names --group sequence_id --room session
groundwave run csi-activity data=esp32-4-sessions hold_out=room only=1 models=csi-small
""",
    "csi": "groundwave run csi-activity models=csi-small\n",
}


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
            lent = f"{count} labels per class of the new {what}" if count else f"no label of the new {what}"
            tables[lent] = summarise(some, columns, "accuracy")
        title = f"leave one {what} out" if only is None else f"learn from {what} {only} alone"
        files = hung(folders, "csi-activity") if what == "room" else {}
        best, told = _best(some)
        pictures = {**_recalls(told, what), **_confusions(told, what)}
        text = "One room all along; sessions are minutes apart.\n\n" * (what == "session")
        if data in MADE:
            text += f"Made by\n\n```bash\n{MADE[data]}```\n\n"
        if pictures:
            text += f"Pictures are of *{best}* without labels, the best here on these very records.\n"
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


def _best(rows: Sequence[Row]) -> tuple[str, list[Row]]:
    """Return the method that does best without labels, and what its rows tell of each class."""
    unseen = [row for row in rows if row.shots == 0]
    cells = aggregate(unseen, ("method",), "accuracy")
    ranked = sorted((cell.interval.mean, method) for (method,), cell in cells.items() if cell.interval)
    best = ranked[-1][1] if ranked else ""
    return best, [row for row in unseen if row.method == best and row.metric != "accuracy"]


def _recalls(told: Sequence[Row], what: str) -> dict[str, Figure]:
    """Return a picture of how well each class is told in each domain."""
    found = [row for row in told if row.metric.startswith(RECALL)]
    if not found:
        return {}
    splits = sorted({row.split for row in found})
    classes = sorted({row.metric.removeprefix(RECALL) for row in found})
    recalls = np.full((len(classes), len(splits)), np.nan)
    for row in found:
        recalls[classes.index(row.metric.removeprefix(RECALL)), splits.index(row.split)] = row.value
    return {f"recall by {what}": recall_picture(recalls, classes, [_short(split) for split in splits])}


def _confusions(told: Sequence[Row], what: str) -> dict[str, Figure]:
    """Return a picture of confusion for each domain, or of all where there are many, if rows tell what is confused."""
    if not any(CONFUSED in row.metric for row in told):
        return {}
    splits = sorted({row.split for row in told})
    if len(splits) > MOST_PICTURES:
        return {f"confusion, mean over each {what} left out": _confusion(told)}
    return {f"confusion, {_short(split)}": _confusion([row for row in told if row.split == split]) for split in splits}


def _confusion(told: Sequence[Row]) -> Figure:
    """Draw how often each class is told right and taken for others; no row of a pair means never."""
    pairs = [
        (row.metric.removeprefix(RECALL),) * 2 if row.metric.startswith(RECALL) else row.metric.split(CONFUSED)
        for row in told
    ]
    classes = sorted({name for pair in pairs for name in pair})
    shares, asked = np.zeros((len(classes), len(classes))), np.zeros((len(classes), 1))
    for row, (true, answered) in zip(told, pairs, strict=True):
        shares[classes.index(true), classes.index(answered)] += row.value or 0.0
        asked[classes.index(true)] += true == answered  # one row of recall for each domain that asks about the class
    return confusion_picture(shares / np.maximum(asked, 1), classes)
