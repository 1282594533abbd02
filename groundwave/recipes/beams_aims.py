"""What was aimed at in beams and angles, and how near rows have come: the first table of docs/results/beams.md."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from groundwave.bench.comparisons import VERDICT_CAPTION, VERDICTS, difference, points, verdict, weakest
from groundwave.bench.contest import ACCURACY
from groundwave.bench.rows import Row, aggregate
from groundwave.metrics import Interval, interval
from groundwave.page import Table
from groundwave.recipes import angles, protobeam
from groundwave.recipes.angles_results import BOUND, MEAN, RMS, TITLES
from groundwave.recipes.beam_sets import AWAY, HOME, SHOTS
from groundwave.recipes.deepbeam_cnn import MIXED
from groundwave.recipes.protobeam_published import FULL_STEPS, STEPS
from groundwave.recipes.results_page import current
from groundwave.recipes.unseen_angles import METRIC as AZIMUTH

Line = tuple[str, str, str, str]  # what, the aim, what was reached, whether that is enough

COSINE = f"{protobeam.TITLE}, cosine prototypes"
OURS, RIVALS = angles.OURS.title, ("MUSIC", "MUSIC, calibrated with the labels", "ESPRIT", "beamscan")
UNSEEN, UNSEEN_FITTED = "beamspace network with residual prototypes (ours)", "MUSIC, calibrated with the seen angles"
NETWORK, FOREST = "ours, from 8 beams", "random forest, from 8 beams"
LEVEL = 0.005  # a smaller difference of shares is none
FEW = 32  # labels of a scenario that is new
SIMULATED = "drives"  # what `deepsense-beams` has for recordings by default


def aims(results: Path) -> Table | None:
    """Return a line for each aim that has rows; None if none has."""
    names = ("protobeam", "protobeam-published", "deepbeam-cnn", "angles", "deepsense-beams")
    rows = {name: [row for row in current(results, name) if row.failed is None] for name in names}
    beams = [row for name in names[:3] for row in rows[name] if row.metric == ACCURACY]
    powers = [row for row in rows["deepsense-beams"] if not row.data.startswith(f"{SIMULATED},")]
    lines = (
        *ladder_aims(beams),
        *beam_aims(beams),
        *angle_aims(rows["angles"]),
        *unseen_aims(rows["angles"]),
        *power_aims(powers),
    )
    caption = f"points are of the score named; *{COSINE}* answers each query by itself. {VERDICT_CAPTION}."
    caption += " Networks of ProtoBeam and DeepBeam are smaller than published unless *at full size*." * bool(beams)
    caption += " The design of *ours* on recordings was tried with test sequences in view." * bool(powers)
    return Table(["", "aim", "reached", ""], [list(line) for line in lines], caption) if lines else None


def ladder_aims(rows: Sequence[Row]) -> Iterator[Line]:
    """Yield in how many cases each step of ProtoBeam is above the one before, as in the source."""
    for steps in (STEPS, FULL_STEPS):
        gaps = [
            gap
            for where in (HOME, AWAY)
            for count in SHOTS
            for before, after in pairwise(steps)
            if (gap := difference(_asked(rows, where, count), ACCURACY, after, before))
        ]
        if gaps and set(steps) <= {row.method for row in rows}:
            told = f"in {sum(gap.mean > 0 for gap in gaps)} of {len(gaps)} cases"
            what = f"beams: each step of {steps[0].split(', ')[0]} above the one before, on both antennas"
            yield what, "with each number of labels", told, weakest(verdict(gap, 0.0) for gap in gaps)


def _asked(rows: Sequence[Row], where: str, count: int) -> list[Row]:
    return [row for row in rows if row.data.endswith(where) and row.shots == count]


def beam_aims(rows: Sequence[Row]) -> Iterator[Line]:
    """Yield how well beams are told with few labels, and how far ahead of the published method and of mixed training.

    Of the published method the last step counts that has rows.
    """
    away = [row for row in rows if row.data.endswith(AWAY)]
    two = [row for row in away if row.shots == 2]
    for steps in (STEPS, FULL_STEPS):
        measured = [step for step in steps if any(row.method == step for row in two)]
        if measured and (gap := difference(two, ACCURACY, COSINE, measured[-1])):
            what = f"beams, {AWAY}, 2 labels: {COSINE} less {measured[-1]}"
            what += f" (step {steps.index(measured[-1]) + 1} of {len(steps)})"
            yield what, "+10 points or more", _in_points(gap), verdict(gap, 0.10)
    for where, count, least in ((AWAY, 8, 0.80), (HOME, 2, 0.90)):
        some = [row for row in rows if row.data.endswith(where) and (row.method, row.shots) == (COSINE, count)]
        if found := _reached(some, ACCURACY):
            what = f"beams, {where}, {count} labels: {COSINE}"
            yield what, f"{100 * least:.0f} % or more", f"{points(found)} %", verdict(found, least)
    both = [row for row in away if (row.method, row.shots) in {(COSINE, 8), (MIXED, 0)}]
    if gap := difference(both, ACCURACY, COSINE, MIXED):
        what = f"beams, {AWAY}: {COSINE}, 8 labels, less {MIXED}"
        yield what, "+20 points or more", _in_points(gap), verdict(gap, 0.20)


def angle_aims(rows: Sequence[Row]) -> Iterator[Line]:
    """Yield the error of one source beside the bound, and beside MUSIC where it is hard."""
    ten = [row for row in rows if row.data == "single" and row.snr_db == 10]
    errors, bounds = _by_seed(ten, OURS), _by_seed(ten, BOUND)
    if errors and errors.keys() <= bounds.keys():
        error = interval(list(errors.values()))
        times = interval([errors[seed] / bounds[seed] for seed in errors])
        told = f"{_degrees(error)} degrees, {_degrees(times)} times the bound"
        met = min(verdict(error, 0.5, at_most=True), verdict(times, 1.5, at_most=True), key=VERDICTS.index)
        what = f"angles, one source, ideal array, 10 dB: rms error of {OURS}"
        yield what, "0.5 degrees or 1.5 times the bound, or less", told, met
    hard = (("single", "ideal array, below 0 dB", 0.0), ("single-uncalibrated", "uncalibrated array", math.inf))
    for data, told_as, end in hard:
        gaps = {snr: gap for snr, gap in gaps_by_snr(rows, data, "MUSIC").items() if snr < end}
        if gaps:
            worst = max(gaps, key=lambda snr: gaps[snr].mean)
            less = sum(gap.mean < 0 for gap in gaps.values())
            told = f"less at {less} of {len(gaps)} SNRs; at worst {_degrees(gaps[worst])} degrees, at {worst:g} dB"
            met = weakest(verdict(gap, 0.0, at_most=True) for gap in gaps.values())
            yield f"angles, one source, {told_as}: rms error of {OURS} less that of MUSIC", "below 0", told, met


def gaps_by_snr(rows: Sequence[Row], data: str, rival: str, metric: str = RMS) -> dict[float, Interval]:
    """Return the error of ours less that of another method, in degrees, by SNR."""
    some = [row for row in rows if row.data == data]
    snrs = sorted({row.snr_db for row in some if row.snr_db is not None})
    gaps = {snr: difference([row for row in some if row.snr_db == snr], metric, OURS, rival) for snr in snrs}
    return {snr: gap for snr, gap in gaps.items() if gap}


def unseen_aims(rows: Sequence[Row]) -> Iterator[Line]:
    """Yield the error of azimuths that training has not heard."""
    for count, most in ((4, 2.0), (32, 1.0)):
        some = [row for row in rows if (row.data, row.method, row.shots) == ("unseen", UNSEEN, count)]
        if found := _reached(some, AZIMUTH):
            what = f"azimuths that training has not heard, {count} shots: {UNSEEN}"
            yield what, f"{most:.1f} degrees or less", f"{_degrees(found)} degrees", verdict(found, most, at_most=True)


def power_aims(rows: Sequence[Row]) -> Iterator[Line]:
    """Yield in how many scenarios ours is ahead of the forest, and how near few labels of a new one come to all."""
    known = [row for row in rows if row.shots is None]
    for top in ("top-1", "top-3"):
        found = {
            site: difference([row for row in known if row.data == site], top, NETWORK, FOREST)
            for site in sorted({row.data for row in known})
        }
        gaps = {site.rsplit(", ", 1)[1]: gap for site, gap in found.items() if gap}
        if gaps:
            worst = min(gaps, key=lambda site: gaps[site].mean)
            ahead = sum(gap.mean >= LEVEL for gap in gaps.values())
            told = f"in {ahead} of {len(gaps)}; at worst {_in_points(gaps[worst])}, {worst}"
            met = weakest(verdict(gap, LEVEL) for gap in gaps.values())
            aim = f"ahead by {100 * LEVEL:g} points in every scenario"
            yield f"recordings, {top}: ours less random forest", aim, told, met
    ours = [row for row in rows if row.method == NETWORK]
    sites = set.intersection(*({row.data for row in ours if row.shots == count} for count in (0, FEW, None)))
    by_labels = [replace(row, method=str(row.shots)) for row in ours if row.data in sites]
    gap, gain = (difference(by_labels, "top-1", str(FEW), str(count)) for count in (None, 0))
    if gap and gain:
        told = f"{_in_points(gap)}; {points(gain)} more than with none"
        what = f"recordings, top-1, a scenario that is new: {FEW} labels of it less all"
        yield what, "-5 points or more", told, verdict(gap, -0.05)


def others_ahead(results: Path) -> str:
    """Say where what learns nothing, or has its response from the same labels, errs less; nothing without rows."""
    rows = [row for row in current(results, "angles") if row.failed is None]
    unseen = [row for row in rows if row.data == "unseen"]
    counts = sorted({row.shots for row in unseen if row.shots is not None})
    by_shots = {
        n: difference([row for row in unseen if row.shots == n], AZIMUTH, UNSEEN, UNSEEN_FITTED) for n in counts
    }
    text = ""
    for data, title in TITLES.items():
        metric = RMS if data.startswith("single") else MEAN
        for rival in RIVALS:
            by_snr = gaps_by_snr(rows, data, rival, metric)
            if behind := [f"{snr:g}" for snr, gap in by_snr.items() if gap.mean > 0]:
                text += f"- {title}, {metric}: *{rival}* has less than *{OURS}* at {', '.join(behind)} dB, "
                text += f"{len(behind)} of {len(by_snr)} SNRs.\n"
    if behind := [f"{n}" for n, gap in by_shots.items() if gap and gap.mean > 0]:
        text += f"- Azimuths that training has not heard: *{UNSEEN_FITTED}* errs less than *{UNSEEN}* with "
        text += f"{', '.join(behind)} shots.\n"
    return f"Beyond what was aimed at, others are ahead of ours:\n\n{text}" if text else ""


def _reached(rows: Sequence[Row], metric: str) -> Interval | None:
    cell = aggregate(rows, (), metric).get(())
    return cell.interval if cell else None


def _by_seed(rows: Sequence[Row], method: str) -> dict[int, float]:
    return {r.seed: r.value for r in rows if (r.method, r.metric) == (method, RMS) and r.value is not None}


def _in_points(gap: Interval) -> str:
    return f"{points(gap)} points"


def _degrees(found: Interval) -> str:
    half = f" ± {(found.high - found.low) / 2:.2f}" if found.n > 1 else ""
    return f"{found.mean:.2f}{half}"
