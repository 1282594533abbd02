"""How docs/results/semantic.md is made from rows: `python -m groundwave.recipes.semantic_results`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from groundwave.bench.comparisons import difference, points
from groundwave.bench.pictures import accuracy_against_snr
from groundwave.bench.rows import Row, aggregate
from groundwave.bench.semantic import ACCURACY, HEAD_START
from groundwave.bench.semantic_asides import RECALL_OF_NEW
from groundwave.bench.semantic_pictures import accuracy_against_traffic, scene_picture
from groundwave.bench.tables import behind, draws, marked, summarise
from groundwave.metrics import Interval
from groundwave.page import Table
from groundwave.recipes.accelerated_cells import SPREAD, spread
from groundwave.recipes.results_page import Choose, Part, current, labels, missing, sources, write_page
from groundwave.recipes.semantic_aims import LOST, aims, lost_without
from groundwave.recipes.semantic_blocks import informed
from groundwave.recipes.semantic_communication import COMMON, LAMDA
from groundwave.recipes.semantic_lacking import SWEPT, lacking
from groundwave.recipes.semantic_rounds import OURS, REACHED, SUPERVISED, curves, rounds_table
from groundwave.recipes.semantic_sets import PAIRS
from groundwave.semcom.ledger import MEANINGS

PROTOCOL = "semantic-communication"
ORDER = (OURS, "", SUPERVISED, "separate design")  # of lines and curves
NEW = (
    "AUROC of the new class",
    "AUROC of the new class by confidence",
    RECALL_OF_NEW,
    "macro recall of known classes before",
    "macro recall of known classes after",
)

HEAD = """# Semantic communication in full

Two devices with a sensor each and a server behind fading channels, after [Zhao et al.](#sources); measured here, made
by `python -m groundwave.recipes.semantic_results` from the rows of `groundwave run semantic-communication`.

Stage one pretrains the encoders at the edge, without labels and without traffic to the server. Of two looks at a
record, the second is at another one of its group where there is one, such as another picture of the room: a device
knows without labels what it saw in one place. *One moment* does without; CLIP looks once. Stage two trains encoders
and server through the link with the labels: in each round features of a batch go up and gradients come down, both
through noise. Networks, steps, order and noise are the same for every method. With a head start, features of the
labelled records go up before the first round, twice, and the server learns its own layers from what arrives: nothing
comes down, so that this takes bits and no round.

The accuracy is on test records of groups that lent nothing, and the last state counts. How many records stage one sees,
for how long, in pairs and in what colours, and the devices' rates in stage two, one from random weights and one after
stage one, were chosen on another draw of the scene; what was tried for ours was tried for the others in part only. The
colours were tried there because two seeds of an earlier state had done badly on records that are asked here. The
server's learning rate and features without a common mean on the air were chosen for all methods alike, earlier, in a
trial on records that may be asked here; the passes of the head start, on validation records. That supervised training
has none was decided when such a trial showed that it does harm there. Intervals are over seeds, each of which parts the
records and draws weights and labels anew. IQ and spectrograms take all these settings over as they are.

Of rooms, who knows furnishing and wallpaper, but not the relief of the walls, which is in depth alone, is right in
80 %: six classes are told, four are guessed in pairs. There most methods end with 400 labels or more. On the other draw
it helped little or not to let stage one see more rooms, or for longer, with networks twice as wide or four times the
features, with less noise on depth or its local relief beside, or with looks at one moment: reliefs are hardly learned
across the air, though a network in one place learns them from 3200 labels.
"""


def semantic_results(results: Path = Path("results"), out: Path = Path("docs/results/semantic.md")) -> Path:
    """Write the page and, in a folder of its name beside it, its pictures.

    Args:
        results: folder of rows.
        out: the page.
    """
    everything = current(results, PROTOCOL, ORDER)
    rows = [row for row in everything if row.failed is None]
    sets = {data: [row for row in rows if row.data == data] for data in dict.fromkeys(row.data for row in rows)}
    parts = [part for data, own in sets.items() for part in of_data(own, data)]
    near = {f"Aims, {data}": table for data, own in sets.items() if (table := aims(own))}
    failed = [row for row in everything if row.failed is not None]
    open_ends = [*lacking(rows)]
    open_ends += [f"{row.method}, {row.shots} labels, seed {row.seed} failed: {row.failed}" for row in failed]
    shown = [*([Part("What was aimed at", tables=near)] if near else []), pictured(), numbers(), *parts]
    return write_page(out, HEAD, [*shown, *missing(open_ends), sources("semantic")])


def pictured() -> Part:
    """Return what the two sensors see."""
    record, classes = PAIRS["rgb,depth"].shown()
    text = "Records of the scene `rgbd`: above what one device sees, below the other; nearer is brighter.\n"
    return Part("What the sensors see", text, pictures={"rooms in colour and depth": scene_picture(record, classes)})


def numbers() -> Part:
    """Return what the ledger's numbers mean."""
    return Part("What the numbers mean", "".join(f"- *{name}*: {meaning}.\n" for name, meaning in MEANINGS.items()))


def of_data(own: Sequence[Row], data: str) -> Iterator[Part]:
    """Yield the parts of one data set."""
    swept = [row for row in own if row.method.startswith(SWEPT)]
    main = [row for row in own if not row.method.endswith("a new class") and not row.method.startswith(SWEPT)]
    counts = sorted({row.shots for row in main if row.shots is not None and row.metric == ACCURACY}, reverse=True)
    columns: dict[str, Choose] = {f"{count} labels": _final(count) for count in counts}
    tables = {
        "Final accuracy": summarise([row for row in main if row.snr_db is None], columns, ACCURACY),
        f"Rounds to {100 * REACHED:.0f} % of the final accuracy of *{SUPERVISED}*": rounds_table(main, counts),
        "Traffic": traffic_table(main),
    }
    pictures = {}
    for count in counts:
        some = [row for row in main if row.shots == count]
        pictures[f"accuracy against rounds, {count} labels"] = accuracy_against_traffic(some, "rounds")
        pictures[f"accuracy against Mbit, {count} labels"] = accuracy_against_traffic(some, "Mbit")
    yield Part(f"Accuracy and traffic, {data}", _settings(main) + _ahead(main, counts), tables, pictures)
    yield from beside_stage_two(main)
    yield from sweep(main, swept, data)
    yield from other_conditions(main, counts, data)
    yield from informed(own, data)
    yield from novelty(own, data)


def sweep(main: Sequence[Row], swept: Sequence[Row], data: str) -> Iterator[Part]:
    """Yield what becomes of ours with other shares of common dimensions and weights, seeds that all of these have."""
    if not swept:
        return
    seeds = {row.seed for row in swept}
    some = [*(row for row in main if row.method == OURS and row.seed in seeds), *swept]
    finals = [row for row in some if row.snr_db is None and row.metric == ACCURACY]
    counts = sorted({row.shots for row in swept if row.shots is not None}, reverse=True)
    table = summarise(finals, {f"{count} labels": _final(count) for count in counts}, ACCURACY)
    text = f"*{OURS}* itself has a share of {COMMON:g} and a weight of {LAMDA:g} off the diagonals.\n"
    yield Part(f"Share of common dimensions, and weight, {data}", text, {"Final accuracy of a sweep": table})


def other_conditions(rows: Sequence[Row], counts: Sequence[int], data: str) -> Iterator[Part]:
    """Yield accuracies at other SNRs, and with a sensor missing."""
    asked = [row for row in rows if row.metric == ACCURACY and row.snr_db is not None]
    if not asked:
        return
    pictures = {
        f"{count} labels": accuracy_against_snr(
            [row for row in asked if row.shots == count], metric=ACCURACY, snr="SNR of the link at test time"
        )
        for count in counts
    }
    text = "Networks and the separate design's classifier learned at the one SNR: more than that brings them records\n"
    text += "unlike those that they learned from.\n"
    yield Part(f"Trained at one SNR, asked at others, {data}", text, pictures=pictures)
    metrics = list(dict.fromkeys(row.metric for row in rows if row.metric.startswith("accuracy without")))
    columns: dict[str, Choose] = {f"{n} labels": labels(n) for n in counts}
    tables = {metric: summarise(rows, columns, metric) for metric in metrics}
    losses = summarise(lost_without(rows), columns, LOST, bold=False)
    caption = "points of accuracy that a missing sensor costs, mean over which one; less is better."
    tables["What a missing sensor costs"] = replace(losses, caption=caption)
    yield Part(f"A sensor missing at test time, {data}", tables=tables)


def novelty(rows: Sequence[Row], data: str) -> Iterator[Part]:
    """Yield whether a class that neither stage saw is noticed, and what it takes to add it."""
    some = [row for row in rows if row.method.endswith("a new class")]
    if not some:
        return
    shots = sorted({row.shots for row in some if row.shots is not None})
    methods = list(dict.fromkeys(row.method for row in some))
    cells = {metric: aggregate(some, ("method",), metric) for metric in NEW}
    grid = [[cells[metric].get((method,)) for metric in NEW] for method in methods]
    texts = marked([[spread(cell, 100, ".1f", 1) for cell in line] for line in grid], draws(grid))
    body = [[method, *line] for method, line in zip(methods, texts, strict=True)]
    caption = f"in %, {SPREAD}; "
    caption += f"a new class is added from {shots[0]} labels; {behind(draws(grid))}."
    text = "A class that neither stage saw is as new as its features are far from the nearest prototype. It is added\n"
    text += "as one prototype more, at the server: its few records go up once, and no gradient comes down. Each seed\n"
    text += "leaves another class out, so that intervals are over classes, too.\n"
    yield Part(f"A new class, {data}", text, {"Noticed and added": Table(["method", *NEW], body, caption)})


def traffic_table(rows: Sequence[Row]) -> Table:
    """Return what each method sends."""
    metrics = ("Mbit per round", HEAD_START, "Mbit once", "Mbit between devices")
    cells = aggregate_means(rows, metrics)
    methods = list(dict.fromkeys(row.method for row in rows))
    body = [[m, *(f"{cells[m, metric]:.4g}" if (m, metric) in cells else "" for metric in metrics)] for m in methods]
    caption = (
        "Mbit of a round at most (up and down, all devices, 32 bits per real); of the head start and of compressed "
        "records, sent once, with all labels; of stage one between devices that do not share a box."
    )
    return Table(["method", *metrics], body, caption)


def beside_stage_two(rows: Sequence[Row]) -> Iterator[Part]:
    """Yield what stage one sends between devices, beside all of stage two: the pictures of traffic leave it out."""
    mbit = aggregate_means(rows, ("Mbit per round", "Mbit between devices"))
    rounds = max((done for curve in curves(rows).values() for done, _ in curve), default=0)
    between, each = (mbit.get((OURS, metric), 0.0) for metric in ("Mbit between devices", "Mbit per round"))
    if between and each and rounds:
        stage_two = rounds * each
        text = f"These pictures count what goes up and down. Stage one of *{OURS}* sends {between:.0f} Mbit more\n"
        text += (
            f"between devices that do not share a box, {between / stage_two:.0f} times what stage two sends in all\n"
        )
        text += f"({rounds} rounds, {stage_two:.0f} Mbit).\n"
        yield Part("What the pictures leave out", text, level=3)


def aggregate_means(rows: Sequence[Row], metrics: Sequence[str]) -> dict[tuple[str, str], float]:
    """Return the largest value of each metric by method: that of all labels, whose batches are whole."""
    found: dict[tuple[str, str], float] = {}
    for row in rows:
        if row.metric in metrics and row.value is not None:
            key = (row.method, row.metric)
            found[key] = max(found.get(key, 0.0), row.value)
    return found


def _settings(rows: Sequence[Row]) -> str:
    """Return with what the rows were made, in words: nothing here holds for other settings by itself."""
    told = []
    for config in {row.config_hash: row.config for row in rows if "pace" in row.config}.values():
        link = config["link"]
        fading = {0.0: "Rayleigh fading", "inf": "no fading"}.get(link["rician_k"], f"K = {link['rician_k']}")
        epochs = f"{config['stage_one']['epochs']} epochs of stage one" if config.get("objective") else ""
        snr_db = "to".join(f"{level:g} " for level in dict.fromkeys(link["snr_db"]))
        told += [f"{config['pace']['rounds']} rounds", epochs, f"{link['num_symbols']} symbols a device", fading]
        told += [f"trained at {snr_db}dB", f"networks of width {config['width']}"]
    seeds = len({row.seed for row in rows})
    counted = f"{seeds} seed{'s' * (seeds > 1)}"
    return f"Settings: {', '.join(filter(None, dict.fromkeys(told)))}; {counted}.\n\n" if told else ""


def _ahead(rows: Sequence[Row], counts: Sequence[int]) -> str:
    """Return by how much ours is ahead of the others in the end, in words."""
    lines = []
    finals = [row for row in rows if row.metric == ACCURACY and row.snr_db is None]
    for count in counts:
        some = [row for row in finals if row.shots == count]
        gaps = {
            method: difference(some, ACCURACY, OURS, method)
            for method in dict.fromkeys(row.method for row in some)
            if method != OURS
        }
        told = ", ".join(f"*{method}* {points(gap)}{_sure(gap)}" for method, gap in gaps.items() if gap)
        if told:
            lines.append(f"- {count} labels: *{OURS}* less {told} points.\n")
    return "".join(["Differences are over the seeds that both have.\n\n", *lines]) if lines else ""


def _sure(gap: Interval) -> str:
    return " (unknown with one seed)" if gap.n < 2 else ""


def _final(count: int) -> Choose:
    return lambda row: row.shots == count and row.snr_db is None


if __name__ == "__main__":
    from jsonargparse import auto_cli

    auto_cli(semantic_results, as_positional=False)
