"""What was aimed at with LSM, and how near its rows have come: the table at the head of docs/results/lsm.md."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

from groundwave.bench.comparisons import VERDICT_CAPTION, difference, points, verdict, weakest
from groundwave.bench.contest import ACCURACY
from groundwave.bench.rows import Row
from groundwave.metrics import Interval, interval
from groundwave.page import Table
from groundwave.recipes.results_page import current

AS_PUBLISHED = "radioml as-published"
OURS = "LSM, ours"
PROBE = f"{OURS}, linear probe"
MORE = " + unlabelled"  # how the names of methods end that use unlabelled records when they answer, too
MOD_CL = {2: 0.5176, 5: 0.5733, 10: 0.5910, 20: 0.6032, 50: 0.6140, 100: 0.6188}  # reported on the real file

Line = tuple[str, str, str, str]  # what, the aim, what was reached, whether that is enough


def aims(results: Path) -> Table | None:
    """Return a line for each aim that has rows; None if none has."""
    names = ("contrastive", "fewshot-source", "transfer-source", "label-efficiency")
    rows = {name: [row for row in _scored(results, name) if row.data == AS_PUBLISHED] for name in names}
    lines = (
        *contrastive_aims(rows["contrastive"]),
        *few_shot_aims(rows["fewshot-source"]),
        *transfer_aims(rows["transfer-source"]),
        *label_aims(rows["label-efficiency"]),
    )
    caption = f"macro recall and points of it on {AS_PUBLISHED}, where sources report the real file. {VERDICT_CAPTION}."
    return Table(["", "aim", "reached", ""], [list(line) for line in lines], caption) if lines else None


def _scored(results: Path, name: str) -> list[Row]:
    return [row for row in current(results, name) if row.metric == ACCURACY and row.value is not None]


def contrastive_aims(rows: Sequence[Row]) -> Iterator[Line]:
    """Yield panel (a): the accuracy at 4 dB, and by how much ours is ahead of others that see the same records."""
    at_4 = [row for row in rows if row.snr_db == 4 and row.method == OURS]
    if found := _mean(at_4):
        yield f"(a) 4 dB, 5 labels: {OURS}", "80 % or more", f"{points(found)} %", verdict(found, 0.80)
    for mine in (OURS, OURS + MORE):
        rivals = [m for m in _methods(rows) if m.endswith(MORE) == mine.endswith(MORE)]
        yield from _ahead("(a) 5 labels", rows, mine, rivals, 0.0, "ahead of every baseline at every SNR ≥ 0")


def few_shot_aims(rows: Sequence[Row]) -> Iterator[Line]:
    """Yield panel (b) on the class split of the source."""
    five = [row for row in rows if row.shots == 5]
    high = [row for row in five if row.method == OURS and _high(row)]
    if found := _mean(high):
        what = f"(b) 5-way 5-shot, mean for SNR ≥ 0: {OURS}, one model for all SNRs"
        yield what, "97 % or more", f"{points(found)} %", verdict(found, 0.97)
    rivals = [m for m in _methods(five) if m.startswith(("ProtoNet", "RelationNet"))]
    yield from _ahead("(b) 5-way 5-shot", five, OURS, rivals, 0.15, "+15 points or more at every SNR ≥ 0")


def transfer_aims(rows: Sequence[Row]) -> Iterator[Line]:
    """Yield panel (c): by how much ours is ahead of networks that learned the base classes with labels."""
    above = [row for row in rows if row.snr_db is not None and row.snr_db > 0]
    for count in (1, 5):
        some = [row for row in above if row.shots == count]
        rivals = [m for m in _methods(some) if m.startswith(("CNN2", "CNN-LSTM", "ResNet18", "MCLDNN"))]
        yield from _ahead(f"(c) 5-way {count}-shot", some, OURS, rivals, 0.20, "+20 points or more at every SNR > 0")


def label_aims(rows: Sequence[Row]) -> Iterator[Line]:
    """Yield panel (d): ours beside what Mod-CL reports, at each number of labels."""
    overall = [row for row in rows if row.method == PROBE and row.snr_db is None]
    gaps = {
        count: Interval(found.mean - least, found.low - least, found.high - least, found.n)
        for count, least in MOD_CL.items()
        if (found := _mean([row for row in overall if row.shots == count]))
    }
    if gaps:
        told = ", ".join(f"{100 * gap.mean:+.1f}" for gap in gaps.values())
        what = f"(d) N = {', '.join(map(str, gaps))} labels: {PROBE}, less what Mod-CL reports"
        yield what, "above at every N", f"{told} points", weakest(verdict(gap, 0.0) for gap in gaps.values())


def _ahead(what: str, rows: Sequence[Row], mine: str, rivals: Sequence[str], least: float, aim: str) -> Iterator[Line]:
    """Yield how far ours is ahead of the strongest rival where it is least ahead, over SNRs of 0 dB and more."""
    gaps: dict[tuple[str, float], Interval] = {}
    for snr in sorted({row.snr_db for row in rows if row.snr_db is not None and _high(row)}):
        at = [row for row in rows if row.snr_db == snr]
        for rival in rivals:
            if gap := difference(at, ACCURACY, mine, rival):
                gaps[rival, snr] = gap
    if gaps:
        rival, snr = worst = min(gaps, key=lambda key: gaps[key].mean)
        told = f"at worst {points(gaps[worst])} points, of *{rival}* at {snr:g} dB"
        behind = sum(gap.mean < least for gap in gaps.values())
        told += f"; too little in {behind} of {len(gaps)} pairs" if behind else ""
        yield f"{what}: {mine} less {_few(rivals)}", aim, told, weakest(verdict(gap, least) for gap in gaps.values())


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) < 3 else f"each of {len(names)} others"


def _methods(rows: Sequence[Row]) -> list[str]:
    """Return what stands beside ours: neither chance, nor ours in another form."""
    return [m for m in dict.fromkeys(row.method for row in rows) if m != "chance" and not m.startswith(OURS)]


def _high(row: Row) -> bool:
    return row.snr_db is not None and row.snr_db >= 0


def _mean(rows: Sequence[Row]) -> Interval | None:
    """Return the mean over seeds of each seed's mean."""
    by_seed: dict[int, list[float]] = {}
    for row in rows:
        if row.value is not None:
            by_seed.setdefault(row.seed, []).append(row.value)
    return interval([fmean(values) for values in by_seed.values()]) if by_seed else None
